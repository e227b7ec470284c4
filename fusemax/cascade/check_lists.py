"""The rules for coordinate operators, which make a list out of a rank: ``TI[p,j], TS[p,j] = QK[m,p] :: topk[m -> j]``."""

from __future__ import annotations

from collections import Counter

from fusemax.cascade.ir import Cascade, Einsum, is_variable
from fusemax.errors import Problem
from fusemax.language.syntax import Access, Name, Populate, names


def wrong_lists(cascade: Cascade, einsum: Einsum) -> list[Problem]:
    """Return what is wrong with the ranks of the list that *einsum* makes, if it makes one."""
    action = einsum.action
    if not isinstance(action, Populate):
        return []
    right = [n for n in names(einsum.expression) if is_variable(n) and n not in cascade.constants]
    problems: list[Problem] = []
    if action.source not in right:
        text = f"{action.source!r} does not occur on the right-hand side: there is nothing to list"
        problems.append(Problem(action.place, text, f"read a tensor at {action.source!r}"))
    conditions = {n for c in einsum.conditions for side in (c.left, c.right) for n in names(side)}
    if action.target in {*right, *conditions, *einsum.loop_variables, action.source}:
        text = f"the list runs along {action.target!r}, which the points that are listed have already"
        hint = f"give the list a rank of its own: {action.operator}[{action.source} -> j]"
        return [*problems, Problem(action.place, text, hint)]
    wanted = [n for n in dict.fromkeys(right) if n != action.source and n not in einsum.loop_variables]
    wanted = [n for n in wanted if n.upper() in cascade.ranks]
    for output in einsum.outputs:
        problems += _of_output(output, action, wanted, einsum)
    return problems


def _of_output(output: Access, action: Populate, wanted: list[str], einsum: Einsum) -> list[Problem]:
    found = Counter(index.name for index in output.indices if isinstance(index, Name))
    told = f"{action.operator}[{action.source} -> {action.target}]"
    problems: list[Problem] = []
    if action.source in found:
        text = f"{action.source!r} is listed and stands in the output {output} as well"
        problems.append(Problem(output.place or einsum.place, text, "remove it from the output"))
    missing = [name for name in (*wanted, action.target) if name not in found]
    if missing:
        text = f"the output {output} lacks {', '.join(map(repr, missing))} of {told}"
        hint = f"write {output.tensor}[{','.join((*wanted, action.target))}]"
        problems.append(Problem(output.place or einsum.place, text, hint))
    known = {*wanted, action.target, action.source, *einsum.loop_variables}
    spare = [name for name in found if name not in known and is_variable(name)]
    if spare:
        text = f"{', '.join(map(repr, spare))} of the output {output} is not on the right-hand side"
        problems.append(Problem(output.place or einsum.place, text, "remove it from the output"))
    return problems
