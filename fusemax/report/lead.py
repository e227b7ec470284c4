"""The first sentences of a study: how much faster the fastest configuration is, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fusemax.report.numbers import Case, Numbers, ratios
from fusemax.report.summary import Headline
from fusemax.report.words import point_of, share, than, times


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
            speeds.append(f"{times(mean(gains))} times as fast as {base} on average{_range(gains)}")
        shares = ratios(numbers, cases, numbers.energy, base)
        if len(shares) == len(cases):
            energies.append(f"{share(mean(shares))} energy {than(mean(shares))} {base}")
    if not speeds:
        return ""
    part = means.part[:1].upper() + means.part[1:]
    where = f"{len(cases)} point{'s' * (len(cases) != 1)}"
    text = f"{part}: the fastest on average, {fastest}, is {' and '.join(speeds)}, over {where}."
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
            speeds[name] = mean(gains)
    fastest = max(speeds, key=lambda name: speeds[name], default=None)
    return None if fastest == baselines[0] else fastest


def mean(values: Mapping[Case, float]) -> float:
    """Return the arithmetic mean of *values*."""
    return sum(values.values()) / len(values)


def _range(values: Mapping[Case, float]) -> str:
    """Return the ends of *values* and where they are; nothing where they read the same."""
    low, high = min(values, key=lambda case: values[case]), max(values, key=lambda case: values[case])
    if times(values[low]) == times(values[high]):
        return ""
    return f" (from {times(values[low])} for {point_of(low)} to {times(values[high])} for {point_of(high)})"
