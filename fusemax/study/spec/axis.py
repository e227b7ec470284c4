"""One axis of a grid: what changes along it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: the names that change along it, and their values."""

    names: tuple[str, ...] = ()
    values: tuple[tuple[float, ...], ...] = ()

    @property
    def length(self) -> int:
        """The number of points on the axis."""
        return len(self.values[0]) if self.values else 1
