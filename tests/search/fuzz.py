"""Check the mapper on many random small designs: ``python -m tests.search.fuzz --first 0 --designs 500``.

Each is searched for latency, energy and traffic; the bound, the price and every tiling of the winner are checked by brute
force (:func:`tests.search.test_right.check`).
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.search.designs import example
from tests.search.test_right import check


def main() -> int:
    """Print what fails, with the machine's text, and how many were checked; return 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first design")
    parser.add_argument("--designs", type=int, default=500)
    given = parser.parse_args()
    begun, checked, failed = time.perf_counter(), 0, 0
    for seed in range(given.first, given.first + given.designs):
        for objective in ("latency", "energy", "traffic"):
            try:
                checked += check(seed, objective)
            except AssertionError as error:
                failed += 1
                one = example(seed)
                sys.stdout.write(f"{one.name}, {objective}: {error}\n{one.text}\n")
    sys.stdout.write(f"{checked} searches checked, {failed} failed, {time.perf_counter() - begun:.0f} s\n")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
