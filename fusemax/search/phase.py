"""The best phases for a run of Einsums: skeletons, bindings and tiles, priced by the cost program of each structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import inf
from typing import Any

from fusemax.language.syntax import Expression, Number
from fusemax.mapping.space import Block, Phase
from fusemax.search.blocks import block_of, forms_of
from fusemax.search.candidate import Candidate, Tally, best_point, structure_of
from fusemax.search.choice import IDLE, Choice
from fusemax.search.clock import Clock
from fusemax.search.divided import near, opened, roughly, taken_again
from fusemax.search.facts import Facts
from fusemax.search.shapes import Places, Skeleton, dealt, skeletons
from fusemax.search.sharing import shared_places
from fusemax.search.structures import is_member, places_of, structures_of
from fusemax.search.tiles import ALL, Axis, Tilings, axes_of, narrowed, refined_axes, tilings
from fusemax.search.units import Binding

NEAR = 0.995  #: the part of a price that its bound must cover to end a search
GAIN = 0.999  #: what is not below this part of the best is no gain
BINDINGS = 6  #: bindings of a structure that are derived at most
HASTY, HASTE = (
    2,
    0.9,
)  #: the same at a first look, and what part of the time of the first a second one may promise
FAR = 1.2  #: structures whose price is so far above the best are not looked at closely
PATIENCE = 42  #: structures without a gain of a thousandth that end a stage, where all is still to be gained
ROUNDS = 3  #: narrower grids around the best tiling so far, while that gains, where groups divide a level; elsewhere one
LEAST = 2  #: the same, where nothing is
FIRST = 3  #: skeletons that are tried without effort
SMALL = 2000  #: structures of a run of Einsums that are tried at most


def candidates(
    facts: Facts, segment: Sequence[str], objective: str, fixed: Mapping[str, int], tally: Tally, floor: float,
    effort: int = 2, clock: Clock | None = None,
) -> Iterator[Candidate]:  # fmt: skip
    """Yield candidates for a phase that does *segment*, each better than those before it.

    Likely skeletons come first, with tensors where they are likely to be kept; then other forms of the best of them; where
    all ranks are small, then all the rest. A stage ends when one is within :data:`NEAR` of *floor*, below which no phase can
    be, when the time is up, or after structures without a gain: the more, the further off *floor* is. *effort* bounds how many
    skeletons and forms are tried; with none of it, the first few.
    """
    hunt = _Hunt(facts, objective, fixed, tally, floor, clock or Clock(), quick=effort == 0)
    places = places_of(facts)
    rated: list[tuple[tuple[float, ...], Skeleton]] = []
    hunt.begin()
    for skeleton in islice(skeletons(facts, segment), 12 * effort or FIRST):
        least = None
        for form in forms_of(facts, skeleton):
            if form is not skeleton and hunt.best is not None:
                break  # other forms wait, unless nothing that fits is known
            for some in (places[0], replace(places[0], near=True), places[-1]):
                if least is None:
                    least, better = hunt.tried(form, block_of(facts, form, some))
                    yield from better
        rated.append((least.order(objective) if least else (float("inf"),), skeleton))
        if hunt.ended:
            break
    rated.sort(key=lambda pair: pair[0])
    hunt.begin()
    if effort == 0:
        return
    for skeleton, places_ in _variants(facts, rated[: 2 * effort], places):
        if hunt.ended:
            break
        yield from hunt.tried(skeleton, block_of(facts, skeleton, places_))[1]
    hunt.begin()
    if hunt.ended or not hunt.small:
        return
    for skeleton, block in islice(structures_of(facts, segment), SMALL):
        yield from hunt.tried(skeleton, block)[1]
        if hunt.over:
            return


class _Hunt:
    """The best candidate of a phase so far, and whether to go on."""

    def __init__(
        self, facts: Facts, objective: str, fixed: Mapping[str, int], tally: Tally, floor: float, clock: Clock,
        quick: bool,
    ) -> None:  # fmt: skip
        self.facts, self.objective, self.fixed, self.tally = facts, objective, fixed, tally
        self.floor, self.clock, self.quick = floor, clock, quick
        self.small = max(facts.sizes.values(), default=1) <= ALL
        grouped = any(level.divided is not None for level in facts.machine.levels.values())
        self.rounds = ROUNDS if grouped else 1
        self.best: Candidate | None = None
        self.known: dict[str, tuple[Binding, ...]] = {}  # by loops of a structure, the best binding found
        self.gained = 0
        self.seen: set[str] = set()

    def begin(self) -> None:
        """Begin a stage: patience is new."""
        self.gained = self.tally.structures

    def late(self, found: bool = False) -> bool:
        """Return whether the time is up; that for a first one ends with one that is *found*."""
        return self.clock.over(found or self.best is not None)

    @property
    def over(self) -> bool:
        """Whether nothing better is to be had or the time is up."""
        reached = self.best is not None and self.floor >= NEAR * self.best.measure(self.objective)
        return reached or self.late()

    @property
    def ended(self) -> bool:
        """Whether a stage is at its end."""
        if self.over or self.best is None:
            return self.over
        value = self.best.measure(self.objective)
        left = 1.0 - self.floor / value if value else 0.0
        return self.tally.structures > self.gained + LEAST + PATIENCE * left

    def tried(self, skeleton: Skeleton, block: Block) -> tuple[Candidate | None, list[Candidate]]:
        """Return the best candidate of a structure, and those that are better than all before; none the second time."""
        key = f"{block}{skeleton.cuts}"
        if key in self.seen or not is_member(self.facts, skeleton, block):
            return None, []
        self.seen.add(key)
        mine: Candidate | None = None
        better: list[Candidate] = []
        for found in self._bound(skeleton, block):
            if mine is None or found.order(self.objective) < mine.order(self.objective):
                mine = found
            if self.best is None or found.order(self.objective) < self.best.order(self.objective):
                if self.best is None or found.measure(self.objective) < GAIN * self.best.measure(
                    self.objective
                ):
                    self.gained = self.tally.structures
                self.best = found
                better.append(found)
        return mine, better

    def _bound(self, skeleton: Skeleton, block: Block) -> Iterator[Candidate]:
        """Yield the best candidate of each binding of one structure that may be better than what is known."""
        grid = tilings(self.facts, axes_of(self.facts, skeleton, self.fixed))
        shape = f"{skeleton.cuts}{skeleton.bodies}"
        choice = Choice(self.facts, skeleton, grid, self.objective, self.known.get(shape, ()))
        mine, idle = inf, 0
        for number in range(HASTY if self.quick else BINDINGS):
            best = inf if self.best is None else self.best.measure(self.objective)
            binding = choice.next(
                inf if self.small else GAIN * min(best, HASTE * mine if self.quick else mine)
            )
            if binding is None or (number > 0 and self.late()):
                return
            phase = phase_of(self.facts, skeleton, block, binding)
            found = self._priced(phase, grid, binding, choice, best)
            value = inf if found is None else found.measure(self.objective)
            idle = 0 if value < GAIN * mine else idle + 1
            if found is not None:
                if value < mine:
                    self.known[shape] = (taken_again(binding, found.phase),)
                mine = min(mine, value)
                yield found
            if not self.small and (idle >= IDLE or (value > FAR * best and choice.begun)):
                return

    def _priced(
        self, phase: Phase, grid: Tilings, binding: Binding, choice: Choice, best: float
    ) -> Candidate | None:
        phase, parts = opened(phase)
        structure = structure_of(self.facts, phase, self.tally)
        if structure is None:
            return None
        open_ = tuple(
            Axis("", name, roughly(value) if len(parts) == 1 else (value,)) for name, value in parts.items()
        )
        grid = tilings(self.facts, (*grid.axes, *open_)) if parts else grid
        found = structure.prices(grid, self.tally, self.objective, FAR * best, self.late)
        point = best_point(found, self.objective)
        if point is None:
            return None
        answer = Candidate.at(phase, grid, found, point)
        for _ in range(self.rounds if answer.measure(self.objective) <= FAR * best else 0):
            axes = refined_axes(self.facts, grid, point, self.fixed)
            grid = tilings(self.facts, narrowed([_wider(axis, parts) for axis in axes]))
            more = structure.prices(grid, self.tally, self.objective, FAR * best, self.late)
            nearer = best_point(more, self.objective)
            if nearer is None:
                break
            point, other = nearer, Candidate.at(phase, grid, more, nearer)
            if other.order(self.objective) >= answer.order(self.objective):
                break
            answer = other
        choice.found(binding, found.fits, answer.tiles)
        return answer


def _wider(axis: Axis, parts: Mapping[str, int]) -> Axis:
    """Return *axis* with more values if it is one of the open *parts* of operations, not too many."""
    return replace(axis, values=near(parts[axis.digit], len(parts) > 1)) if axis.digit in parts else axis


def _variants(
    facts: Facts, rated: Sequence[tuple[tuple[float, ...], Skeleton]], preferred: Sequence[Places]
) -> Iterator[tuple[Skeleton, Places]]:
    """Yield other forms of the best skeletons: Einsums in bodies of their own, tensors kept elsewhere, both."""
    shapes = [skeleton for _, skeleton in rated]
    several = [other for skeleton in shapes for other in forms_of(facts, skeleton)[1:]]
    yield from ((skeleton, places) for skeleton in shapes[:1] for places in preferred[1:])
    yield from ((skeleton, preferred[0]) for skeleton in several)
    cut = [other for skeleton in shapes[:2] for other in forms_of(facts, skeleton)[1:]]
    for skeleton in (*cut, *shapes[1:]):
        yield from ((skeleton, places) for places in preferred[1:])


def phase_of(facts: Facts, skeleton: Skeleton, block: Block, binding: Binding) -> Phase:
    """Return the phase of *skeleton* whose loops and kept tensors are *block*."""
    used = {*binding.bind.values(), *(unit for _, unit in binding.taken)}
    cleaned = [
        {unit: one for unit, one in tried.items() if unit in used and one} for tried in binding.spatial
    ]
    spatial = dict(zip((part.einsums for part in skeleton.bodies), cleaned, strict=True))
    spread: tuple[str, ...] = ()
    if facts.cores > 1:
        spread = dealt(facts, skeleton)
    schedule = "auto" if any(facts.einsum(name).loop for name in skeleton.einsums) else "overlapped"
    return Phase(
        block=_with_spatial(block, spatial), cuts=skeleton.cuts, bind=binding.bind, offload=_offload(binding),
        spread=spread, schedule=schedule, in_place=shared_places(facts, skeleton, block),
    )  # fmt: skip


def _offload(binding: Binding) -> dict[tuple[str, str], dict[str, Expression]]:
    parts: dict[tuple[str, str], dict[str, Expression]] = {}
    for (entry, unit), part in binding.taken.items():
        parts.setdefault(entry, {})[unit] = Number(part)
    return parts


def _with_spatial(block: Block, spatial: Mapping[tuple[str, ...], Any]) -> Block:
    if block.do and isinstance(block.do[0], str):
        return replace(block, spatial=spatial[block.do])  # pyright: ignore[reportArgumentType]
    return replace(block, do=tuple(_with_spatial(one, spatial) for one in block.do if isinstance(one, Block)))
