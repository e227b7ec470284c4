"""The rules that hold for one Einsum by itself: what is reduced and what is written."""

from __future__ import annotations

from collections.abc import Sequence

from fusemax.cascade.check_lists import wrong_lists
from fusemax.cascade.check_names import wrong_accesses, wrong_names
from fusemax.cascade.ir import Cascade, Einsum, is_variable
from fusemax.cascade.monoid import PARTS, parts_in
from fusemax.errors import Place, Problem
from fusemax.language.constant import ConstantError, value_of_constant
from fusemax.language.syntax import Binary, Call, Expression, Name, Populate, Reduction, names, walk

PAIRS = ("topk",)  #: coordinate operators that write coordinates and values


def check_einsum(cascade: Cascade, einsum: Einsum) -> list[Problem]:
    """Return every rule for single Einsums that *einsum* breaks."""
    return [
        *wrong_names(cascade, einsum),
        *wrong_accesses(cascade, einsum),
        *_reduction(cascade, einsum),
        *_conditions(cascade, einsum),
        *_repeated(einsum),
        *_populated(cascade, einsum),
        *wrong_lists(cascade, einsum),
        *_divisions(einsum),
    ]


def _reduction(cascade: Cascade, einsum: Einsum) -> list[Problem]:
    constants = cascade.constants
    right = [n for n in names(einsum.expression) if is_variable(n) and n not in constants]
    left = set(einsum.output_variables)
    if einsum.initial:
        return []
    if isinstance(einsum.action, Populate):
        return []
    over = [name for name in right if name not in left and name not in einsum.loop_variables]
    problems: list[Problem] = []
    missing = [name for name in over if name not in einsum.reduced and name.upper() in cascade.ranks]
    if missing:
        text = (
            f"{_listed(missing)} of the right-hand side {_is(missing)} not in {einsum.output} and not reduced"
        )
        operator = einsum.action.operator if einsum.action else "sum"
        hint = f"add ':: {operator}[{','.join((*einsum.reduced, *missing))}]', or the rank to the output"
        problems.append(Problem(einsum.place, text, hint))
    for name in einsum.reduced:
        if name in left:
            text = f"{name!r} is reduced and stands in the output {einsum.output} as well"
            problems.append(Problem(_action_place(einsum), text, "remove it from one of the two"))
        elif name not in right:
            text = f"{name!r} is reduced but does not occur on the right-hand side"
            problems.append(Problem(_action_place(einsum), text, "remove it from the reduction"))
    spare = [name for name in left if name not in right and name not in einsum.loop_variables and right]
    if spare and not isinstance(einsum.expression, Name) and not einsum.conditions:
        text = f"{_listed(spare)} of the output {einsum.output} {_is(spare)} not on the right-hand side"
        problems.append(
            Problem(einsum.place, text, "a value cannot be copied over a rank: read it where it is used")
        )
    return problems


def _repeated(einsum: Einsum) -> list[Problem]:
    """Return the variables that stand twice in an output or in a reduction."""
    problems: list[Problem] = []
    for output in einsum.outputs:
        for name in _twice([index.name for index in output.indices if isinstance(index, Name)]):
            text = f"{name!r} stands twice in the output {output}"
            problems.append(Problem(output.place, text, "give each rank of the output its own variable"))
    if isinstance(einsum.action, Reduction):
        for name in _twice(einsum.action.variables):
            text = f"{name!r} is reduced twice"
            problems.append(Problem(einsum.action.place, text, "name it once"))
    return problems


def _twice(names_: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names_) if names_.count(name) > 1]


def _populated(cascade: Cascade, einsum: Einsum) -> list[Problem]:
    """Return what is wrong with the number of tensors that an Einsum writes."""
    written = len(einsum.outputs)
    operator = einsum.action.operator if isinstance(einsum.action, Populate) else ""
    wanted = 2 if operator in PAIRS else 1
    monoid = cascade.monoid(einsum.action.operator) if isinstance(einsum.action, Reduction) else None
    expression = einsum.expression
    given = len(parts_in(expression) or ())
    if monoid is not None:
        operator, wanted = monoid.name, len(monoid.identity)
    if given and (monoid is None or given != wanted):
        text = f"{PARTS} gives {given} values to {operator or 'an Einsum'}, which takes {wanted}"
        hint = f"it is for reductions of several values: {PARTS}(X[m], m) :: best[m], with 'best' under 'reductions:'"
        return [Problem(expression.place or einsum.place, text, hint)]
    if monoid is not None and wanted > 1 and not given:
        text = f"{operator} reduces {wanted} values together, got one"
        return [Problem(einsum.place, text, f"name them: {PARTS}(X[m], m) :: {operator}[m]")]
    if written == wanted:
        return []
    text = f"{operator or 'an Einsum'} writes {wanted} tensor{'s'[: wanted - 1]}, got {written}"
    if operator == "topk":
        hint = "name the coordinates and the values: TI[p,j], TS[p,j] = ... :: topk[m -> j]; the coordinates alone: topk_index"
    else:
        hint = "write an Einsum of its own for each tensor" if written > 1 else "name both"
    return [Problem(einsum.place, text, hint)]


def _divisions(einsum: Einsum) -> list[Problem]:
    """Return the divisions by a number that is zero."""
    problems: list[Problem] = []
    for root in (einsum.expression, *(s for c in einsum.conditions for s in (c.left, c.right))):
        for node in walk(root):
            divides = isinstance(node, Binary) and node.operator == "/" and _is_zero(node.right)
            remainder = isinstance(node, Call) and node.function == "mod" and _is_zero(node.arguments[-1])
            if divides or remainder:
                problems.append(Problem(node.place or einsum.place, f"{node} divides by zero"))
    return problems


def _is_zero(expression: Expression) -> bool:
    try:
        return value_of_constant(expression) == 0
    except ConstantError:
        return False


def _action_place(einsum: Einsum) -> Place | None:
    return einsum.action.place if einsum.action else einsum.place


def _listed(names_: list[str]) -> str:
    return ", ".join(repr(name) for name in names_)


def _is(names_: list[str]) -> str:
    return "is" if len(names_) == 1 else "are"


def _conditions(cascade: Cascade, einsum: Einsum) -> list[Problem]:
    """Return the conditions on variables over which the Einsum does not run."""
    running = {*einsum.variables, *einsum.loop_variables}
    problems: list[Problem] = []
    for condition in einsum.conditions:
        used = dict.fromkeys((*names(condition.left), *names(condition.right)))
        foreign = [n for n in used if n.upper() in cascade.ranks and is_variable(n) and n not in running]
        foreign = [n for n in foreign if n not in cascade.constants]
        if foreign:
            text = f"{_listed(foreign)} of the condition {condition} {_is(foreign)} no variable of {einsum.output}"
            hint = f"it runs over {_listed(list(einsum.variables)) or 'nothing'}; use one of them, or remove the condition"
            problems.append(Problem(condition.place or einsum.place, text, hint))
    return problems
