"""A cascade seen along one rank: the reductions over it, what depends on them, and their terms with steps written out.

The normal form of a chain over the rank: ``y_k = op_k over r of g_k(y_1 .. y_{k-1}, x_r)``. Maps that carry the rank are
inlined into g; values without the rank (epilogues such as ``1/sqrt(S/D)``) stay names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fusemax.analysis.rewrite.parts import parts
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.symbols import at_least_zero
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.errors import FusemaxError
from fusemax.language.functions import FUNCTIONS
from fusemax.language.syntax import (
    Access,
    Binary,
    Call,
    Condition,
    Expression,
    Name,
    Negative,
    Number,
    accesses,
    children,
    walk,
)


class RankError(FusemaxError):
    """A rank that the cascade does not have, or that its Einsums do not run over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A cascade along the rank variables *variables*, outermost first.

    Attributes
    ----------
    reductions
        Names of the Einsums that fold the outermost variable and leave none of the others, in running order.
    needs
        For each tensor, the reductions over any of the variables that it depends on.
    positive
        Tensors and constants whose values are above 0 by construction.
    homes
        Einsums that are seen here outside of the loop in which they stand, as they stand there.
    """

    cascade: Cascade
    rank: str
    variables: tuple[str, ...]
    reductions: tuple[str, ...]
    needs: Mapping[str, frozenset[str]]
    positive: frozenset[str]
    homes: Mapping[str, Einsum] = field(default_factory=dict)

    def at_home(self, einsum: Einsum, like: Einsum) -> Einsum:
        """Return *einsum*, made in place of *like*, in the loop where that stands."""
        home = self.homes.get(like.name)
        if home is None:
            return einsum
        return replace(einsum, loop=home.loop, block=home.block, down=home.down, inner=home.inner)

    def is_carried(self, access: Access) -> bool:
        """Return whether *access* reads, in the loop of the view's Einsums, what an earlier generation left."""
        home = next(iter(self.homes.values()), None)
        tensor = self.cascade.tensors[access.tensor]
        return home is not None and any(tensor.is_earlier(access, v.upper()) for v in home.loop_variables)

    def behind(self, access: Access) -> frozenset[str]:
        """Return the reductions behind *access*; none behind what an earlier generation of the loop left."""
        return frozenset() if self.is_carried(access) else self.needs[access.tensor]

    def carries(self, tensor: str) -> bool:
        """Return whether *tensor* has every rank of the view."""
        ranks = self.cascade.tensors[tensor].ranks
        return all(variable.upper() in ranks for variable in self.variables)

    def touches(self, tensor: str) -> bool:
        """Return whether *tensor* has some rank of the view."""
        return any(variable.upper() in self.cascade.tensors[tensor].ranks for variable in self.variables)

    def maker(self, tensor: str) -> Einsum | None:
        """Return the Einsum that writes *tensor*, None for an input or an iterative tensor."""
        found = self.cascade.producers(tensor)
        return found[0] if len(found) == 1 and found[0].loop is None else None


def view(cascade: Cascade, rank: str) -> View:
    """Return *cascade* along *rank*: one rank (``M``), or the parts of a partitioned one (``M1,M0``).

    Raises
    ------
    RankError
        When no Einsum runs over it.
    """
    variables = rank_variables(cascade, rank)
    over = [e.name for e in cascade.computed if _folds(e, variables)]
    return View(
        cascade=cascade,
        rank=rank,
        variables=variables,
        reductions=tuple(over),
        needs=needs_of(cascade, variables),
        positive=_positive(cascade),
    )


def _folds(einsum: Einsum, variables: tuple[str, ...]) -> bool:
    kept = set(variables) & set(einsum.output_variables)
    return einsum.loop is None and variables[0] in einsum.reduced and not kept


def rank_variables(cascade: Cascade, rank: str) -> tuple[str, ...]:
    """Return the rank variables that run over *rank*, its own or, of a partitioned rank, those of its parts."""
    used = {variable for einsum in cascade.computed for variable in einsum.variables}
    result: list[str] = []
    for part in (piece.strip() for piece in rank.split(",")):
        known = cascade.ranks.get(part)
        if known is None:
            raise RankError(
                f"{part} is no rank of cascade {cascade.name}; there are: {', '.join(cascade.ranks)}"
            )
        digits = parts(known)
        whole = part.lower() in used
        inside = tuple(digit.lower() for digit in digits if digit.lower() in used)
        if whole and inside and (_are_of_another(cascade, part, digits) or _in_loops_alone(cascade, digits)):
            inside = ()
        if whole and inside:
            raise RankError(
                f"cascade {cascade.name} runs over {part} both whole and in parts {', '.join(digits)}; "
                f"write it one way, {' or '.join((part, ','.join(digits)))}"
            )
        if not whole and not inside:
            inside = _other_names(cascade, part, used)
        if not whole and not inside:
            raise RankError(f"no Einsum of cascade {cascade.name} runs over rank {part}")
        result += [part.lower()] if whole else inside
    return tuple(dict.fromkeys(result))


