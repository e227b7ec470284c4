"""The longest chains of visits to one fibre: the passes of a tensor over a rank, with their certificate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from fusemax.analysis.answer import Step, TensorPasses
from fusemax.analysis.barriers import Corner, Sweep, is_barrier, sweep_of
from fusemax.analysis.corner_spans import corner_chain
from fusemax.analysis.domains import complete_visits, wanted
from fusemax.analysis.members import Visit
from fusemax.analysis.order import FIRST, MIDDLE, Order
from fusemax.analysis.plain import INFINITY, Plain
from fusemax.analysis.room import SEVERAL
from fusemax.analysis.spans import stands


def tensor_passes(order: Order, tensor: str, rank: str, positions: tuple[int, ...]) -> TensorPasses:
    """Return the passes over the ranks at *positions* of *tensor*'s plain indices, called *rank*."""
    form = order.form
    cone = order.cones.cone(tensor, positions)
    every = order.cones.visits(cone)
    complete = complete_visits(form, tensor, positions, every, order.cones.unseen(cone))
    states = _states(order, tuple(complete))
    if states:
        complete = {visit: ends for visit, ends in complete.items() if _in_step(form, visit)}
    chain, corner = _longest(order, complete)
    if not states:
        chain, corner, complete = _apart(order, tensor, positions, (chain, corner, complete))
    if len(positions) == 1 and len(order.corners) > 1 and not states:
        better = corner_chain(order, tensor, positions[0], cone, len(chain))
        if better[0] and not _states(order, better[0]):
            chain, corner = better
            complete = dict.fromkeys(chain, frozenset({corner.side}))
    if not chain:
        chain = order.cones.only_reader(tensor, positions)
    itself = {visit: ends for visit, ends in complete.items() if visit.tensor == tensor}
    direct = chain if len(itself) == len(complete) else _longest(order, itself)[0]
    steps = tuple(_step(order, a, b, corner, rank) for a, b in pairwise(chain))
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
        at=_fibre(form, tensor, chain if len(chain) > 1 else (), complete, corner),
    )


Ends = Mapping[Visit, frozenset[str]]


def _apart(
    order: Order, tensor: str, positions: tuple[int, ...], best: tuple[tuple[Visit, ...], Corner, Ends]
) -> tuple[tuple[Visit, ...], Corner, Ends]:
    """Return *best*, or a longer chain where the fibre's other coordinates stand apart, as conditions want it."""
    for apart in order.cones.kept_apart(tensor, positions):
        cone = order.cones.cone(tensor, positions, apart)
        visits = order.cones.visits(cone)
        complete = complete_visits(order.form, tensor, positions, visits, order.cones.unseen(cone))
        chain, corner = ((), FIRST) if _states(order, tuple(complete)) else _longest(order, complete)
        if len(chain) > len(best[0]):
            best = chain, corner, complete
    return best


def _fibre(
    form: Plain, tensor: str, chain: Sequence[Visit], complete: Mapping[Visit, frozenset[str]], corner: Corner
) -> tuple[str, ...]:
    """Return which fibre a chain visits, in words: at a constant index, or where what conditions tie it to stands."""
    found: dict[str, None] = {}
    for visit in chain:
        for coordinate, side, position in visit.constants:
            rank = form.ranks[tensor][coordinate]
            place = str(position) if side == "start" else f"{rank}{position:+d}" if position else rank
            found[f"{rank.lower()} = {place}"] = None
        ends = complete.get(visit, frozenset())
        node = form.nodes[visit.number]
        tied = {
            name
            for one in node.filters
            for name in one.variables
            if set(one.variables) & set(visit.variables)
        }
        offsets = {name: offset for name, _, offset in visit.fixed}
        for name in sorted(tied - {*visit.variables, *visit.inner}) if ends or corner.position else ():
            found[corner.named(name, offsets.get(name, 0))] = None
    return tuple(found)


