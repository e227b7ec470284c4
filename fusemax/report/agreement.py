"""How a study agrees with published numbers, quantity by quantity, reckoned from its comparison alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from fusemax.plot.labels import tick

if TYPE_CHECKING:
    import polars


#: Relative differences up to this one are rounding of sums in another order.
EQUAL = 1e-9


#: Relative differences up to this one are digits that the published table does not print.
CLOSE = 1e-6


#: What stands as the reason of a row that differs while no rule of the study says why.
NOT_EXPLAINED = "not explained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How one quantity of one published table compares, in numbers of rows.

    ``equal`` rows differ by at most 1e-9, ``close`` ones by more than that and at most 1e-6. The others have
    one of ``reasons``, or are ``unexplained``.
    """

    table: str
    quantity: str
    rows: int
    equal: int
    close: int
    worst: float
    where: str
    reasons: tuple[str, ...]
    unexplained: int


def agreements(comparison: polars.DataFrame) -> tuple[Agreement, ...]:
    """Return one summary for each table and quantity of *comparison*, in table order."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in comparison.to_dicts():
        groups.setdefault((row["table"], row["quantity"]), []).append(row)
    return tuple(_agreement(table, quantity, rows) for (table, quantity), rows in groups.items())


def _agreement(table: str, quantity: str, rows: Sequence[Mapping[str, Any]]) -> Agreement:
    differing = [row for row in rows if _distance(row) > CLOSE]
    equal = sum(1 for row in rows if _distance(row) <= EQUAL)
    worst = max(rows, key=_distance)
    return Agreement(
        table=table,
        quantity=quantity,
        rows=len(rows),
        equal=equal,
        close=len(rows) - equal - len(differing),
        worst=worst["relative_difference"] if worst["relative_difference"] is not None else float("nan"),
        where=", ".join(_point(worst)) if _distance(worst) > EQUAL else "",
        reasons=tuple(dict.fromkeys(row["reason"] for row in differing if not is_unexplained(row))),
        unexplained=sum(1 for row in differing if is_unexplained(row)),
    )


def is_unexplained(row: Mapping[str, Any]) -> bool:
    """Return whether the two values of a row of the comparison differ while nothing says why."""
    return _distance(row) > CLOSE and row["reason"] in ("", NOT_EXPLAINED)


#: Columns of a comparison that are no label.
_OF_COMPARISON = (
    "table", "part", "configuration", "seq_len", "quantity", "published", "ours", "relative_difference", "reason",
)  # fmt: skip


def _labels(row: Mapping[str, Any]) -> list[Any]:
    """Return the values of the label columns of a row of the comparison."""
    return [value for name, value in row.items() if name not in _OF_COMPARISON]


def _point(row: Mapping[str, Any]) -> list[str]:
    parts = (row["configuration"], *_labels(row), row["seq_len"])
    return [tick(part) for part in parts if part not in (None, "")]


def _distance(row: Mapping[str, Any]) -> float:
    """Return how far apart the two values are; infinite where they cannot be compared."""
    difference = row["relative_difference"]
    return abs(difference) if difference is not None and isfinite(difference) else float("inf")


def in_words(found: Sequence[Agreement]) -> str:
    """Return sentences: how many published numbers are met, how many differ, for how many reasons."""
    rows, equal = sum(item.rows for item in found), sum(item.equal for item in found)
    unexplained = sum(item.unexplained for item in found)
    if not rows:
        return ""
    close = sum(item.close for item in found)
    text = f"Of {rows} published numbers, {equal} are equal to ours within 1e-9"
    text += f" and {close} more within 1e-6." if close else "."
    known = rows - equal - close - unexplained
    if known:
        reasons = len({reason for item in found for reason in item.reasons})
        text += f" {known} differ for {reasons} known reason{'s' if reasons != 1 else ''}, given below."
    if unexplained:
        text += f" {unexplained} differ and nothing says why."
    return text
