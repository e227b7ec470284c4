"""The audit in words: a table of every step, and what remains of the published averages. All numbers come from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemax.report.study import Short
from fusemax.study.audit_file import AuditFile

if TYPE_CHECKING:
    import polars


HEADINGS = {"alone": "each alone", "together": "one after another", "end": "all of these, and at last"}


@dataclass(frozen=True, slots=True)
class Means:
    """Arithmetic means of one step against one configuration: over all rows, and by length over the models."""

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
    return float(frame[column].mean())  # type: ignore[arg-type]


def _length(tokens: int) -> str:
    return f"{tokens // 1024}K" if tokens < 2**20 else f"{tokens // 2**20}M"


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
        cells = [text for row in each for text in (f"{row.speed_up:.2f}", f"{row.energy:.3f}")]
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
    lengths = [_length(length) for length in audit.lengths]
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
        cells = [f"{row.speed_up:.2f}", *(f"{v:.2f}" for v in row.speed_ups), f"{row.energy:.3f}"]
        cells += [f"{v:.3f}" for v in row.energies]
        lines.append("| " + " | ".join([row.path, _name(row), *cells]) + " |")
    return lines


def remains(audit: AuditFile, ratios: polars.DataFrame) -> str:
    """Return the paragraph that says what is left of the published averages."""
    against = audit.against[0]
    rows = {(row.path, row.step): row for row in means(audit, ratios, against)}
    published, start = rows["published", "published"], rows["start", "start"]
    last = rows["together", audit.together[-1]]
    titles = [audit.correction(name).title for name in audit.together]
    text = (
        f"The published averages of {audit.ours} against {against} are a speed-up of {published.speed_up:.2f} and"
        f" {published.energy:.1%} of the energy. Counting without overflow leaves {start.speed_up:.2f} and {start.energy:.1%}."
        f" With {', '.join(titles)} together they are {last.speed_up:.2f} and {last.energy:.1%}{audit.beside}."
    )
    for name in audit.ends:
        end = rows["end", name]
        spread = ", ".join(
            f"{speed:.2f} and {energy:.1%} at {_length(length)}"
            for length, speed, energy in zip(audit.lengths, end.speed_ups, end.energies, strict=True)
        )
        text += (
            f" With {end.title} as well what remains is {end.speed_up:.2f} and {end.energy:.1%} ({spread})."
        )
    return text + " " + _largest(rows, start)


def _largest(rows: dict[tuple[str, str], Means], start: Means) -> str:
    """Return which single correction moves each average most."""
    alone = [row for (path, _), row in rows.items() if path == "alone"]
    lowest, highest = min(alone, key=lambda r: r.speed_up), max(alone, key=lambda r: r.speed_up)
    dearest = max(alone, key=lambda r: r.energy)
    return (
        f"Taken alone, the correction that costs most speed-up is '{lowest.title}' ({start.speed_up:.2f} to"
        f" {lowest.speed_up:.2f}), the one that adds most is '{highest.title}' (to {highest.speed_up:.2f}), and the one that"
        f" costs most energy is '{dearest.title}' ({start.energy:.1%} to {dearest.energy:.1%})."
    )