def _in_loops_alone(cascade: Cascade, digits: tuple[str, ...]) -> bool:
    """Return whether the parts *digits* of a rank are used in loops over the first of them alone; the rest has it whole."""
    variables = {digit.lower() for digit in digits}
    using = [e for e in cascade.computed if variables & set(e.variables)]
    return all(e.loop == digits[0].lower() for e in using)


def _are_of_another(cascade: Cascade, rank: str, digits: tuple[str, ...]) -> bool:
    """Return whether *digits* are the tiles of another rank of as many points, as N1 and N0 are those of N."""
    owners = [other.name for other in cascade.ranks.values() if parts(other) == digits]
    named = [name for name in owners if all(digit.startswith(name) for digit in digits)]
    return bool(named) and rank not in named


def _other_names(cascade: Cascade, rank: str, used: set[str]) -> tuple[str, ...]:
    """Return the variable of a rank that is declared to have the size of *rank*, as ``I: K``."""
    same = (other for other in cascade.ranks.values() if other.size == Name(rank))
    return tuple(other.variable for other in same if other.variable in used)[:1]


def needs_of(
    cascade: Cascade,
    variables: tuple[str, ...],
    is_data: Callable[[Access], bool] = lambda access: False,
) -> dict[str, frozenset[str]]:
    """Return the reductions over a variable of the view behind each tensor and Einsum, but for what is read as data."""
    found: dict[str, frozenset[str]] = {name: frozenset() for name in cascade.tensors}
    changed = True
    while changed:
        changed = False
        for einsum in cascade.einsums:
            behind = frozenset().union(*(found[a.tensor] for a in einsum.reads if not is_data(a)))
            if set(einsum.reduced) & set(variables):
                behind |= {einsum.name}
            for name in (einsum.name, *(output.tensor for output in einsum.outputs)):
                if not behind <= found.setdefault(name, frozenset()):
                    found[name] |= behind
                    changed = True
    return found


def _positive(cascade: Cascade) -> frozenset[str]:
    """Return the tensors and constants that are above 0 by construction; those not below 0 as :func:`at_least_zero`."""
    known = {name for name, value in cascade.constants.items() if value > 0}
    for einsum in cascade.einsums:
        keeps = einsum.action is None or einsum.action.operator in ("sum", "prod", "max", "min")
        if not keeps or einsum.loop is not None or einsum.initial:
            continue
        if is_positive(einsum.expression, known):
            known |= {output.tensor for output in einsum.outputs}
        elif is_nonnegative(einsum.expression, known):
            known |= {at_least_zero(output.tensor) for output in einsum.outputs}
    return frozenset(known)


def is_nonnegative(expression: Expression, known: set[str]) -> bool:
    """Return whether *expression* is not below 0 by its form: squares, magnitudes, and sums of such."""
    if is_positive(expression, known):
        return True
    if isinstance(expression, Number):
        return expression.value >= 0
    if isinstance(expression, Access):
        return at_least_zero(expression.tensor) in known
    if isinstance(expression, Call):
        if expression.function == "max":
            return any(is_nonnegative(argument, known) for argument in expression.arguments)
        if expression.function == "min":
            return all(is_nonnegative(argument, known) for argument in expression.arguments)
        if expression.function == "where":
            return all(is_nonnegative(argument, known) for argument in expression.arguments[1:])
        return FUNCTIONS[expression.function].nonnegative
    if isinstance(expression, Binary):
        left, right = expression.left, expression.right
        if expression.operator == "**":
            even = isinstance(right, Number) and right.value % 2 == 0
            return even or is_nonnegative(left, known)
        if expression.operator == "*" and left == right:
            return True
        return expression.operator in "+*/" and is_nonnegative(left, known) and is_nonnegative(right, known)
    return False


def is_positive(expression: Expression, known: set[str]) -> bool:
    """Return whether *expression* is above 0 by its form, given the names *known* to be."""
    if isinstance(expression, Number):
        return expression.value > 0
    if isinstance(expression, Name):
        return expression.name in known or expression.name[0].isupper()
    if isinstance(expression, Access):
        return expression.tensor in known
    if isinstance(expression, Call):
        if expression.function == "max":
            return any(is_positive(argument, known) for argument in expression.arguments)
        if expression.function == "min":
            return all(is_positive(argument, known) for argument in expression.arguments)
        return expression.function == "sqrt" or FUNCTIONS[expression.function].positive
    if isinstance(expression, Binary) and expression.operator == "+":
        sides = (expression.left, expression.right)
        return any(is_positive(s, known) for s in sides) and all(is_nonnegative(s, known) for s in sides)
    if isinstance(expression, Binary) and expression.operator in ("*", "/", "**"):
        return is_positive(expression.left, known) and is_positive(expression.right, known)
    return False


