"""Check the mapper on many random small designs: ``python -m tests.search.fuzz --first 0 --designs 500``.

Each is searched for latency, energy and traffic. The winner has to be that of full enumeration of the same space, by the cost
program, and no bound may be above it (:mod:`tests.search.listed`). Designs of more than ``--most`` phases, tilings aside, are
left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.search.designs import CASCADES, tiny
from tests.search.listed import disagreements, facts_or_none, size_of


def main() -> int:
    """Print what fails, with the machine's text, and how many were checked; return 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first design")
    parser.add_argument("--designs", type=int, default=500, help="how many to enumerate")
    parser.add_argument("--most", type=int, default=700, help="phases in a space, at most")
    parser.add_argument(
        "--only", nargs="*", choices=[*CASCADES], help="cascades to draw from; all, if not given"
    )
    parser.add_argument("--seconds", type=float, default=1e9, help="when to stop")
    given = parser.parse_args()
    begun, failed, seed = time.perf_counter(), 0, given.first
    checked: Counter[str] = Counter()
    phases = 0
    while checked.total() < given.designs and time.perf_counter() < begun + given.seconds:
        one = tiny(seed)
        seed += 1
        if given.only and one.name.split()[0] not in given.only:
            continue
        facts = facts_or_none(one)
        if facts is None or (size := size_of(facts, given.most)) > given.most:
            continue
        wrong = disagreements(one, facts)
        checked[one.name.split()[0]] += 1
        phases += size
        if wrong:
            failed += 1
            sys.stdout.write(f"{one.name}: {'; '.join(wrong)}\n{one.text}\n")
            sys.stdout.flush()
    kinds = ", ".join(f"{count} {kind}" for kind, count in checked.most_common())
    sys.stdout.write(
        f"{checked.total()} designs ({kinds}), {phases:,} phases enumerated, {failed} failed; next seed {seed}; "
        f"{time.perf_counter() - begun:.0f} s\n"
    )
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