def _longest(order: Order, candidates: Mapping[Visit, frozenset[str]]) -> tuple[tuple[Visit, ...], Corner]:
    """Return the longest chain over all places where free coordinates may be fixed, and that place."""
    best: tuple[tuple[Visit, ...], Corner] = ((), FIRST)
    numbered = [(order.number(visit), visit, ends) for visit, ends in candidates.items()]
    visits = {number: visit for number, visit, _ in numbered}
    corners = list(_corners(order, candidates))
    for corner in corners:  # grows on the way
        named: dict[int, Visit] = {}
        rooms = {number: order.room(number, visit, corner) for number, visit in visits.items()}
        for number, visit, ends in numbered:
            if rooms[number] and number not in named and _agrees(order, visit, ends, corner):
                named[number] = visit
        beyond = corner.inwards if min(rooms.values(), default=SEVERAL) < SEVERAL else None
        if beyond is not None and beyond not in corners:
            corners.append(beyond)  # conditions leave too little here
        chain = order.longest(named, corner) if len(named) > len(best[0]) else ()
        if any(rooms[number] == 1 for number in named):
            chain = chain[:1]  # whatever follows one coordinate follows all of it
        if len(chain) > len(best[0]):
            best = (chain, corner)
    return best


def _corners(order: Order, candidates: Iterable[Visit]) -> tuple[Corner, ...]:
    """Return the places worth trying: both ends, and every constant index."""
    corners = dict.fromkeys(order.corners)
    if len(order.corners) > 1 and any(offset for visit in candidates for _, _, offset in visit.fixed):
        corners[MIDDLE] = None
    for visit in candidates:
        for _, side, position in visit.constants:
            corners[Corner(side, position + (side == "end"))] = None
    return tuple(corners | dict.fromkeys(order.constants))


def _agrees(order: Order, visit: Visit, ends: frozenset[str], corner: Corner) -> bool:
    return (
        ends <= {corner.side}
        and (not ends or corner.position == 0)
        and stands(wanted(order.form.nodes[visit.number], visit), corner)
        and (len(order.corners) == 1 or all(corner.has(offset) for _, _, offset in visit.fixed))
        and all(
            side == corner.side and position + (side == "end") == corner.position
            for _, side, position in visit.constants
        )
    )


def _step(order: Order, u: Visit, v: Visit, corner: Corner, rank: str) -> Step:
    relation = order.relation(u, v, corner)
    between = [order.form.nodes[number] for number in relation.through] if relation else []
    maps = not order.form.nodes[u.number].reduced & set(u.variables)
    folds = bool(between) and maps and bool(between[0].reduced & set(u.variables))
    fold = (between[0].name, between[0].einsum.place) if folds else None
    return Step(
        earlier=u, later=v, through=tuple(dict.fromkeys(node.name for node in between)), rank=rank, fold=fold
    )


def _states(order: Order, complete: Sequence[Visit]) -> tuple[str, ...]:
    """Return the iterative ranks with every step of which the fibre is swept again."""
    ranks: dict[str, None] = {}
    for visit in complete:
        node = order.form.nodes[visit.number]
        for relation in order.table[visit.number].get(visit.number, ()):
            for position, condition in enumerate(relation.sources):
                if condition[0] != "link" or condition[1] != position:
                    continue
                if not (condition[3] < 0 or condition[2] > 0):
                    continue
                here = list(relation.sources)
                here[position] = ("link", position, -INFINITY, INFINITY)
                again = replace(relation, sources=tuple(here))
                if is_barrier(
                    again, node, _ignoring(visit, node.variables[position]), node, sweep_of(visit), FIRST
                ):
                    ranks[node.variables[position].upper()] = None
    return tuple(ranks)


def _in_step(form: Plain, visit: Visit) -> bool:
    """Return whether a visit falls into the step of the loop in which the fibre itself stands."""
    loop = form.nodes[visit.number].loop
    return all(offset == 0 for name, _, offset in visit.fixed if name == loop)


def _ignoring(visit: Visit, variable: str) -> Sweep:
    sweep = sweep_of(visit)
    return replace(sweep, fixed={name: at for name, at in sweep.fixed.items() if name != variable})
