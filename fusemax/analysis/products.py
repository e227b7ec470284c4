r"""Lower bounds on the words that a sum of products moves, with their constants.

A sum of products ``C[i,j] = A[i,k]*B[k,j] :: sum[k]`` does V products for c results, with K = V/c products each. With a
fast memory of S words, for every X > 0 and 0 <= L <= K,

    words loaded  >=  X * ((V - L*c) / max((T/3)**1.5, T**2/(16*L)) - 1)        with T = S + X

*Proof.* Cut the schedule into phases of X events: an event is a load of a word of A or B, or the return of a result: a
product is added to a result that was begun in an earlier phase and no word of which was in fast memory when this one
began. Let a, b be the words of A and B used in a phase, r the results added to that were in fast memory at its beginning
or returned, and y those that it begins. Then a + b + r <= S + X = T. The phase does at most sqrt(a*b*(r + y)) products
(Loomis and Whitney), which is at most max((T/3)**1.5, T**2/(16*L)) + L*y: it is largest at a = b = (T - r)/2, and for a
fixed r + y the rest, (T - r)/2*sqrt(r + y) - L*y, is linear in r, so that it is largest at y = 0, where it is at most
(T/3)**1.5, or at r = 0, where it is T/2*sqrt(y) - L*y <= T**2/(16*L). Each result is begun once, so the sum over phases gives
V <= (events/X + 1)*max(...) + L*c. There are at most as many events as loads: a result that returns e times was kept in
slow memory at least that often, in as many words; each load makes two of them one, and in the end there is one. []

Nothing is assumed of the order of the sums (partial sums may be made apart and joined), and results need not be
stored. Two choices of X and L are used: X = 2*S, L = 9/16*sqrt(S), and X = S, L = K/2.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemax.analysis.footprint import size_of
from fusemax.analysis.plain import Node, Opaque, Plain, Reading, Variable
from fusemax.language.syntax import Access, Binary, Expression, Negative, Reduction

if TYPE_CHECKING:
    import sympy

Words = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A sum of products of two operands that come from slow memory, and what it must load.

    Attributes
    ----------
    einsum
        The Einsum that sums.
    inputs
        The inputs from which the two operands come, element by element.
    operands
        How the Einsum reads the two.
    products, results
        How many products there are, and how many sums they go into, as formulas in sizes.
    """

    einsum: str
    inputs: tuple[str, str]
    operands: tuple[Reading, Reading]
    products: sympy.Expr
    results: sympy.Expr

    def loads(self, capacity: Words) -> sympy.Expr:
        """Return the least number of words loaded with a fast memory of *capacity* words."""
        import sympy

        size, many, sums = capacity, self.products, self.results
        tiles = 2 * many / sympy.sqrt(size) - sympy.Rational(9, 8) * sums - 2 * size
        panels = many * sympy.Min(many / sums / size, sympy.sqrt(sympy.Rational(27, 32) / size)) - size
        return sympy.Max(0, tiles, panels)


def sums_of_products(form: Plain, partly: Set[int] = frozenset()) -> tuple[Product, ...]:
    """Return the sums of products whose operands come from different inputs, no input twice.

    Einsums of which a part only is needed, *partly* by number, are left out.
    """
    found: list[Product] = []
    used: set[str] = set()
    for node in form.nodes:
        for product in products_of(form, node) if node.number not in partly else ():
            if used.isdisjoint(product.inputs):
                used.update(product.inputs)
                found.append(product)
                break
    return tuple(found)


def products_of(form: Plain, node: Node) -> Iterator[Product]:
    """Yield the pairs of operands of which *node* sums the products."""
    action = node.einsum.action
    if not isinstance(action, Reduction) or action.operator != "sum" or len(node.outputs) != 1:
        return
    results = node.output_variables
    if any(not set(one.variables) <= results for one in node.filters):
        return
    factors = set(factors_of(node.einsum.expression))
    reads = [r for r, a in zip(node.reads, node.einsum.reads, strict=True) if a in factors]
    for position, one in enumerate(reads):
        for other in reads[position + 1 :]:
            product = _pair(form, node, one, other)
            if product is not None:
                yield product


def _pair(form: Plain, node: Node, one: Reading, other: Reading) -> Product | None:
    """Return the sum of products of *one* and *other*, if each result is a sum over what they share."""
    a, b = plain_variables(one), plain_variables(other)
    if a is None or b is None or (a | b) & node.reduced != a & b & node.reduced:
        return None
    if not a & b & node.reduced or not (a - b) or not (b - a) or not node.reduced <= a & b:
        return None
    first, second = source_of(form, one.tensor), source_of(form, other.tensor)
    if first is None or second is None or first == second:
        return None
    sums = count_of(form, node, (a | b) - node.reduced)
    if sums is None:
        return None
    terms = size_of(form, sorted(v.upper() for v in node.reduced), {})
    return Product(
        einsum=node.name,
        inputs=(first, second),
        operands=(one, other),
        products=sums * terms,
        results=sums,
    )


def factors_of(expression: Expression) -> Iterator[Access]:
    """Return the accesses that are factors of a product."""
    if isinstance(expression, Access):
        yield expression
    elif isinstance(expression, Negative):
        yield from factors_of(expression.operand)
    elif isinstance(expression, Binary) and expression.operator == "*":
        yield from factors_of(expression.left)
        yield from factors_of(expression.right)
    elif isinstance(expression, Binary) and expression.operator == "/":
        yield from factors_of(expression.left)


def plain_variables(reading: Reading) -> frozenset[str] | None:
    """Return the variables of a reading, each in one index; None where an index is not known."""
    if any(isinstance(index, Opaque) for index in reading.indices):
        return None
    found = [index.name for index in reading.indices if isinstance(index, Variable)]
    return frozenset(found) if len(found) == len(set(found)) else None


def source_of(form: Plain, tensor: str, depth: int = 0) -> str | None:
    """Return the input from which each element of *tensor* is made, an element of its own for each; else None."""
    if tensor in form.cascade.inputs:
        return tensor
    makers = [node for node in form.nodes if any(output.tensor == tensor for output in node.outputs)]
    if len(makers) != 1 or depth > 8 or makers[0].einsum.action is not None or makers[0].filters:
        return None
    (maker,) = makers
    for reading in maker.reads:
        if plain_variables(reading) == maker.output_variables:
            found = source_of(form, reading.tensor, depth + 1)
            if found is not None:
                return found
    return None


def count_of(form: Plain, node: Node, variables: frozenset[str]) -> Words | None:
    """Return how many points *variables* have under the conditions of *node*; None when that is not known."""
    whole = size_of(form, sorted(v.upper() for v in variables), {})
    filters = [one for one in node.filters if set(one.variables) & variables]
    if not filters:
        return whole
    if (
        len(filters) > 1
        or len(node.filters) > 1
        or filters[0].difference is None
        or len(filters[0].reaches) != 2
    ):
        return None
    import sympy

    x, y, low, high = filters[0].difference
    if {x, y} - variables:
        return None
    size = size_of(form, [y.upper()], {})
    apart = size_of(form, [x.upper()], {}) * size
    if (low == -float("inf") and high >= 0) or (high == float("inf") and low <= 0):
        pairs = size * (size + 1) / 2
    else:
        pairs = sympy.Integer(0) + size
    return whole / apart * pairs
