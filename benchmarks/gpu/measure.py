"""`fusemax gpu measure` where only torch, Triton, numpy and pydantic are installed: no command line is imported.

python benchmarks/gpu/measure.py OUT.csv GRID.yaml BUDGET_S SEED [cpu]
"""

from __future__ import annotations

import sys
from pathlib import Path

from fusemax.errors import FusemaxError
from fusemax.gpu.measure import measure


def main(out: str, grid: str, budget_s: str, seed: str, device: str = "cuda") -> int:
    """Measure and print what was done; return 1 where that could not be."""
    try:
        done = measure(Path(out), grid=Path(grid), device=device, budget_s=float(budget_s), seed=int(seed))
    except FusemaxError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{done.device}: {done.ok} rows, {done.refused} refused, {done.wrong} wrong, {done.already} there, {done.left} left"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
