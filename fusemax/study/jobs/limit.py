"""The column that says what sets the time: of each nest the schedule of its units, or one level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fusemax.cost.program import Program

LIMIT = "limit"


#: The values of lines by name: float64[points].
Values = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Nest:
    """The time of one nest, the times of its schedules, and that of each level."""

    name: str
    total: str
    schedules: tuple[str, ...]
    levels: tuple[tuple[str, str], ...]

    def of(self, values: Values) -> tuple[np.ndarray, list[str]]:
        """Return what sets the time of each point, as places in a list of words."""
        total = values[self.total]
        words = ["schedule", *(level for level, _ in self.levels)]
        waits = np.ones(len(total), dtype=bool)
        for name in self.schedules:
            waits &= values[name] != total
        if not self.levels:
            return np.zeros(len(total), dtype=np.int64), words
        slowest = np.argmax(np.stack([values[line] for _, line in self.levels]), axis=0)
        return np.where(waits, slowest + 1, 0), words


@dataclass(frozen=True, slots=True)
class Limit:
    """The column that says, for each nest, what its time is: the schedule of its units, or one level."""

    nests: tuple[Nest, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that it reads."""
        found = (
            n
            for nest in self.nests
            for n in (nest.total, *nest.schedules, *(line for _, line in nest.levels))
        )
        return tuple(dict.fromkeys(found))

    def of(self, values: Values) -> list[str]:
        """Return the column's texts."""
        codes, tables = zip(*(nest.of(values) for nest in self.nests), strict=True)
        keys, places = np.unique(np.stack(codes), axis=1, return_inverse=True)
        texts = [
            ", ".join(
                f"{nest.name}: {words[code]}"
                for nest, words, code in zip(self.nests, tables, key, strict=True)
            )
            for key in keys.T
        ]
        return [texts[place] for place in places.reshape(-1)]


def limit_of(program: Program) -> Limit:
    """Return the column of the limits of the nests of *program*."""
    nests: list[Nest] = []
    for phase in program.labelled("phase"):
        nest = phase.label.nest
        schedules = tuple(line.name for line in program.labelled("computing") if line.label.nest == nest)
        times = [line for line in program.labelled("time") if line.label.nest == nest and line.label.level]
        nests.append(
            Nest(nest, phase.name, schedules, tuple((line.label.level, line.name) for line in times))
        )
    return Limit(tuple(nests))
