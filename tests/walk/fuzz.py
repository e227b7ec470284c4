"""Fresh random designs for as long as one likes: ``python -m tests.walk.fuzz --seconds 60 --seed 1``.

Prints the seed, how many designs were refused and compared, each kind of difference with the seeds that show it, and the
smallest design that was found for each kind, as YAML.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from tests.walk.compare import Difference, Outcome, compared
from tests.walk.design import Design
from tests.walk.designs import draw_design
from tests.walk.features import FEATURES
from tests.walk.fits import wrong_fits
from tests.walk.laws import broken_laws
from tests.walk.minimise import minimised
from tests.walk.space import NotWalkedError
from tests.walk.values import wrong_values


@dataclass
class Findings:
    """What a run of random designs found."""

    laws: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, list[tuple[int, Design, str]]] = field(default_factory=dict)

    def add(self, number: int, design: Design, not_simulated: str = "") -> None:
        """Run one design through all witnesses and note what came out."""
        try:
            outcome = compared(design, not_simulated)
        except NotWalkedError:
            self.counts["not walked"] += 1
            return
        except Exception as error:  # a traceback is a finding like any other
            self._note(f"{type(error).__name__}: {str(error)[:60]}", number, design, not_simulated)
            return
        if outcome.refused is not None:
            self.counts["refused"] += 1
            self.refusals[_kind_of_refusal(outcome.refused)] += 1
            return
        self.counts["compared"] += 1
        if outcome.not_simulated is not None:
            self.counts["not simulated"] += 1
            self.refusals["not simulated: " + _kind_of_refusal(outcome.not_simulated)] += 1
        broken = _broken(design, not_simulated) if self.laws else []
        if broken:
            what = broken[0].what if " is " in broken[0].what else broken[0].what.split()[0]
            self._note(f"law: {what}", number, design, not_simulated)
        if outcome.differences:
            self._note(kind_of(outcome), number, design, not_simulated)

    def _note(self, kind: str, number: int, design: Design, not_simulated: str) -> None:
        self.counts["differ"] += 1
        self.kinds.setdefault(kind, []).append((number, design, not_simulated))

    @property
    def by_frequency(self) -> list[tuple[str, list[tuple[int, Design, str]]]]:
        """The kinds of differences, the most frequent first."""
        return sorted(self.kinds.items(), key=lambda item: -len(item[1]))


def _broken(design: Design, not_simulated: str) -> list[Difference]:
    """Return the laws of time that *design* breaks, tiles that rules find and other ones do better, and wrong values."""
    found = [*broken_laws(design, not not_simulated), *wrong_fits(design)]
    try:
        return [*found, *wrong_values(design)]
    except NotWalkedError:
        return found


def _kind_of_refusal(text: str) -> str:
    return re.sub(r"[A-Za-z]*\d+|'[^']*'", "_", text.split("\n")[0])[:100]


def kind_of(outcome: Outcome) -> str:
    """Return what sort of difference the first one is, without the names of this design."""
    first = outcome.differences[0]
    words = first.what.split()
    what = " ".join(dict.fromkeys((words[0], words[-1]))) if words[0] == "words" else first.what.split(":")[0]
    what = words[0] if words[0] in ("cycles", "useful", "room") else what
    agree = [who for who, value in first.values.items() if value == first.values.get("walk")]
    others = [who for who in first.values if who not in agree]
    return f"{what}: {', '.join(agree)} against {', '.join(others)}" if agree else what


def run(seed: int, kinds: Iterable[str], seconds: float, designs: int, laws: bool = False) -> Findings:
    """Return what *designs* fresh designs, or as many as *seconds* allow, show."""
    found = Findings(laws)
    end = time.monotonic() + seconds
    names = list(kinds)
    for number in range(designs):
        if time.monotonic() > end:
            break
        kind = names[number % len(names)]
        found.add(number, design_of(seed, number, kind), FEATURES[kind].not_simulated)
    return found


def design_of(seed: int, number: int, kind: str) -> Design:
    """Return the design with this *number* in the run of *seed*."""
    return draw_design(Random(f"{seed}/{number}"), FEATURES[kind])


def smallest(design: Design, not_simulated: str, tries: int) -> Design:
    """Return a smaller design with the same kind of difference."""
    first = compared(design, not_simulated)
    if not first.differences:
        law = _broken(design, not_simulated)[0].what.split()[0]
        return minimised(
            design, lambda d: law in [b.what.split()[0] for b in _broken(d, not_simulated)], tries
        )
    wanted = kind_of(first)

    def fails(smaller: Design) -> bool:
        outcome = compared(smaller, not_simulated)
        return bool(outcome.differences) and kind_of(outcome) == wanted

    return minimised(design, fails, tries)


def main() -> int:
    """Run as a command; the exit status says whether a design differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.walk.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--designs", type=int, default=10**9, help="stop after so many")
    parser.add_argument("--kind", action="append", choices=list(FEATURES), help="only designs of this kind")
    parser.add_argument(
        "--laws",
        action="store_true",
        help="try laws of time, values and tiles by rules too: several runs each",
    )
    parser.add_argument("--show", type=int, default=3, help="how many kinds of differences to show in full")
    parser.add_argument(
        "--tries", type=int, default=200, help="how many smaller designs to try for each of these"
    )
    arguments = parser.parse_args()
    kinds = arguments.kind or list(FEATURES)
    begin = time.monotonic()
    found = run(arguments.seed, kinds, arguments.seconds, arguments.designs, arguments.laws)
    took = time.monotonic() - begin
    text = ", ".join(f"{count} {name}" for name, count in found.counts.items())
    print(f"seed {arguments.seed}, kinds {', '.join(kinds)}: {text}; {took:.0f} s")
    for reason, count in found.refusals.most_common(10):
        print(f"  {count} refused: {reason}")
    for kind, designs in found.by_frequency:
        print(f"== {len(designs)} differ in {kind}; numbers {[entry[0] for entry in designs[:6]]}")
    for kind, designs in found.by_frequency[: arguments.show]:
        _show(kind, *designs[0][1:], arguments.tries)
    return 1 if found.kinds else 0


def _show(kind: str, design: Design, not_simulated: str, tries: int) -> None:
    print(f"===== {kind}")
    try:
        design = smallest(design, not_simulated, tries)
        differences = compared(design, not_simulated).differences or _broken(design, not_simulated)
    except Exception as error:
        print(design.as_text(), repr(error))
        return
    print(design.as_text())
    for difference in differences:
        print("  ", difference)


if __name__ == "__main__":
    sys.exit(main())
