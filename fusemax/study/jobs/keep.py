"""Which points of a study are kept: all, the front, or the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fusemax.errors import FusemaxError
from fusemax.study.jobs.measures import SHORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which points are kept: all, the front of the measures, or the first ``most`` by one; ``-name`` takes the largest."""

    kind: Literal["all", "front", "best"] = "all"
    measures: tuple[str, ...] = ()
    most: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the measures."""
        names = (name.removeprefix("-") for name in self.measures)
        return tuple(SHORT.get(name, name) for name in names)

    @property
    def signs(self) -> tuple[float, ...]:
        """1 for each measure of which less is better, -1 for the others."""
        return tuple(-1.0 if name.startswith("-") else 1.0 for name in self.measures)


def keep_of(pareto: str | None, top: int | None, by: str | None) -> Keep:
    """Return which points to keep from the words on the command line.

    >>> keep_of("latency,energy", None, None).measures
    ('latency', 'energy')
    """
    if pareto is not None and (top is not None or by is not None):
        raise FusemaxError("--pareto and --top exclude each other: take one of them")
    if pareto is not None:
        measures = tuple(name.strip() for name in pareto.split(",") if name.strip())
        if len(set(measures)) < 2:
            raise FusemaxError("--pareto: expected at least two measures, such as latency,energy,area")
        return Keep(kind="front", measures=measures)
    if (top is None) != (by is None):
        raise FusemaxError("--top and --by belong together, such as --top 10 --by energy_delay")
    if top is not None and by is not None:
        if top < 1:
            raise FusemaxError(f"--top: expected at least 1, got {top}")
        return Keep(kind="best", measures=(by,), most=top)
    return Keep()
