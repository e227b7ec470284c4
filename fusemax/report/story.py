"""Sentences about a study: what each configuration gains over the one before it, and what limits it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusemax.plot.labels import tick
from fusemax.report.summary import Agreement, Case, Headline, Numbers, ratios, unit_of


@dataclass(frozen=True, slots=True)
class Step:
    """One configuration of a part beside the one before it: heading and sentences."""

    name: str
    text: str


def lead(numbers: Numbers, means: Headline, baselines: Sequence[str]) -> str:
    """Return sentences: how much faster the fastest configuration is than each baseline, and its energy."""
    fastest = _fastest(numbers, means, baselines)
    if fastest is None:
        return ""
    cases = numbers.cases(means.part, fastest)
    speeds, energies = [], []
    for base in (base for base in baselines if base != fastest):
        gains = ratios(numbers, cases, numbers.time, base, inverse=True)
        if len(gains) == len(cases):
            speeds.append(f"{times(_mean(gains))} times as fast as {base} on average{_range(gains)}")
        shares = ratios(numbers, cases, numbers.energy, base)
        if len(shares) == len(cases):
            energies.append(f"{_share(_mean(shares))} energy {_than(_mean(shares))} {base}")
    if not speeds:
        return ""
    part = means.part[:1].upper() + means.part[1:]
    text = f"{part}: the fastest on average, {fastest}, is {' and '.join(speeds)}, over {len(cases)} points."
    return f"{text} It takes {' and '.join(energies)}." if energies else text


def _fastest(numbers: Numbers, means: Headline, baselines: Sequence[str]) -> str | None:
    """Return the configuration with the largest mean speed-up over the first baseline, of those that run everywhere."""
    if not baselines:
        return None
    speeds: dict[str, float] = {}
    for name in means.configurations:
        cases = numbers.cases(means.part, name)
        gains = ratios(numbers, cases, numbers.time, baselines[0], inverse=True)
        if gains and len(gains) == len(cases):
            speeds[name] = _mean(gains)
    fastest = max(speeds, key=lambda name: speeds[name], default=None)
    return None if fastest == baselines[0] else fastest


def _mean(values: Mapping[Case, float]) -> float:
    return sum(values.values()) / len(values)


def _range(values: Mapping[Case, float]) -> str:
    """Return the ends of *values* and where they are; nothing where they read the same."""
    low, high = min(values, key=lambda case: values[case]), max(values, key=lambda case: values[case])
    if times(values[low]) == times(values[high]):
        return ""
    return f" (from {times(values[low])} for {_point(low)} to {times(values[high])} for {_point(high)})"


def _than(ratio: float) -> str:
    share = _share(ratio)
    return "than" if share.endswith(("less", "more")) else "as" if share == "the same" else "of"


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
    parts.append(" and ".join(_busy(numbers, cases, column) for column in columns))
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
        clauses.append("as fast as" if same else f"{times(_mean(gains))} times as fast as")
    words = f"{clauses[0]} {before} on average" if clauses else f"beside {before}"
    costs = []
    for column, noun in ((numbers.traffic, "traffic"), (numbers.energy, "energy")):
        shares = ratios(numbers, cases, column, before)
        if shares and len(shares) == len(cases):
            costs.append(f"{_share(_mean(shares))} {noun}")
    return f"{words}, with {' and '.join(costs)}" if costs else words


def _share(ratio: float) -> str:
    """Return a ratio as more or less than before."""
    if abs(ratio - 1) < 0.0005:
        return "the same"
    if ratio >= 2:
        return f"{times(ratio)} times the"
    return f"{percent(abs(ratio - 1))} {'less' if ratio < 1 else 'more'}"


def _busy(numbers: Numbers, cases: Sequence[Case], column: str) -> str:
    values = [value for case in cases if (value := numbers.ours(case, column)) is not None]
    low, high = percent(min(values)), percent(max(values))
    return f"{unit_of(column)} is busy {low if low == high else f'{low} to {high}'} of the time"


def _lost(numbers: Numbers, cases: Sequence[Case]) -> str:
    """Return at which points *cases* cannot be run, and why the first of them cannot."""
    lost = [case for case in cases if numbers.lost(case)]
    if not lost:
        return ""
    where = "at no point" if len(lost) == len(cases) else f"not at {len(lost)} of {len(cases)} points"
    return f"it fits {where}; the first of them is {_point(lost[0])}: {numbers.lost(lost[0])}"


def _limits(numbers: Numbers, cases: Sequence[Case]) -> str:
    """Return what limits *cases*, phase by phase, where that can be said in a line."""
    counts = Counter(limit for case in cases if (limit := numbers.limit(case)))
    if not counts:
        return ""
    if len(counts) == 1:
        return f"what limits it at every point: {next(iter(counts))}"
    text = ", ".join(f"{limit} ({count} points)" for limit, count in counts.most_common())
    if len(text) > _SHORT:
        return "what limits it changes from point to point: see the column limit of the results"
    return f"what limits it: {text}"


def agreement(found: Sequence[Agreement]) -> str:
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


def times(value: float) -> str:
    """Return a ratio in three digits.

    >>> times(6.7234), times(10.04), times(0.78712)
    ('6.72', '10.0', '0.787')
    """
    return f"{value:#.3g}".rstrip(".")


def percent(value: float) -> str:
    """Return a share in percent, to a tenth.

    >>> percent(0.997), percent(0.0767), percent(1.0)
    ('99.7%', '7.7%', '100%')
    """
    return f"{100 * value:.1f}".removesuffix(".0") + "%"


def _point(case: Case) -> str:
    """Return the labels and the length of *case* in words."""
    labels = ", ".join(str(value) for value in case[2] if value is not None)
    length = "" if case[3] is None else tick(case[3])
    return " at ".join(text for text in (labels, length) if text) or "one point"
