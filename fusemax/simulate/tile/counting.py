"""A nest run for its number only: the words of its streams, over all cores, and how one core shares the levels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fusemax.mapping.nest import Residence
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.groups import Groups
from fusemax.simulate.tile.loads import WAYS, Moved, Sharing
from fusemax.simulate.tile.plan import Prepared
from fusemax.simulate.tile.state import State, brought_to_cores, run_clock
from fusemax.simulate.tile.streams import Words
from fusemax.simulate.tile.tally import tally

Served = Callable[[Mapping[str, float], Words], Iterable[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a run counted. ``brought`` says, by stream, how often a transfer brings tiles to the memories of several cores.

    ``instead`` are the numbers of streams that another run counts: one of the nest as groups of cores do it.
    """

    prepared: Prepared
    state: State
    brought: Mapping[int, list[int]] = field(default_factory=dict)
    instead: tuple[int, ...] = ()

    def of_cores(
        self, spread: Sequence[str], cores: int, has_own: Callable[[Residence | None], bool]
    ) -> Counted:
        """Return the same over *cores*, each of which has some places for itself; *spread* number their tasks."""
        if cores == 1 or not spread:
            return self
        brought = {
            n: brought_to_cores(self.prepared, n, spread, cores)
            for n, stream in enumerate(self.prepared.streams)
            if has_own(stream.residence)
        }
        return replace(self, brought=brought)

    def moved(self, number: int) -> list[int]:
        """Return how many words of each entry stream *number* moved."""
        prepared, state, counts = self.prepared, self.state, self.brought.get(number)
        found: list[int] = []
        for per_class, share in zip(prepared.words[number], prepared.shares[number], strict=True):
            if share >= 0:
                found.append(
                    state.touched(prepared, number, share) if counts is None else counts[clock.CLASSES]
                )
            else:
                times = (
                    [state.moved(number, cls) for cls in range(clock.CLASSES)] if counts is None else counts
                )
                found.append(sum(times[cls] * words for cls, words in enumerate(per_class)))
        return found

    def moved_bytes(self, by: Served) -> list[Moved]:
        """Return the bytes of each stream by level and way; *by* says which levels serve its words, and their bytes."""
        found: list[Moved] = []
        for n, stream in enumerate(self.prepared.streams):
            mine: dict[tuple[str, str], float] = {}
            for entry, count in zip(stream.words, self.moved(n), strict=True):
                for level, each_B in by(self.prepared.spilled, entry):
                    key = level, WAYS[entry.kind]
                    mine[key] = mine.get(key, 0.0) + count * each_B
            found.append(mine)
        return found

    def entries(self) -> list[tuple[Words, int]]:
        """Return what streams move, and how many words of it; without those that another run counts."""
        return [
            entry
            for n, stream in enumerate(self.prepared.streams)
            if n not in self.instead
            for entry in zip(stream.words, self.moved(n), strict=True)
        ]

    def of_groups(self, groups: Groups) -> Counted:
        """Return the same over all *groups*, of what comes to the level that they share and leaves it; nothing else."""
        here = self.of_cores(groups.nest.spread, groups.count, lambda place: _is_at(place, groups.level))
        mine = self.at(groups.level).values()
        return replace(here, instead=tuple(n for n in range(len(self.prepared.streams)) if n not in mine))

    def at(self, level: str) -> dict[tuple[int, int, bool], int]:
        """Return the numbers of the transfers to and from *level*: by residence, kind, and whether they come again."""
        places = self.prepared.nest.residences
        return {
            (places.index(s.residence), s.kind, s.again): n
            for n, s in enumerate(self.prepared.streams)
            if s.residence is not None and s.residence.level == level
        }

    def with_groups(self, groups: Groups, own: Counted, by: Served) -> list[Moved]:
        """Return the bytes of each stream; those of the level that *groups* share as *own*, their nest, counts them."""
        moved, theirs, there = self.moved_bytes(by), own.moved_bytes(by), own.at(groups.level)
        for key, number in self.at(groups.level).items():
            moved[number] = theirs[there[key]] if key in there else {}
        return moved


def run_for_numbers(prepared: Prepared) -> Counted:
    """Count *prepared* on one core alone: task by task, or with the clock where there are many."""
    state = tally(prepared)
    if state is None:
        state = State.fresh(prepared, 0)
        run_clock(prepared, state)
    return Counted(prepared, state)


def sharing_of(everything: Sequence[Moved], mine: Sequence[Moved], group: Sequence[Moved]) -> Sharing:
    """Return how the busiest core, which moves *mine* of *everything*, shares the levels; *group* is what its group moves."""
    levels: dict[tuple[str, str | None], list[float]] = {}
    for a, m in zip(everything, mine, strict=True):
        for (level, way), each_B in a.items():
            for key in ((level, way), (level, None)):
                both = levels.setdefault(key, [0.0, 0.0])
                both[0] += each_B
                both[1] += each_B if m.get((level, way)) else 0.0
    more = {key: total / told for key, (total, told) in levels.items() if told}
    return Sharing(_times(everything, mine), _times(group, mine), more)


def _times(moved: Sequence[Moved], mine: Sequence[Moved]) -> tuple[Moved, ...]:
    return tuple(
        {key: all_B / m[key] for key, all_B in a.items() if m.get(key)}
        for a, m in zip(moved, mine, strict=True)
    )


def _is_at(place: Residence | None, level: str) -> bool:
    return place is not None and place.level == level
