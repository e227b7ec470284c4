"""A mask or window as the arrays run it: which keys each query sees, as a range of their difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusemax.cascade.ir import affine
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Condition
from fusemax.language.value import finite_value_of
from fusemax.mapping.nest import Mapped, Nest, Root

FAR = 1 << 60


@dataclass(frozen=True, slots=True)
class Band:
    """Pairs of key m and query p with ``low <= m - p <= high``."""

    low: int = -FAR
    high: int = FAR

    def meets(self, keys: NDArray[np.int64], queries: NDArray[np.int64]) -> bool:
        """Return whether one pair of *keys* and *queries*, each in a row from first to last, is in the band."""
        return bool(keys[0] - queries[-1] <= self.high and keys[-1] - queries[0] >= self.low)

    def mask(self, keys: int, queries: int) -> NDArray[np.bool_]:
        """Return bool[keys, queries]: which pairs are in the band."""
        difference = np.arange(keys)[:, None] - np.arange(queries)[None, :]
        return (self.low <= difference) & (difference <= self.high)


def band_of(
    mapped: Mapped, nest: Nest, known: Mapping[str, float], digit_sizes: Mapping[str, int], masked: frozenset[str]
) -> Band | None:  # fmt: skip
    """Return the band of the conditions of *mapped*, which all Einsums of *masked* have and no other; None without any.

    *known* holds sizes and figures, *digit_sizes* those of tiles.

    Raises
    ------
    FusemaxError
        Naming an Einsum and a condition that the arrays cannot run.
    """
    with_conditions = {e.name: e.conditions for e in mapped.cascade.computed if e.conditions}
    if not with_conditions:
        return None
    known = {**known, **{name.upper(): float(size) for name, size in digit_sizes.items()}}
    bands: dict[Band, str] = {}
    for name, conditions in with_conditions.items():
        low, high = -FAR, FAR
        for condition in conditions:
            least, most = _range(mapped, nest, known, digit_sizes, name, condition)
            low, high = max(low, least), min(high, most)
        bands.setdefault(Band(low, high), name)
    others = sorted(set(with_conditions) ^ masked)
    if len(bands) > 1 or others:
        named = ", ".join(others or bands.values())
        raise FusemaxError(
            f"mapping {mapped.name}: register by register, {', '.join(sorted(masked))} stand under one condition and no"
            f" other Einsum under any; not so {named}\n  hint: the tile level (--level tile) runs other masks"
        )
    return next(iter(bands))


def _range(
    mapped: Mapped, nest: Nest, known: Mapping[str, float], digit_sizes: Mapping[str, int], name: str,
    condition: Condition,
) -> tuple[int, int]:  # fmt: skip
    """Return the least and the largest m - p that *condition* leaves."""
    left, right = affine(condition.left), affine(condition.right)
    if left is None or right is None or condition.comparison not in ("<=", "<", ">=", ">", "=="):
        raise _refused(mapped, name, condition)
    terms: dict[str, float] = {}
    limit = 0.0
    for side, (factors, rest) in ((1.0, left), (-1.0, right)):
        limit -= side * (0.0 if rest is None else finite_value_of(rest, known))
        for variable, factor in factors.items():
            value = 1.0 if factor is None else finite_value_of(factor, known)
            terms[variable] = terms.get(variable, 0.0) + side * value
    keys, queries = (_factor(nest.roots[root], terms, digit_sizes) for root in ("m", "p"))
    if keys is None or queries is None or keys != -queries or abs(keys) != 1.0 or terms:
        raise _refused(mapped, name, condition)
    comparison = condition.comparison
    if keys < 0:
        limit = -limit
        comparison = {"<=": ">=", ">=": "<=", "<": ">", ">": "<"}.get(comparison, comparison)
    bound = round(limit)
    low = {">=": bound, ">": bound + 1, "==": bound}.get(comparison, -FAR)
    high = {"<=": bound, "<": bound - 1, "==": bound}.get(comparison, FAR)
    return low, high


def _factor(root: Root, terms: dict[str, float], digit_sizes: Mapping[str, int]) -> float | None:
    """Take the position of *root*, whole or digit by digit, out of *terms*; return by what it is multiplied, None for none."""
    if root.name in terms:
        return terms.pop(root.name)
    unit, found = 1, set()
    for digit in reversed(root.digits):
        if digit.name not in terms:
            return None
        found.add(terms.pop(digit.name) / unit)
        unit *= digit_sizes.get(digit.name, 1)
    return found.pop() if len(found) == 1 else None


def _refused(mapped: Mapped, name: str, condition: Condition) -> FusemaxError:
    return FusemaxError(
        f"mapping {mapped.name}: register by register, a condition ties keys m and queries p by their difference; {name} has"
        f" {condition}\n  hint: the tile level (--level tile) runs other masks"
    )
