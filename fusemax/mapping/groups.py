"""Cores in groups that share a level: which loops run side by side on the cores of one, and what follows for its tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fusemax.cascade.ir import is_variable
from fusemax.errors import Problem
from fusemax.language.syntax import names
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped, Nest, Residence
from fusemax.source import Document, KeyPath


def shared_level(machine: Machine, nest: Nest) -> str | None:
    """Return the level that groups of cores share in which *nest* keeps something; None if there is none."""
    return next((r.level for r in nest.residences if machine.of_groups(r.level)), None)


def with_shared_tiles(nest: Nest, level: str) -> Nest:
    """Return *nest* whose tiles at *level* hold what all cores of a group want at the same time.

    The loops side by side change none of these tiles.
    """
    mine = [_without(r, nest.beside) if r.level == level else r for r in nest.residences]
    return replace(nest, residences=tuple(mine))


def as_groups(nest: Nest) -> Nest:
    """Return *nest* as groups of cores do it: the loops side by side are no loops, but run inside each body."""
    bodies = [
        replace(
            body, opened=tuple(tuple(x for x in opened if x not in nest.beside) for opened in body.opened)
        )
        for body in nest.bodies
    ]
    residences = tuple(_without(residence, nest.beside) for residence in nest.residences)
    spread = tuple(loop for loop in nest.spread if loop not in nest.beside)
    return replace(nest, bodies=tuple(bodies), residences=residences, spread=spread, beside=())


def _without(residence: Residence, loops: tuple[str, ...]) -> Residence:
    return replace(residence, loops=tuple(loop for loop in residence.loops if loop not in loops))


def group_problems(mapped: Mapped, machine: Machine, document: Document) -> Iterator[Problem]:
    """Yield what is wrong with loops side by side and with what is kept where groups of cores share a level."""
    for number, nest in enumerate(mapped.nests):
        for path, text, hint in (
            *_loops(machine, nest), *_kept(machine, nest), *_outside(mapped, machine, nest), *_einsums(mapped, nest),
        ):  # fmt: skip
            yield document.problem(("nests", number, *path), text, hint, key=not path)
    shared = [level for nest in mapped.nests if (level := shared_level(machine, nest)) is not None]
    for level in mapped.spill if shared else ():
        text = f"what spills from {level} is not counted beside {shared[0]}, which groups of cores share"
        yield document.problem(("spill", level), text, "take smaller tiles, and remove it", key=True)


Found = Iterator[tuple[KeyPath, str, str]]


def _loops(machine: Machine, nest: Nest) -> Found:
    """Yield what is wrong with the loops side by side: they are the innermost in spread, and a shared level needs them."""
    level = shared_level(machine, nest)
    if level is None:
        if nest.beside:
            levels = [name for name in machine.levels if machine.of_groups(name)]
            hint = f"keep something at {' or '.join(levels)}, or remove it" if levels else "remove it"
            yield ("side_by_side",), "this nest keeps nothing at a level that groups of cores share", hint
        return
    if not nest.beside:
        text = f"{level} is shared by groups of cores: which loops run side by side on a group's cores?"
        yield (), text, "name the innermost loops of spread: 'side_by_side: [...]'"
        return
    tasks = nest.bodies[0].loops[: len(nest.spread)]
    inner = tasks[len(tasks) - len(nest.beside) :]
    if set(inner) != set(nest.beside):
        text = f"loops side by side are the innermost ones in spread; here those are {', '.join(inner) or 'none'}"
        yield ("side_by_side",), text, "name these, or change the order of the loops"


def _kept(machine: Machine, nest: Nest) -> Found:
    """Yield what is kept at two levels that different groups share, or inside loops side by side where all cores share it."""
    level = shared_level(machine, nest)
    for residence in nest.residences if level is not None else ():
        where, tensor = residence.level, residence.tensor
        if machine.of_groups(where) and where != level:
            text = f"{tensor} is kept at {where}, others at {level}: one level that groups of cores share in a nest"
            yield ("side_by_side",), text, f"keep {tensor} at {level}"
        common = where in machine.levels and where != level and not machine.levels[where].per_core
        inside = [loop for loop in residence.loops if loop in nest.beside]
        if common and inside:
            text = f"{tensor} is kept at {where}, which all cores share, inside of {inside[0]}, which runs side by side"
            yield ("side_by_side",), text, f"keep it there outside of {inside[0]}"


def _outside(mapped: Mapped, machine: Machine, nest: Nest) -> Found:
    """Yield what is kept at the shared level outside of loops in spread over which its tensor runs: a task needs a part."""
    for residence in nest.residences:
        if residence.level != shared_level(machine, nest):
            continue
        einsums = [mapped.einsum(name) for body in nest.bodies for name in body.einsums]
        accesses = [a for e in einsums for a in (*e.reads, *e.outputs) if a.tensor == residence.tensor]
        used = {n for access in accesses for index in access.indices for n in names(index) if is_variable(n)}
        parts = (loop for loop in nest.spread if loop not in (*nest.beside, *residence.loops))
        for loop in parts:
            if loop in nest.digits_of(used):
                where = f"{residence.tensor} is kept at {residence.level} outside of {loop}"
                text = f"{where}, a loop in spread that says which part of it a task needs"
                yield ("side_by_side",), text, f"keep it inside of {loop}"


def _einsums(mapped: Mapped, nest: Nest) -> Found:
    """Yield sums over loops side by side, and conditions that make tasks unequal."""
    spread, beside = ({nest.root_of(loop).name for loop in loops} for loops in (nest.spread, nest.beside))
    for body in nest.bodies if nest.beside else ():
        for name in body.einsums:
            einsum = mapped.einsum(name)
            summed = nest.digits_of((*einsum.reduced, *([einsum.loop] if einsum.loop else []))) & {
                *nest.beside
            }
            if summed:
                text = f"{name} needs the iterations of {min(summed)} one after another: a sum, or a running value"
                yield ("side_by_side",), text, "name loops over which nothing is summed"
            inner = [d for d in body.loops if d not in nest.spread and nest.root_of(d).name in beside]
            if einsum.conditions and inner:
                root = nest.root_of(inner[0]).name
                text = f"{name} has a condition, and {root} is cut inside of its loop side by side, by {inner[0]}"
                hint = f"leave out {inner[0]}, or keep nothing where groups share"
                yield ("side_by_side",), text, hint
            sides = [side for condition in einsum.conditions for side in (condition.left, condition.right)]
            named = {n for side in sides for n in names(side) if is_variable(n)}
            tied = {nest.root_of(digit).name for digit in nest.digits_of(named)} & spread
            if tied:
                text = (
                    f"{name} has a condition on {min(tied)}, whose loop is in spread: groups have equal tasks"
                )
                yield (
                    ("side_by_side",),
                    text,
                    f"spread no loop over {min(tied)}, or keep nothing where groups share",
                )
