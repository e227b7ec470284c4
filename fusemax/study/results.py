"""Results as tidy tables: one row per point and configuration, a long breakdown, a comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.study.rows import NO_ROOM, Row
from fusemax.study.spec import Comparison, StudyFile

if TYPE_CHECKING:
    import polars

ALWAYS = (
    "latency_s",
    "bound_s",
    "traffic_B",
    "energy_J",
)  #: measures that every results table has, at least empty
LAST = ("fits", NO_ROOM)


def results_frame(study: StudyFile, name: str, rows: Sequence[Row]) -> polars.DataFrame:
    """Return the results table of *rows*."""
    import polars

    records = [{"study": name, **_identity(study, row), **row.values} for row in rows]
    columns = [*dict.fromkeys(column for record in records for column in record), *ALWAYS]
    ordered = [name for name in columns if name not in LAST] + list(LAST)
    frame = polars.DataFrame(_aligned(records, ordered), infer_schema_length=None, strict=False)
    return frame.with_columns(polars.col(name).cast(polars.Float64) for name in ALWAYS)


def breakdown_frame(study: StudyFile, rows: Sequence[Row]) -> polars.DataFrame:
    """Return the long table of what makes up each row: activity, energy, cycles, words and times."""
    import polars

    records = [{**_identity(study, row), **dict(part)} for row in rows for part in row.breakdown]
    return polars.DataFrame(_aligned(records, ()), infer_schema_length=None, strict=False)


def _identity(study: StudyFile, row: Row) -> dict[str, Any]:
    labels = {name: int(value) if value.isdigit() else value for name, value in row.labels.items()}
    return {
        "part": row.part,
        "configuration": row.configuration,
        **labels,
        **{name: row.sizes.get(name) for name in study.listed_sizes(row.part)},
        "seq_len": row.sizes.get(study.length),
    }


def _aligned(records: Sequence[Mapping[str, Any]], order: Sequence[str]) -> list[dict[str, Any]]:
    columns = dict.fromkeys([*order, *(column for record in records for column in record)])
    return [{column: record.get(column) for column in columns} for record in records]


def comparison_frame(study: StudyFile, rows: Sequence[Row], folder: Path) -> polars.DataFrame:
    """Return published beside ours for every published value: relative difference and, where it matters, the reason.

    Raises
    ------
    FusemaxError
        If the published table cannot be read or names a row or quantity that the study does not have.
    """
    import polars

    assert study.compare is not None
    published = _published(folder / study.compare.published)
    ours = {_key(study, row): row for row in rows}
    records: list[dict[str, Any]] = []
    for entry in published.iter_rows(named=True):
        identity = {
            k: v for k, v in entry.items() if k not in ("quantity", "value", "table") and v is not None
        }
        row = ours.get(tuple(sorted((k, str(v)) for k, v in identity.items())))
        if row is None:
            raise FusemaxError(f"{study.compare.published}: the study has no row for {identity}")
        value = _quantity(row, str(entry["quantity"])) if row.fits else None
        difference = None if value is None else value / entry["value"] - 1
        records.append(
            {
                **entry, "published": entry["value"], "ours": value, "relative_difference": difference,
                "reason": _reason(study.compare, entry["quantity"], {**row.sizes, **identity}, difference),
            }
        )  # fmt: skip
    frame = polars.DataFrame(records, infer_schema_length=None)
    return frame.drop("value")


def _published(path: Path) -> polars.DataFrame:
    import polars

    try:
        return polars.read_csv(path, glob=False, infer_schema_length=None, comment_prefix="#")
    except (OSError, polars.exceptions.PolarsError) as error:
        raise FusemaxError(f"{path}: cannot be read as a table ({error})") from None


def _key(study: StudyFile, row: Row) -> tuple[tuple[str, str], ...]:
    identity = {key: value for key, value in _identity(study, row).items() if value is not None}
    return tuple(sorted((key, str(value)) for key, value in identity.items()))


def _quantity(row: Row, quantity: str) -> float:
    """Return a value of *row*: a column, a difference of two (``a - b``), or ``activity[unit,einsum]``."""
    if quantity.startswith("activity["):
        unit, _, einsum = quantity.removeprefix("activity[").removesuffix("]").partition(",")
        for part in row.breakdown:
            if (part["kind"], part["unit"], part["einsum"]) == ("activity", unit, einsum):
                return float(part["value"])
        raise FusemaxError(f"{einsum} has no activity on {unit} in {row.part}, {row.configuration}")
    names = quantity.split(" - ")
    missing = [name for name in names if name not in row.values]
    if missing:
        raise FusemaxError(f"{row.part} has no column {missing[0]!r}; it has: {', '.join(row.values)}")
    first, *rest = (float(row.values[name]) for name in names)
    return first - sum(rest)


def _reason(compare: Comparison, quantity: str, columns: Mapping[str, Any], difference: float | None) -> str:
    if difference is not None and abs(difference) <= compare.tolerance:
        return ""
    for rule in compare.reasons:
        if quantity in rule.quantities and all(condition.holds(columns) for condition in rule.where):
            return rule.reason
    return "not explained"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
