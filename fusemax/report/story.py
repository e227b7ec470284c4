"""Sentences about a study: what each configuration gains over the one before it, and what limits it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fusemax.report.lead import mean
from fusemax.report.numbers import Case, Numbers, ratios, unit_of
from fusemax.report.summary import Headline
from fusemax.report.words import percent, point_of, share, times


@dataclass(frozen=True, slots=True)
class Step:
    """One configuration of a part beside the one before it: heading and sentences."""

    name: str
    text: str


def steps(numbers: Numbers, means: Headline) -> tuple[Step, ...]:
    """Return, for each configuration in the order of the table, what changes from the one before it."""
    names = means.configurations
    return tuple(
        Step(name, _step(numbers, means.part, name, before))
        for before, name in zip([None, *names], names, strict=False)
    )


def _step(numbers: Numbers, part: str, name: str, before: str | None) -> str:
    cases = numbers.cases(part, name)
    parts = []
    if before is not None:
        parts.append(_change(numbers, cases, before))
    columns = dict.fromkeys(column for case in cases for column in numbers.columns(case))
    parts.append(_busy(numbers, cases, list(columns)))
    parts.append(_limits(numbers, cases))
    parts.append(_lost(numbers, cases))
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in parts if text)


_SHORT = 60  #: letters, of a list that still reads well within a sentence


def _change(numbers: Numbers, cases: Sequence[Case], before: str) -> str:
    """Return what latency, traffic and energy become, relative to the configuration *before*."""
    clauses = []
    gains = ratios(numbers, cases, numbers.time, before, inverse=True)
    if gains and len(gains) == len(cases):
        same = all(abs(gain - 1) < 0.0005 for gain in gains.values())
        clauses.append("as fast as" if same else f"{times(mean(gains))} times as fast as")
    words = f"{clauses[0]} {before} on average" if clauses else f"beside {before}"
    costs = []
    for column, noun in ((numbers.traffic, "traffic"), (numbers.energy, "energy")):
        shares = ratios(numbers, cases, column, before)
        if shares and len(shares) == len(cases):
            costs.append(f"{share(mean(shares))} {noun}")
    return f"{words}, with {' and '.join(costs)}" if costs else words


def _busy(numbers: Numbers, cases: Sequence[Case], columns: Sequence[str]) -> str:
    """Return how much of the time each unit is busy, from the least to the most."""
    shares: list[str] = []
    for column in columns:
        values = [value for case in cases if (value := numbers.ours(case, column)) is not None]
        low, high = percent(min(values)), percent(max(values))
        said = low if low == high else f"{low} to {high}"
        shares.append(
            f"{unit_of(column)} {said}" if shares else f"busy: {unit_of(column)} {said} of the time"
        )
    return ", ".join(shares)


def _lost(numbers: Numbers, cases: Sequence[Case]) -> str:
    """Return at which points *cases* cannot be run, and why the first of them cannot."""
    lost = [case for case in cases if numbers.lost(case)]
    if not lost:
        return ""
    where = "at no point" if len(lost) == len(cases) else f"not at {len(lost)} of {len(cases)} points"
    return f"it fits {where}; the first of them is {point_of(lost[0])}: {numbers.lost(lost[0])}"


def _limits(numbers: Numbers, cases: Sequence[Case]) -> str:
    """Return what limits *cases*, phase by phase, where that can be said in a line."""
    counts = Counter(limit for case in cases if (limit := numbers.limit(case)))
    if not counts:
        return ""
    if len(counts) == 1:
        return f"what limits it at every point: {next(iter(counts))}"
    text = ", ".join(f"{limit} ({count} point{'s' * (count != 1)})" for limit, count in counts.most_common())
    if len(text) > _SHORT:
        return "what limits it changes from point to point: see the column limit of the results"
    return f"what limits it: {text}"
