r"""A lower bound on the words that weighted sums move, where the weights are made of sums of products: attention.

Weights ``A[m,p]`` are made pair by pair of scores ``S[m,p] = Q[e,p]*K[e,m] :: sum[e]``, and sum values,
``O[f,p] = A[m,p]*V[f,m] :: sum[m]``. With W products of a weight and a value, sums over E terms in a score, Y results, and
a fast memory of S words,

    words loaded  >=  4*E*W/D - 2*Y - D        with D = S + E**2

*Proof.* Take one making of each output, and of each result the products that flow into it: W in all. Cut the schedule into
phases of X events: an event is a load of a word of Q, K or V, or of any word that belongs to one pair (a score, what is made
of it alone, a partial sum of it); or the return of a result: a product is added to a result that was begun in an earlier
phase and no word of which was in fast memory when this one began. In a phase let a queries and b keys be there with all
of their E words, n words of pairs and v words of V be there, r results be added to that were there at its beginning or
returned, y be begun. Then E*a + E*b + n + v + r <= S + X = T. A product needs its value, its result, and its weight, and that
comes from one of the n words, or is made in this phase of whole sums: its query is one of the a, its key one of the b. So
the phase does at most sqrt(v*(r + y))*(sqrt(a*b) + sqrt(n)) products (Cauchy and Schwarz over f; Loomis and Whitney). With
s = E*(a + b) + n the second factor is at most s/(2*E) + E/2, as sqrt(n) - n/(2*E) is at most E/2; the first is at most
(T - s + y)/2. Their product is at most (T + E**2)**2/(16*E) + y*(T + E**2)/(4*E). Each result is begun once, so
W <= (events/X + 1)*(T + E**2)**2/(16*E) + Y*(T + E**2)/(4*E). There are at most as many events as loads: merging the
words of a result that returned takes a load each time. X = D gives the formula. []

Where values are words of the input of the keys (a latent that is both), b keys and v values are at least (E*b + v)/2 words, as
each is at most all of them. So E*(2*a) + E*b + v + 2*n + 2*r <= 2*T. With 2*a, 2*n, 2*r and 2*y for a, n, r and y the same
steps give at most half of what they gave at 2*T: (2*T + E**2)**2/(32*E) + y*(2*T + E**2)/(4*E) products. Phases of
S + E**2/2 events give

    words loaded  >=  4*E*W/D - 2*Y - D/2      with D = 2*S + E**2

It holds for queries, keys and values from three inputs, or from two in this way. Weights may be scaled, masked and corrected
pair by pair, results repaired as maxima move on and summed in tiles; anything may be computed twice. A panel of queries and
results that stays while keys and values stream by moves (E + F)**2*M*P/S words, E*(E + F)*M*P/S of a latent: for E = F the
bound is that, but for E**2 beside S.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemax.analysis.footprint import size_of
from fusemax.analysis.plain import Node, Plain, Reading, Variable
from fusemax.analysis.products import Product, count_of, factors_of, plain_variables, products_of, source_of
from fusemax.language.syntax import Reduction

if TYPE_CHECKING:
    import sympy

Words = Any
DEEPEST = 12  #: maps between scores and weights that are followed


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """A weighted sum whose weights are made of sums of products, and what both must load.

    Attributes
    ----------
    einsum
        The Einsum that sums values under the weights.
    scores
        The sums of products of which the weights are made.
    inputs
        The inputs of queries, keys and values.
    products, results, terms
        Products of a weight and a value, results, and terms of a score, as formulas in sizes.
    """

    einsum: str
    scores: Product
    inputs: tuple[str, ...]
    products: sympy.Expr
    results: sympy.Expr
    terms: sympy.Expr
    shared: bool = False  #: whether values are words of the input of the keys

    def loads(self, capacity: Words) -> sympy.Expr:
        """Return the least number of words loaded with a fast memory of *capacity* words."""
        import sympy

        share = 2 if self.shared else 1
        room = share * capacity + self.terms**2
        return sympy.Max(0, 4 * self.terms * self.products / room - 2 * self.results - room / share)


def weighted_sums(form: Plain, partly: Set[int] = frozenset()) -> tuple[Weighted, ...]:
    """Return the weighted sums of three inputs, or of two where keys and values are of one, no input twice.

    Einsums of which a part only is needed, *partly* by number, are left out.
    """
    found: list[Weighted] = []
    used: set[str] = set()
    for node in form.nodes:
        if node.number in partly:
            continue
        one = next((one for one in _of_node(form, node, partly) if used.isdisjoint(one.inputs)), None)
        if one is not None:
            used.update(one.inputs)
            found.append(one)
    return tuple(found)


def _of_node(form: Plain, node: Node, partly: Set[int]) -> Iterator[Weighted]:
    action = node.einsum.action
    if not isinstance(action, Reduction) or action.operator != "sum" or len(node.outputs) != 1:
        return
    factors = set(factors_of(node.einsum.expression))
    reads = [r for r, a in zip(node.reads, node.einsum.reads, strict=True) if a in factors]
    for weight in reads:
        for value in reads:
            found = _of_pair(form, node, weight, value, partly) if value is not weight else None
            if found is not None:
                yield found


def _of_pair(form: Plain, node: Node, weight: Reading, value: Reading, partly: Set[int]) -> Weighted | None:
    pair, of_value = plain_variables(weight), plain_variables(value)
    values = source_of(form, value.tensor)
    if pair is None or of_value is None or values is None or not node.reduced <= pair & of_value:
        return None
    if pair | of_value != node.reduced | node.output_variables or not (of_value - pair):
        return None
    for scores, names in _scores(form, node, weight):
        product = next(iter(products_of(form, scores)), None)
        if product is None or scores.number in partly:
            continue
        of_queries, of_keys = product.inputs
        queries, keys = _sides(scores, product)
        queries, keys = {names[v] for v in queries}, {names[v] for v in keys}
        if node.reduced <= queries and not keys & of_value:
            queries, keys, of_queries, of_keys = keys, queries, of_keys, of_queries
        if values == of_queries:
            continue
        fits = (
            keys <= of_value and not queries & of_value and pair - queries - keys <= of_value - node.reduced
        )
        threads = node.output_variables - keys
        count = count_of(form, node, pair | of_value)
        if not fits or not node.reduced <= keys or count is None or not _are_joined(form, node, keys):
            continue
        return Weighted(
            einsum=node.name,
            scores=product,
            inputs=tuple(dict.fromkeys((*product.inputs, values))),
            products=count,
            results=size_of(form, sorted(v.upper() for v in threads), {}),
            terms=product.products / product.results,
            shared=values == of_keys,
        )
    return None


def _scores(
    form: Plain, node: Node, weight: Reading, depth: int = 0
) -> Iterator[tuple[Node, dict[str, str]]]:
    """Yield the sums of which *weight* is made element by element, with what their output variables are in *node*."""
    makers = [maker for maker in form.nodes if any(out.tensor == weight.tensor for out in maker.outputs)]
    if len(makers) != 1 or depth > DEEPEST or len(makers[0].outputs) != 1:
        return
    (maker,) = makers
    names = {
        written.name: read.name
        for written, read in zip(maker.outputs[0].indices, weight.indices, strict=True)
        if isinstance(written, Variable) and isinstance(read, Variable)
    }
    conditions = {one.words for one in node.filters}
    if len(names) < len(weight.indices) or not {one.renamed(names) for one in maker.filters} <= conditions:
        return
    if maker.einsum.action is not None:
        yield maker, names
        return
    for reading in maker.reads:
        if plain_variables(reading) == maker.output_variables:
            for scores, inner in _scores(form, maker, reading, depth + 1):
                yield scores, {name: names[outer] for name, outer in inner.items()}


def _sides(scores: Node, product: Product) -> tuple[set[str], set[str]]:
    """Return the output variables of *scores* that each of its two operands has alone."""
    one, other = (frozenset(plain_variables(reading) or ()) for reading in product.operands)
    return set((one - other) & scores.output_variables), set((other - one) & scores.output_variables)


def _are_joined(form: Plain, node: Node, keys: set[str]) -> bool:
    """Return whether the sums of *node* over tiles of the keys are joined to one result: summed, or added in a loop."""
    left = keys & node.output_variables
    if not left:
        return True
    (output,) = node.outputs
    readers = form.readings.get(output.tensor, ())
    if output.tensor in form.cascade.outputs or len(readers) != 1:
        return False
    reader, reading = readers[0]
    own = {
        read.name
        for written, read in zip(output.indices, reading.indices, strict=True)
        if isinstance(written, Variable) and written.name in left and isinstance(read, Variable)
    }
    if len(own) < len(left) or reader.filters:
        return False
    if isinstance(reader.einsum.action, Reduction):
        return reader.einsum.action.operator == "sum" and own <= reader.reduced
    running = form.cascade.tensors[reader.outputs[0].tensor]
    return own == {reader.loop} and running.generation is not None
