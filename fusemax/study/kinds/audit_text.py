"""The audit in words: a table of every step, and what remains of the published averages. All numbers come from the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING

from fusemax.plot.labels import tick
from fusemax.report.study import Short
from fusemax.study.kinds.audit_file import AuditFile

if TYPE_CHECKING:
    import polars


HEADINGS = {"alone": "each alone", "together": "one after another", "end": "all of these, and at last"}


@dataclass(frozen=True, slots=True)
class Means:
    """Arithmetic means of one step against one configuration: over all rows, and by length over the models.

    A mean of no values is no number (``nan``), and reads as a dash.
    """

    path: str
    step: str
    title: str
    against: str
    speed_up: float
    energy: float
    speed_ups: tuple[float, ...]
    energies: tuple[float, ...]


def means(audit: AuditFile, ratios: polars.DataFrame, against: str) -> list[Means]:
    """Return the means of every step against one configuration, in order."""
    import polars as pl

    found = []
    rows = ratios.filter(pl.col("against") == against)
    for key, group in rows.group_by("path", "step", "title", maintain_order=True):
        at = [group.filter(pl.col("seq_len") == length) for length in audit.lengths]
        found.append(
            Means(
                str(key[0]), str(key[1]), str(key[2]), against, _mean(group, "speed_up"), _mean(group, "energy_ratio"),
                tuple(_mean(g, "speed_up") for g in at), tuple(_mean(g, "energy_ratio") for g in at),
            )
        )  # fmt: skip
    return found


def _mean(frame: polars.DataFrame, column: str) -> float:
    found = frame[column].drop_nans().mean()
    return float(found) if isinstance(found, int | float) else nan


def _times(value: float) -> str:
    return "–" if isnan(value) else f"{value:.2f}"


def _share(value: float) -> str:
    return "–" if isnan(value) else f"{value:.1%}"


def _ratio(value: float) -> str:
    return "–" if isnan(value) else f"{value:.3f}"


def _name(mean: Means) -> str:
    return f"+ {mean.title}" if mean.path in ("together", "end") else mean.title


def screen(audit: AuditFile, ratios: polars.DataFrame) -> Short:
    """Return the short table: means against each configuration, step by step."""
    tables = {name: means(audit, ratios, name) for name in audit.against}
    rows = []
    before = "start"
    for each in zip(*tables.values(), strict=True):
        if each[0].path in HEADINGS and each[0].path != before:
            rows.append((f"{HEADINGS[each[0].path]}:", *([""] * 2 * len(tables))))
        cells = [text for row in each for text in (_times(row.speed_up), _ratio(row.energy))]
        rows.append((_name(each[0]), *cells))
        before = each[0].path
    headings = [text for name in tables for text in (f"speed-up\n{name}", f"energy\n{name}")]
    title = f"{audit.ours}: means over models and lengths"
    return Short(title=title, headings=("correction", *headings), rows=tuple(rows))


def report_text(audit: AuditFile, ratios: polars.DataFrame) -> str:
    """Return the report as Markdown."""
    lines = [f"# {audit.title}", "", audit.doc.strip(), "", f"Source: {audit.source.strip()}", ""]
    lines += [
        "## What remains",
        "",
        remains(audit, ratios),
        "",
        "![Speed-up, step by step](audit-speed-up.png)",
        "",
    ]
    for name in audit.against:
        lines += [f"## Against {name}", "", *_table(audit, means(audit, ratios, name)), ""]
    lines += ["## The corrections", "", f"- *The start*: {audit.start.strip()}."]
    lines += [f"- *{c.title}*: {c.doc.strip()}." for c in audit.corrections]
    lines += [
        "",
        "Every row of `results.csv` and `ratios.csv` is one configuration, or one ratio, at one point of one step.",
    ]
    return "\n".join(lines) + "\n"


def _table(audit: AuditFile, rows: Sequence[Means]) -> list[str]:
    lengths = [tick(length) for length in audit.lengths]
    head = [
        "",
        "correction",
        "speed-up",
        *(f"at {n}" for n in lengths),
        "energy",
        *(f"at {n}" for n in lengths),
    ]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for row in rows:
        cells = [
            _times(row.speed_up),
            *map(_times, row.speed_ups),
            _ratio(row.energy),
            *map(_ratio, row.energies),
        ]
        lines.append("| " + " | ".join([row.path, _name(row), *cells]) + " |")
    return lines


def remains(audit: AuditFile, ratios: polars.DataFrame) -> str:
    """Return the paragraph that says what is left of the published averages."""
    against = audit.against[0]
    rows = {(row.path, row.step): row for row in means(audit, ratios, against)}
    published, start = rows["published", "published"], rows["start", "start"]
    text = (
        f"The published averages of {audit.ours} against {against} are a speed-up of {_times(published.speed_up)} and"
        f" {_share(published.energy)} of the energy. Our counts of the same are {_both(start)}."
    )
    if audit.together:
        last = rows["together", audit.together[-1]]
        titles = ", ".join(audit.correction(name).title for name in audit.together)
        text += f" With {titles} together they are {_both(last)}{audit.beside}."
    for name in audit.ends:
        end = rows["end", name]
        spread = ", ".join(
            f"{_times(speed)} and {_share(energy)} at {tick(length)}"
            for length, speed, energy in zip(audit.lengths, end.speed_ups, end.energies, strict=True)
        )
        text += f" With {end.title} as well what remains is {_both(end)} ({spread})."
    return " ".join((text, *_largest([row for (path, _), row in rows.items() if path == "alone"], start)))


def _both(mean: Means) -> str:
    return f"{_times(mean.speed_up)} and {_share(mean.energy)}"


def _largest(alone: Sequence[Means], start: Means) -> Iterator[str]:
    """Yield which single correction moves each average most, of those that have one."""
    faster = [row for row in alone if not isnan(row.speed_up)]
    dearer = [row for row in alone if not isnan(row.energy)]
    if faster:
        low, high = min(faster, key=lambda r: r.speed_up), max(faster, key=lambda r: r.speed_up)
        yield (
            f"Taken alone, the correction that costs most speed-up is '{low.title}' ({_times(start.speed_up)} to"
            f" {_times(low.speed_up)}), the one that adds most is '{high.title}' (to {_times(high.speed_up)})."
        )
    if dearer:
        dearest = max(dearer, key=lambda r: r.energy)
        yield (
            f"The one that costs most energy is '{dearest.title}' ({_share(start.energy)} to {_share(dearest.energy)})."
        )
