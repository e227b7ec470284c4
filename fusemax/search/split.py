"""Work split freely over units: the least time in which they do all operations, and the weights that prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ROUNDED = 1e-14  #: smaller weights are what is left of zero


@dataclass(frozen=True, slots=True)
class Ways:
    """How an operation may be done: seconds by unit for all of it, or, if it has parts, seconds by unit for each part."""

    whole: Mapping[str, float]
    parts: tuple[Mapping[str, float], ...] = ()

    def weighted(self, weights: Mapping[str, float]) -> float:
        """Return the least weighted time: a part of the weighted sum of all units' times, however the work is split."""
        values = [value * weights[unit] for unit, value in self.whole.items()]
        if self.parts:
            values.append(sum(min(v * weights[u] for u, v in one.items()) for one in self.parts))
        return min(values)


@dataclass(frozen=True, slots=True)
class Cases:
    """Ways of several cases at once: float64[cases] in place of seconds."""

    whole: Mapping[str, np.ndarray]
    parts: tuple[Mapping[str, np.ndarray], ...] = ()

    def weighted(self, weights: Mapping[str, float]) -> np.ndarray:
        """Return the least weighted time in each case: float64[cases]."""
        values = [value * weights[unit] for unit, value in self.whole.items()]
        if self.parts:
            each = [np.minimum.reduce([v * weights[u] for u, v in one.items()]) for one in self.parts]
            values.append(np.sum(each, axis=0))
        return np.minimum.reduce(values)

    def at(self, case: int) -> Ways:
        """Return the ways of one case."""
        whole = {unit: float(value[case]) for unit, value in self.whole.items()}
        return Ways(whole, tuple({unit: float(v[case]) for unit, v in one.items()} for one in self.parts))


def weighted(seconds: Mapping[tuple[str, str], Ways], weights: Mapping[str, float]) -> float:
    """Return the time that *weights* (not negative, of sum 1) prove: each operation done where it is cheapest by weight."""
    return sum(ways.weighted(weights) for ways in seconds.values())


def weighted_each(
    seconds: Mapping[tuple[str, str], Cases], weights: Mapping[str, float], cases: int
) -> np.ndarray:
    """Return the time that *weights* prove in each of so many cases: float64[cases]."""
    return sum((ways.weighted(weights) for ways in seconds.values()), np.zeros(cases))


def strongest(units: Sequence[str], seconds: Mapping[tuple[str, str], Cases], cases: int) -> dict[str, float]:
    """Return weights that prove much in the worst of so many cases.

    The weights of a case alone are tried, then those of the case in which they prove least, until that one is known: what
    weights prove in the case that they belong to is the most that any do there.
    """
    found: dict[int, tuple[float, dict[str, float]]] = {}
    case = int(weighted_each(seconds, dict.fromkeys(units, 1 / len(units)), cases).argmin())
    while case not in found:
        _, weights, _ = split(units, {key: ways.at(case) for key, ways in seconds.items()})
        each = weighted_each(seconds, weights, cases)
        found[case] = float(each.min()), weights
        case = int(each.argmin())
    return max(found.values(), key=lambda one: one[0])[1]


def split(
    units: Sequence[str], seconds: Mapping[tuple[str, str], Ways]
) -> tuple[float, dict[str, float], dict[tuple[str, str], dict[str, float]]]:
    """Return the least time in which *units* do all operations split freely, the weights that prove it, and the split.

    The program is max sum z_o with z_o <= seconds_ou * y_u (and z_o <= the sum of its parts' z), sum y = 1: its optimal
    weights y prove the bound, and its dual is the split. Solved by the simplex method with Bland's rule, which cannot run in
    circles; each operation in a unit of time of its own, since some take a billion times as long as others.

    >>> split(["a", "b"], {("X", "mac"): Ways({"a": 1.0, "b": 3.0})})[0]
    0.75
    """
    keys = list(seconds)
    least = {key: _least_time(ways) for key, ways in seconds.items()}
    scale = max(least.values(), default=0.0) or 1.0
    own = {key: time or scale for key, time in least.items()}
    rows: list[dict[int, float]] = []
    origin: dict[int, tuple[tuple[str, str], str]] = {}
    first = len(keys) + sum(len(ways.parts) for ways in seconds.values())
    extra = len(keys)
    for number, key in enumerate(keys):
        ways = seconds[key]
        for unit, value in ways.whole.items():
            origin[len(rows)] = (key, unit)
            rows.append({number: 1.0, first + units.index(unit): -value / own[key]})
        if ways.parts:
            mine = range(extra, extra + len(ways.parts))
            extra += len(ways.parts)
            rows.append({number: 1.0, **dict.fromkeys(mine, -1.0)})
            for variable, one in zip(mine, ways.parts, strict=True):
                rows += [{variable: 1.0, first + units.index(u): -v / own[key]} for u, v in one.items()]
    rows.append({first + u: 1.0 for u in range(len(units))})
    gains = [own[key] / scale for key in keys]
    values, duals = _optimum(rows, gains, first + len(units))
    found = {unit: float(values[first + u]) for u, unit in enumerate(units)}
    weights = {unit: weight if weight > ROUNDED else 0.0 for unit, weight in found.items()}
    total = sum(weights.values())  # none where no operation takes time: any weights prove that
    weights = {unit: weight / total if total else 1 / len(units) for unit, weight in weights.items()}
    shares: dict[tuple[str, str], dict[str, float]] = {key: {} for key in keys}
    for row, (key, unit) in origin.items():
        shares[key][unit] = float(duals[row]) * scale / own[key]
    return weighted(seconds, weights), weights, shares


def _least_time(ways: Ways) -> float:
    """Return the least positive time of all *ways*, or 0: by it the numbers of an operation are near 1."""
    return min((v for one in (ways.whole, *ways.parts) for v in one.values() if v > 0), default=0.0)


def _optimum(
    rows: Sequence[Mapping[int, float]], gains: Sequence[float], width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return values and duals of max (*gains* times the first variables) with every row <= 0, the last one <= 1."""
    table = np.zeros((len(rows) + 1, width + len(rows) + 1))
    for number, row in enumerate(rows):
        table[number, list(row)] = list(row.values())
        table[number, width + number] = 1.0
    table[len(rows) - 1, -1] = 1.0
    table[-1, : len(gains)] = [-gain for gain in gains]
    basis = [width + number for number in range(len(rows))]
    _simplex(table, basis)
    values = np.zeros(table.shape[1])
    values[basis] = table[:-1, -1]
    return values[:width], np.maximum(0.0, table[-1, width:-1])


def _simplex(table: np.ndarray, basis: list[int]) -> None:
    """Bring *table* (its last row the objective, its last column the right side) to its optimum in place."""
    for _ in range(50 * table.shape[0]):
        entering = np.flatnonzero(table[-1, :-1] < -1e-12)
        if not len(entering):
            return
        column = int(entering[0])
        positive = np.flatnonzero(table[:-1, column] > 1e-12)
        if not len(positive):
            return
        ratios = table[positive, -1] / table[positive, column]
        ties = positive[ratios <= ratios.min() + 1e-15]
        row = min(map(int, ties), key=basis.__getitem__)
        table[row] /= table[row, column]
        others = [r for r in range(table.shape[0]) if r != row and table[r, column] != 0]
        table[others] -= np.outer(table[others, column], table[row])
        basis[row] = column
