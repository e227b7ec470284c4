"""The best phases for a run of Einsums: skeletons, bindings and tiles, priced by the cost program of each structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import inf
from time import monotonic
from typing import Any

from fusemax.language.syntax import Expression, Number
from fusemax.mapping.space import Block, Phase
from fusemax.search.blocks import block_of, forms_of
from fusemax.search.candidate import Candidate, Tally, best_point, structure_of
from fusemax.search.facts import Facts
from fusemax.search.shapes import Places, Skeleton, skeletons
from fusemax.search.sharing import shared_places
from fusemax.search.structures import is_member, places_of, structures_of
from fusemax.search.tiles import ALL, Tilings, axes_of, refined_axes, seeds, tilings
from fusemax.search.units import Binding, bindings, shared_out, work_of

NEAR = 0.995  #: the part of a price that its bound must cover to end a search
PATIENCE = 40  #: structures without a gain of a thousandth that end a stage, where all is still to be gained
LEAST = 4  #: the same, where nothing is
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
        least, better = hunt.tried(skeleton, block_of(facts, skeleton, places[0]))
        yield from better
        if least is None:
            least, better = hunt.tried(skeleton, block_of(facts, skeleton, places[-1]))
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
    if hunt.ended or max(facts.sizes.values(), default=1) > ALL:
        return
    for skeleton, block in islice(structures_of(facts, segment), SMALL):
        yield from hunt.tried(skeleton, block)[1]
        if hunt.over:
            return


class Clock:
    """When to stop: for better mappings (*until*), and for a first one that fits (*hopeless*); moments of ``monotonic``."""

    def __init__(self, until: float = inf, hopeless: float = inf) -> None:
        self.until, self.hopeless = until, hopeless

    def over(self, found: bool) -> bool:
        """Return whether the time is up for who has *found* something, or nothing yet."""
        return monotonic() > (self.until if found else self.hopeless)


class _Hunt:
    """The best candidate of a phase so far, and whether to go on."""

    def __init__(
        self, facts: Facts, objective: str, fixed: Mapping[str, int], tally: Tally, floor: float, clock: Clock,
        quick: bool,
    ) -> None:  # fmt: skip
        self.facts, self.objective, self.fixed, self.tally = facts, objective, fixed, tally
        self.floor, self.clock, self.quick = floor, clock, quick
        self.best: Candidate | None = None
        self.gained = 0
        self.seen: set[str] = set()

    def begin(self) -> None:
        """Begin a stage: patience is new."""
        self.gained = self.tally.structures

    @property
    def over(self) -> bool:
        """Whether nothing better is to be had or the time is up."""
        reached = self.best is not None and self.floor >= NEAR * self.best.measure(self.objective)
        return reached or self.clock.over(self.best is not None)

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
        for found in _structures(
            self.facts, skeleton, block, self.objective, self.fixed, self.tally, self.quick
        ):
            if mine is None or found.order(self.objective) < mine.order(self.objective):
                mine = found
            if self.best is None or found.order(self.objective) < self.best.order(self.objective):
                if self.best is None or found.measure(self.objective) < 0.999 * self.best.measure(
                    self.objective
                ):
                    self.gained = self.tally.structures
                self.best = found
                better.append(found)
        return mine, better


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


def _structures(
    facts: Facts, skeleton: Skeleton, block: Block, objective: str, fixed: Mapping[str, int], tally: Tally,
    quick: bool,
) -> Iterator[Candidate]:  # fmt: skip
    """Yield the best candidate of each binding of one skeleton with its tensors kept; of the likeliest binding if *quick*."""
    axes = axes_of(facts, skeleton, fixed)
    grid = tilings(facts, axes)
    found: dict[str, Binding] = {}
    for seed in seeds(facts, axes):
        binding = bindings(facts, work_of(facts, skeleton, seed), objective)
        found.setdefault(_key(binding), binding)
    ordered = sorted(found.values(), key=lambda b: b.energy_J if objective == "energy" else b.cycles)
    tried: set[str] = set()
    for binding in ordered[:1] if quick else ordered[:2]:
        best = None
        for _ in range(1 if quick else 2):
            if _key(binding) in tried:
                break
            tried.add(_key(binding))
            phase = phase_of(facts, skeleton, block, binding)
            best = _priced(facts, skeleton, phase, grid, objective, fixed, tally)
            if best is None:
                break
            yield best
            if quick:
                break
            works = work_of(facts, skeleton, best.tiles)
            if objective in ("latency", "edp") and len(facts.machine.units) > 1:
                other = shared_out(facts, works, binding)
                if other is not binding:
                    phase = phase_of(facts, skeleton, block, other)
                    found_too = _priced(facts, skeleton, phase, grid, objective, fixed, tally)
                    if found_too is not None:
                        yield found_too
            binding = bindings(facts, works, objective)


def _key(binding: Binding) -> str:
    return f"{binding.spatial}{sorted(binding.bind.items())}{sorted(binding.taken.items())}"


def phase_of(facts: Facts, skeleton: Skeleton, block: Block, binding: Binding) -> Phase:
    """Return the phase of *skeleton* whose loops and kept tensors are *block*."""
    used = {*binding.bind.values(), *(unit for _, unit in binding.taken)}
    cleaned = [
        {unit: one for unit, one in tried.items() if unit in used and one} for tried in binding.spatial
    ]
    spatial = dict(zip((part.einsums for part in skeleton.bodies), cleaned, strict=True))
    spread: tuple[str, ...] = ()
    if facts.cores > 1:
        spread = (*skeleton.batch, *skeleton.outer)
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


def _priced(
    facts: Facts, skeleton: Skeleton, phase: Phase, grid: Tilings, objective: str, fixed: Mapping[str, int],
    tally: Tally,
) -> Candidate | None:  # fmt: skip
    structure = structure_of(facts, phase, tally)
    if structure is None:
        return None
    found = structure.prices(grid, tally, objective)
    point = best_point(found, objective)
    if point is None:
        return None
    answers = [Candidate.at(phase, grid, found, point)]
    fine = tilings(facts, refined_axes(facts, grid, point, fixed))
    more = structure.prices(fine, tally, objective)
    other = best_point(more, objective)
    if other is not None:
        answers.append(Candidate.at(phase, fine, more, other))
    return min(answers, key=lambda answer: answer.order(objective))