def substitute(expression: Expression, table: Mapping[str, Expression]) -> Expression:
    """Return *expression* with the names in *table* replaced, indices included."""
    if isinstance(expression, Name):
        return table.get(expression.name, expression)
    return rebuild(expression, lambda child: substitute(child, table))


def rebuild(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Return *expression* with *change* applied to each of its operands."""
    if isinstance(expression, Access):
        return Access(
            expression.tensor, tuple(change(index) for index in expression.indices), expression.place
        )
    if isinstance(expression, Call):
        return replace(expression, arguments=tuple(change(argument) for argument in expression.arguments))
    if isinstance(expression, Negative):
        return replace(expression, operand=change(expression.operand))
    if isinstance(expression, Binary):
        return replace(expression, left=change(expression.left), right=change(expression.right))
    return expression


def replace_accesses(expression: Expression, change: Callable[[Access], Expression]) -> Expression:
    """Return *expression* with *change* applied to every access, inner ones (gathers) first."""
    inner = rebuild(expression, lambda child: replace_accesses(child, change))
    return change(inner) if isinstance(inner, Access) else inner


def conditions_with(
    conditions: tuple[Condition, ...], change: Callable[[Expression], Expression]
) -> tuple[Condition, ...]:
    """Return *conditions* with *change* applied to both sides of each."""
    return tuple(replace(c, left=change(c.left), right=change(c.right)) for c in conditions)


def is_map(einsum: Einsum | None) -> bool:
    """Return whether *einsum* computes each output element from one point, outside any loop."""
    return einsum is not None and einsum.action is None and einsum.loop is None and not einsum.initial


def inlined(
    seen: View, einsum: Einsum, expression: Expression, wanted: Callable[[str], bool]
) -> Expression | Refusal:
    """Return *expression* of *einsum* with the maps that make *wanted* tensors written out, again and again."""
    for node in accesses(expression):
        maker = seen.maker(node.tensor)
        if maker is None or not is_map(maker) or not wanted(node.tensor):
            continue
        if not set(maker.conditions) <= set(einsum.conditions):
            return Refusal(f"{node.tensor} exists only where {', '.join(map(str, maker.conditions))}")
        if node in [a for index in node.indices for a in accesses(index)]:
            continue
        whole = replace(maker, expression=_with_exponents(maker.expression, seen.cascade))
        step = replace_accesses(expression, lambda a, n=node, m=whole: _written_out(a, m) if a == n else a)
        return inlined(seen, einsum, step, wanted)
    return expression


def _with_exponents(expression: Expression, cascade: Cascade) -> Expression:
    """Return *expression* with the values of constants that are exponents: ``x**ga`` is a square where ga is 2."""
    inner = rebuild(expression, lambda child: _with_exponents(child, cascade))
    if isinstance(inner, Binary) and inner.operator == "**" and isinstance(inner.right, Name):
        value = cascade.constants.get(inner.right.name)
        return inner if value is None else replace(inner, right=Number(value))
    return inner


def _written_out(access: Access, maker: Einsum) -> Expression:
    table = {
        written.name: index
        for written, index in zip(maker.output.indices, access.indices, strict=True)
        if isinstance(written, Name)
    }
    return substitute(maker.expression, table)


def mentions(expression: Expression, variables: tuple[str, ...]) -> bool:
    """Return whether *expression* names one of *variables*."""
    return any(isinstance(node, Name) and node.name in variables for node in walk(expression))


def term_of(
    seen: View, einsum: Einsum, through: Callable[[str], bool] | None = None, parts: bool = True
) -> Expression | Refusal:
    """Return g of a reduction: its expression with the maps along the rank that need earlier results written out.

    *through* narrows which tensors are written out (all of those by default). With *parts*, maps that carry only a part
    of the rank stay names, as they may be pulled out of a sum over the other part.
    """

    def wanted(tensor: str) -> bool:
        along = seen.carries(tensor) if parts else seen.touches(tensor)
        return along and bool(seen.needs[tensor]) and (through is None or through(tensor))

    return inlined(seen, einsum, _with_exponents(einsum.expression, seen.cascade), wanted)


def value_accesses(expression: Expression) -> tuple[Access, ...]:
    """Return the accesses in *expression* that are operands, not those inside the indices of others (gathers)."""
    if isinstance(expression, Access):
        return (expression,)
    return tuple(access for child in children(expression) for access in value_accesses(child))


def earlier_results(seen: View, expression: Expression, parts: bool = True) -> tuple[Access, ...]:
    """Return the accesses in g to results of reductions over the rank.

    With *parts*, results that still carry some part of the rank (a tile's own maximum) count as well.
    """
    some = all if parts else any
    return tuple(
        dict.fromkeys(
            access
            for access in value_accesses(expression)
            if seen.behind(access) and not some(mentions(access, (v,)) for v in seen.variables)
        )
    )
