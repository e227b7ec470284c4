"""The longest chains of visits to one fibre: the passes of a tensor over a rank, with their certificate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from fusemax.analysis.answer import Step, TensorPasses
from fusemax.analysis.barriers import Corner, Sweep, is_barrier, longest_chain
from fusemax.analysis.conditions import Relation
from fusemax.analysis.cones import Visit, cone, visits
from fusemax.analysis.domains import complete_visits
from fusemax.analysis.plain import INFINITY, Plain, Start
from fusemax.analysis.relations import Table

FIRST, LAST = Corner("start", 0), Corner("end", 0)


def tensor_passes(
    form: Plain, table: Table, tensor: str, rank: str, positions: tuple[int, ...]
) -> TensorPasses:
    """Return the passes over the ranks at *positions* of *tensor*'s plain indices, called *rank*."""
    members = cone(form, tensor, positions)
    every = visits(form, members)
    complete = complete_visits(form, tensor, positions, every)
    states = _states(form, table, tuple(complete))
    if states:
        complete = {visit: ends for visit, ends in complete.items() if _in_step(form, visit)}
    chain, corner = _longest(form, table, complete)
    direct, _ = _longest(form, table, {v: ends for v, ends in complete.items() if v.tensor == tensor})
    steps = tuple(
        Step(earlier=a, later=b, through=_through(form, table, a, b, corner), rank=rank)
        for a, b in pairwise(chain)
    )
    return TensorPasses(
        tensor=tensor,
        rank=rank,
        ranks=tuple(form.ranks[tensor][position] for position in positions),
        count=len(chain),
        direct=len(direct),
        chain=chain,
        steps=steps,
        grows_with=states,
        partial=bool(every) and not complete,
    )


def _longest(form: Plain, table: Table, candidates: Sequence[Visit]) -> tuple[tuple[Visit, ...], Corner]:
    """Return the longest chain over all places where free coordinates may be fixed, and that place."""
    corners = _corners(form, candidates)
    best: tuple[tuple[Visit, ...], Corner] = ((), FIRST)
    for corner in corners:
        fitting = [visit for visit in candidates if _agrees(visit, candidates[visit], corner)]
        chain = longest_chain(fitting, lambda a, b, c=corner: _barrier(form, table, a, b, c) is not None)
        if len(chain) > len(best[0]):
            best = (chain, corner)
    return best


def _corners(form: Plain, candidates: Iterable[Visit]) -> tuple[Corner, ...]:
    """Return the places worth trying: both ends, and every constant index."""
    corners = dict.fromkeys([FIRST, LAST])
    for visit in candidates:
        for _, side, position in visit.constants:
            corners[Corner(side, position + (side == "end"))] = None
    for node in form.nodes:
        for reading in node.reads:
            for index in reading.indices:
                if isinstance(index, Start):
                    corners[Corner("start", index.position)] = None
    return tuple(corners)


def _agrees(visit: Visit, ends: frozenset[str], corner: Corner) -> bool:
    return (
        ends <= {corner.side}
        and (not ends or corner.position == 0)
        and all(
            side == corner.side and position + (side == "end") == corner.position
            for _, side, position in visit.constants
        )
    )


def _sweep(visit: Visit) -> Sweep:
    fixed = {name: (coordinate, offset) for name, coordinate, offset in visit.fixed}
    return Sweep(visit.variables, fixed, visit.inner)


def _barrier(form: Plain, table: Table, u: Visit, v: Visit, corner: Corner) -> Relation | None:
    """Return the shortest relation by which *u* must be over before *v* begins, if there is one."""
    found = [
        relation
        for relation in table[u.number].get(v.number, ())
        if is_barrier(relation, form.nodes[u.number], _sweep(u), form.nodes[v.number], _sweep(v), corner)
    ]
    return min(found, key=lambda relation: len(relation.through), default=None)


def _through(form: Plain, table: Table, u: Visit, v: Visit, corner: Corner) -> tuple[str, ...]:
    relation = _barrier(form, table, u, v, corner)
    return tuple(form.nodes[number].name for number in relation.through) if relation else ()


def _states(form: Plain, table: Table, complete: Sequence[Visit]) -> tuple[str, ...]:
    """Return the iterative ranks with every step of which the fibre is swept again."""
    ranks: dict[str, None] = {}
    for visit in complete:
        node = form.nodes[visit.number]
        for relation in table[visit.number].get(visit.number, ()):
            for position, condition in enumerate(relation.sources):
                if condition[0] != "link" or condition[1] != position or not condition[3] < 0:
                    continue
                here = list(relation.sources)
                here[position] = ("link", position, -INFINITY, INFINITY)
                again = replace(relation, sources=tuple(here))
                if is_barrier(
                    again, node, _ignoring(visit, node.variables[position]), node, _sweep(visit), FIRST
                ):
                    ranks[node.variables[position].upper()] = None
    return tuple(ranks)


def _in_step(form: Plain, visit: Visit) -> bool:
    """Return whether a visit falls into the step of the loop in which the fibre itself stands."""
    loop = form.nodes[visit.number].loop
    return all(offset == 0 for name, _, offset in visit.fixed if name == loop)


def _ignoring(visit: Visit, variable: str) -> Sweep:
    sweep = _sweep(visit)
    return replace(sweep, fixed={name: at for name, at in sweep.fixed.items() if name != variable})
