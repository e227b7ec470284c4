"""Time two commands in pairs, one after the other and each first in turn: ``benchmarks/paired.py --pairs 5 'A ...' 'B ...'``.

For a peer that is installed (AccelForge's mapper, another version of this one): what else the machine does slows both of a
pair. The table gives the seconds of each pair and their ratio, on the clock and of work by user and system; the last lines the
median ratio, and how likely that many pairs on one side are by chance alone (sign test).
"""

from __future__ import annotations

import argparse
import math
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Taken:
    """The seconds of one command: on the clock, and of work."""

    clock_s: float
    work_s: float


def taken(command: Sequence[str], timeout_s: float) -> Taken:
    """Run *command* and return its seconds; raise SystemExit with its last lines where it fails or is late."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SystemExit(f"{shlex.join(command)}: {error}") from None
    clock, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().split("\n")[-3:])
        raise SystemExit(f"{shlex.join(command)}: ended with {done.returncode}\n{last}")
    return Taken(clock, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def pairs_of(
    one: Sequence[str], other: Sequence[str], count: int, timeout_s: float
) -> list[tuple[Taken, Taken]]:
    """Return *count* pairs of times of both commands; each is the first of every second pair."""
    found: list[tuple[Taken, Taken]] = []
    for number in range(count):
        if number % 2:
            second = taken(other, timeout_s)
            found.append((taken(one, timeout_s), second))
        else:
            first = taken(one, timeout_s)
            found.append((first, taken(other, timeout_s)))
    return found


def by_chance(ratios: Sequence[float]) -> float:
    """Return how likely as many *ratios* on one side of 1 are, or more, if both sides are as likely: the sign test, two-sided.

    >>> by_chance([0.5, 0.6, 0.4, 0.7, 0.5])
    0.0625
    """
    above, below = sum(ratio > 1 for ratio in ratios), sum(ratio < 1 for ratio in ratios)
    count, most = above + below, max(above, below)
    tail = sum(math.comb(count, k) for k in range(most, count + 1)) / 2**count
    return min(1.0, 2 * tail)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", help="a command, in quotes")
    parser.add_argument("other", help="the command it is compared with, in quotes")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds that one run may take")
    given = parser.parse_args()
    if given.pairs < 1:
        parser.error("--pairs: at least one")
    found = pairs_of(shlex.split(given.one), shlex.split(given.other), given.pairs, given.timeout)
    print(
        f"{'pair':>4} {'one, s':>9} {'other, s':>9} {'ratio':>7}   {'work: one':>9} {'other':>9} {'ratio':>7}"
    )
    for number, (one, other) in enumerate(found, 1):
        print(
            f"{number:4} {one.clock_s:9.3f} {other.clock_s:9.3f} {one.clock_s / other.clock_s:7.3f}   "
            f"{one.work_s:9.3f} {other.work_s:9.3f} {one.work_s / max(other.work_s, 1e-9):7.3f}"
        )
    for name, ratios in (
        ("clock", [one.clock_s / other.clock_s for one, other in found]),
        ("work", [one.work_s / max(other.work_s, 1e-9) for one, other in found]),
    ):
        print(f"{name}: median ratio {statistics.median(ratios):.3f}, by chance {by_chance(ratios):.3g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
