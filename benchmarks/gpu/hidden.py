"""What a run of probes says of the model: overlap by slack, the rate of exponentials, the ramp of memory, launches.

python benchmarks/gpu/hidden.py PROBES.csv
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path

Key = tuple[str, str]


def medians(path: Path) -> dict[Key, float]:
    """Return the seconds of every probe of a file, by its kind and its parameter."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {(row["probe"], row["parameter"]): float(row["median_s"]) for row in csv.DictReader(stream)}


def hidden(both_s: float, one_s: float, other_s: float) -> float:
    """Return which part of the shorter work stands behind the longer: 1 all of it, 0 none.

    >>> hidden(10, 8, 4)
    0.5
    """
    return (one_s + other_s - both_s) / min(one_s, other_s)


def in_turns(slack: float, groups: int) -> float:
    """Return that part by the law of groups in turn, for a second unit that needs *slack* (to 1) of the first one's time.

    With h(n) the sum of the powers of *slack* up to n, an epoch takes h(n)/h(n-1) of the first one's time.

    >>> in_turns(1, 2), in_turns(0.25, 2)
    (0.5, 0.8)
    """
    h = [sum(slack**power for power in range(many + 1)) for many in (groups - 1, groups)]
    return (1 + slack - h[1] / h[0]) / slack


def overlaps(found: Mapping[Key, float]) -> list[tuple[str, str, float, float]]:
    """Return kind, parameter, slack and hidden part of all mixtures whose two parts were timed by themselves."""
    rows: list[tuple[str, str, float, float]] = []
    for (probe, parameter), both_s in found.items():
        if not probe.startswith("mixed ") or "0" in parameter.split(":"):
            continue
        products, exps = parameter.split(":")
        alone = probe.replace("chained", "alone")
        one_s, other_s = found.get((alone, f"{products}:0")), found.get((alone, f"0:{exps}"))
        if one_s is not None and other_s is not None:
            slack = min(one_s, other_s) / max(one_s, other_s)
            rows.append((probe, parameter, slack, hidden(both_s, one_s, other_s)))
    return rows


def ramp(found: Mapping[Key, float]) -> list[tuple[int, float]]:
    """Return bytes and bytes per second of cold reads, the fewest first."""
    return sorted(
        (int(size), int(size) / time) for (probe, size), time in found.items() if probe == "read cold"
    )


def launch_s(found: Mapping[Key, float]) -> float | None:
    """Return the seconds of one more empty kernel in the stream, from the fewest and the most that were timed."""
    many = sorted((int(count), time) for (probe, count), time in found.items() if probe == "launches")
    if len(many) < 2:
        return None
    (few, little_s), (most, much_s) = many[0], many[-1]
    return (much_s - little_s) / (most - few)


def main(path: Path) -> None:
    """Print what was read from the file."""
    found = medians(path)
    print("mixture, products:exponentials, slack, hidden, one group, two groups")
    for probe, parameter, slack, part in sorted(overlaps(found)):
        print(f"{probe} {parameter} {slack:.2f} {part:.2f} {in_turns(slack, 1):.2f} {in_turns(slack, 2):.2f}")
    for size, rate in ramp(found):
        print(f"cold read of {size} B: {rate / 1e9:.1f} GB/s")
    launch = launch_s(found)
    print("launch: not measured" if launch is None else f"launch: {launch * 1e6:.2f} us")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
