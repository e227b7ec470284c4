"""A nest run for its number only: the words of its streams, over all cores, and how one core shares the levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fusemax.mapping.nest import Residence
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.groups import Groups
from fusemax.simulate.tile.loads import Sharing
from fusemax.simulate.tile.plan import Prepared
from fusemax.simulate.tile.state import State, brought_to_cores, run_clock
from fusemax.simulate.tile.streams import Stream, Words


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

    def words(self) -> list[int]:
        """Return the words of each stream, of all tensors and levels together."""
        return [sum(self.moved(n)) for n in range(len(self.prepared.streams))]

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

    def with_groups(self, groups: Groups, own: Counted) -> list[int]:
        """Return the words of each stream; those of the level that *groups* share as *own*, their nest, counts them."""
        words, theirs, there = self.words(), own.words(), own.at(groups.level)
        for key, number in self.at(groups.level).items():
            words[number] = theirs[there[key]] if key in there else 0
        return words


def run_for_numbers(prepared: Prepared) -> Counted:
    """Run *prepared* on one core alone."""
    state = State.fresh(prepared, 0)
    run_clock(prepared, state)
    return Counted(prepared, state)


def sharing_of(
    streams: Sequence[Stream],
    size_B: Callable[[str], float],
    everything: Sequence[int],
    mine: Sequence[int],
    group: Sequence[int],
) -> Sharing:
    """Return how the busiest core, which moves the words *mine* of *everything*, shares the levels; *group* are its group's.

    *size_B* says the bytes of a word of a tensor.
    """
    levels: dict[str, list[float]] = {}
    for stream, a, m in zip(streams, everything, mine, strict=True):
        for entry in stream.words:
            both = levels.setdefault(entry.level, [0.0, 0.0])
            each_B = size_B(entry.tensor) * a / len(stream.words)
            both[0] += each_B
            both[1] += each_B if m else 0.0
    more = {level: total / told for level, (total, told) in levels.items() if told}
    return Sharing(_times(everything, mine), _times(group, mine), more)


def _times(words: Sequence[int], mine: Sequence[int]) -> tuple[float, ...]:
    return tuple(w / m if m else 1.0 for w, m in zip(words, mine, strict=True))


def _is_at(place: Residence | None, level: str) -> bool:
    return place is not None and place.level == level
