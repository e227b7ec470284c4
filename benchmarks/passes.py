"""Print how long the pass analysis of a cascade of a hundred Einsums takes: softmax layers, and scans with sums."""

from __future__ import annotations

import time

from fusemax.analysis.passes import analyse
from fusemax.cascade.build import cascade_from_text

HEAD = "title: benchmark\nsource: our own\ninputs: {{X: [{ranks}]}}\noutputs: [{output}]\neinsums: |\n"


def layers(count: int) -> str:
    """Return *count* softmax layers over d, five Einsums each."""
    rows, source = [], "X"
    for i in range(count):
        rows += [
            f"A{i}[d,p] = {source}[d,p]*{source}[d,p]",
            f"G{i}[p] = A{i}[d,p] :: max[d]",
            f"S{i}[d,p] = exp(A{i}[d,p] - G{i}[p])",
            f"D{i}[p] = S{i}[d,p] :: sum[d]",
            f"Y{i}[d,p] = S{i}[d,p]/D{i}[p]",
        ]
        source = f"Y{i}"
    return HEAD.format(ranks="D, P", output=source) + "".join(f"  {row}\n" for row in rows)


def scans(count: int) -> str:
    """Return *count* scans over t, five Einsums each, with a sum over p in each step."""
    rows, source = [], "X"
    for i in range(count):
        rows += [
            f"R{i}[0,p] = 0",
            "loop t:",
            f"  A{i}[t,p] = exp({source}[t,p])",
            f"  R{i}[t+1,p] = R{i}[t,p] + A{i}[t,p]",
            f"  B{i}[t,p] = A{i}[t,p]*R{i}[t+1,p]",
            f"  C{i}[t] = B{i}[t,p] :: sum[p]",
            f"  E{i}[t,p] = B{i}[t,p] - C{i}[t]",
        ]
        source = f"E{i}"
    return HEAD.format(ranks="T, P", output=source) + "".join(f"  {row}\n" for row in rows)


def main() -> None:
    """Print seconds and counts for both."""
    for make in (layers, scans):
        cascade = cascade_from_text(make(20), make.__name__)
        start = time.perf_counter()
        found = analyse(cascade)
        seconds = time.perf_counter() - start
        counts = ", ".join(f"{entry.rank}: {entry.passes} passes" for entry in found.ranks)
        print(f"{make.__name__}: {len(cascade.computed)} Einsums in {seconds:.2f} s ({counts})")


if __name__ == "__main__":
    main()
