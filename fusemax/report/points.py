"""What the page of a study of configurations at points shows besides: means, what limits them, published numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fusemax.plot.labels import panel_text, tick
from fusemax.report import story
from fusemax.report.agreement import EQUAL, Agreement, agreements, in_words
from fusemax.report.lead import lead
from fusemax.report.numbers import Numbers, ratios
from fusemax.report.study import Points
from fusemax.report.summary import Headline, headline
from fusemax.table.table import Table, Tables, need_columns

if TYPE_CHECKING:
    pass


NEEDED = ("part", "configuration")


COMPARED = (
    "table", "part", "configuration", "seq_len", "quantity", "published", "ours", "relative_difference", "reason",
)  # fmt: skip


NO_POINTS: Mapping[str, Any] = {
    "points": None, "scope": None, "headlines": [], "leads": [], "stories": [], "agreement": "", "agreements": (),
    "groups": [], "reasons": [], "labels": [], "comparison": [],
}  # fmt: skip


def shown_of_points(tables: Tables, points: Points) -> dict[str, Any]:
    """Return what the page of a study of configurations at points shows besides."""
    results = tables.table("results").frame
    need_columns(results, NEEDED, "results")
    compared = tables.get("comparison")
    comparison = None if compared is None else compared.frame
    if comparison is not None:
        need_columns(comparison, COMPARED, "comparison")
    numbers = Numbers(tables.table("results"), comparison, points.labels, points.sums)
    heads = _headlines(tables.table("results"), numbers, points)
    found = () if comparison is None else agreements(comparison)
    return {
        "points": points,
        "scope": _scope(tables.table("results"), numbers),
        "headlines": heads,
        "leads": [text for head in heads if (text := lead(numbers, head, points.baselines))],
        "stories": [(head.part, story.steps(numbers, head)) for head in heads],
        "agreement": in_words(found),
        "agreements": found,
        "groups": _groups(found),
        "reasons": list(dict.fromkeys(reason for item in found for reason in item.reasons)),
        "labels": [] if comparison is None else [n for n in numbers.labels if n in comparison.columns],
        "comparison": [] if comparison is None else comparison.to_dicts(),
    }


def _headlines(results: Table, numbers: Numbers, points: Points) -> list[Headline]:
    """Return the means of each part that the story tells of: those asked for, or all that tell something."""
    frame = results.frame
    everywhere = set(
        frame["configuration"]
    )  # a baseline that is nowhere is a mistake, one of another part is not
    found = []
    for part in points.parts or frame["part"].unique(maintain_order=True):
        names = frame.filter(frame["part"] == part)["configuration"].unique(maintain_order=True).to_list()
        baselines = [name for name in points.baselines if name in names or name not in everywhere]
        if points.parts or _differs(numbers, part, names):
            found.append(headline(numbers, results, part, baselines or names[:1]))
    return found


def _differs(numbers: Numbers, part: str, names: Sequence[str]) -> bool:
    """Return whether a configuration of *part* is faster or slower than the first somewhere, or does not fit."""
    cases = [case for name in names for case in numbers.cases(part, name)]
    return any(numbers.lost(case) for case in cases) or any(
        abs(ratio - 1) > EQUAL for ratio in ratios(numbers, cases, numbers.time, names[0]).values()
    )


def _scope(table: Table, numbers: Numbers) -> dict[str, Any]:
    """Return how many points there are, and the labels, lengths and configurations that they span."""
    results = table.frame
    label = numbers.label_of(results)
    lengths = sorted(results["seq_len"].drop_nulls().unique()) if "seq_len" in results.columns else []
    values = [] if label is None else results[label].drop_nulls().unique(maintain_order=True).to_list()
    values = [value for value in values if value != ""]  # rows of another part have none
    texts = [panel_text(value, table.column(label)) for value in values] if label is not None else []
    return {
        "points": results.height,
        "labels": texts,
        "lengths": [tick(length) for length in lengths],
        "configurations": results["configuration"].unique(maintain_order=True).to_list(),
    }


def _groups(found: Sequence[Agreement]) -> list[tuple[str, list[Agreement]]]:
    tables: dict[str, list[Agreement]] = {}
    for item in found:
        tables.setdefault(item.table, []).append(item)
    return list(tables.items())
