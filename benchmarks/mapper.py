"""Map every shipped cascade onto shipped machines, and run the answers: ``benchmarks/mapper.py --machines h100 fusemax``.

Each answer goes the way of a user's file: written, read again against cascade and machine (what ``check`` does), priced by
``cost``, executed by ``simulate``. The table gives seconds, candidates per second, how much the bound covers, and what failed;
the last lines the median and the slowest. A cascade that asks for an operation which no unit offers is told apart.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fusemax.cascade.build import load_cascade
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.machine import Machine, load_machine
from fusemax.search.answer import Answer, best_mapping
from fusemax.shipped import machines, shipped
from fusemax.simulate.tiles import simulate

#: Sizes by name; others are 64. Windows, groups and counts of a few are small.
SIZES: Mapping[str, int] = {
    "B": 2, "H": 4, "M": 512, "P": 384, "T": 256, "N": 256, "S": 384, "D": 256, "K": 512, "R": 64, "X": 16, "Y": 16,
    "W": 5, "J": 4, "G": 4, "C": 32, "DI": 2, "U": 3,
}  # fmt: skip
#: Sizes of one cascade where those above contradict each other.
OWN: Mapping[str, Mapping[str, int]] = {
    "sparse/block-sparse": {"M": 512, "M0": 64},
    "sparse/routed-blocks": {"M": 512, "M0": 64},
    "derived/decoder-block-1-pass": {"M": 512},
    "state-space/mamba": {"N": 16},
    "linear-attention/lightning": {"I0": 32},
    "causal/1-pass": {"P": 512},
    "causal/3-pass": {"P": 512},
    "causal/3-pass-deferred": {"P": 512},
    "variants/alibi": {"P": 512},
    "variants/nystrom": {"L": 64, "W": 8},
    "variants/path-blocks": {"I0": 32},
}
LACKS = "no unit of this machine can do"
MASKED = ("under conditions", "mask")


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one cascade on one machine."""

    cascade: str
    machine: str
    verdict: str
    seconds: float
    answer: Answer | None = None
    simulated: str = ""


def sizes_of(name: str, cascade: Cascade) -> dict[str, int]:
    """Return sizes for every name that *cascade* needs and the mapper does not choose itself."""
    from fusemax.mapping.space import parts_of, whole_ranks

    whole = set(whole_ranks(cascade))
    known = {
        symbol: OWN.get(name, {}).get(symbol, SIZES.get(symbol, 64)) for symbol in cascade.size_symbols()
    }
    parts = {part for rank in whole for part in parts_of(cascade, rank)} - OWN.get(name, {}).keys()
    for rank in whole:
        if any(part in parts for part in parts_of(cascade, rank)):
            known[rank] = OWN.get(name, {}).get(rank, SIZES.get(rank, 64))
    return {symbol: size for symbol, size in known.items() if symbol not in parts}


def mapped(
    name: str, machine_name: str, machine: Machine, objective: str, seconds: float, run: bool = True
) -> Row:
    """Search one design and confirm the answer."""
    cascade = load_cascade(name)
    begun = time.perf_counter()
    try:
        answer = best_mapping(cascade, machine, sizes_of(name, cascade), objective=objective, seconds=seconds)
    except FusemaxError as error:
        first = str(error).split("\n")[0]
        return Row(
            name, machine_name, "lacks" if LACKS in first else f"FAILED: {first}", time.perf_counter() - begun
        )
    took = time.perf_counter() - begun
    return Row(name, machine_name, "mapped", took, answer, confirmed(answer, machine) if run else "")


def confirmed(answer: Answer, machine: Machine) -> str:
    """Return how the simulated time compares with the price, or why it was not simulated."""
    begun = time.perf_counter()
    try:
        found = simulate(answer.mapped, machine, answer.facts.sizes, {})
    except FusemaxError as error:
        return f"not simulated: {str(error).split(chr(10))[0]}"
    return f"{found.latency_s / answer.cost.latency_s:.3f} ({time.perf_counter() - begun:.1f} s)"


def designs(chosen: list[str], only: list[str], part: str) -> Iterator[tuple[str, str]]:
    """Yield cascades and machines; *part* is k/n: every n-th of them from the k-th."""
    number, parts = (int(one) for one in part.split("/"))
    pairs = [(name, one) for one in chosen for name in (only or shipped("einsums"))]
    yield from pairs[number - 1 :: parts]


def main() -> int:
    """Print the table; return 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", nargs="*", default=list(machines()))
    parser.add_argument("--cascades", nargs="*", default=[])
    parser.add_argument("--for", dest="objective", default="latency")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--no-simulate", action="store_true")
    given = parser.parse_args()
    rows: list[Row] = []
    for name, machine in designs(given.machines, given.cascades, given.part):
        described, _ = load_machine(machine)
        row = mapped(name, machine, described, given.objective, given.seconds, not given.no_simulate)
        rows.append(row)
        if row.answer is None:
            print(f"{name:38} {machine:10} {row.seconds:6.1f} s  {row.verdict}", flush=True)
            continue
        answer = row.answer
        print(
            f"{name:38} {machine:10} {row.seconds:6.1f} s  {answer.structures:5,} structures "
            f"{answer.tilings / max(row.seconds, 1e-9):9,.0f}/s  {len(answer.plan.phases):2} phases  "
            f"bound {answer.gap:6.1%}  {answer.stopped:5}  {row.simulated}",
            flush=True,
        )
    times = [row.seconds for row in rows if row.verdict == "mapped"]
    failed = [row for row in rows if row.verdict not in ("mapped", "lacks")]
    if times:
        print(
            f"{len(times)} mapped, {sum(row.verdict == 'lacks' for row in rows)} lack an operation, {len(failed)} failed; "
            f"median {statistics.median(times):.1f} s, slowest {max(times):.1f} s"
        )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
