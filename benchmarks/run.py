"""Print wall time and peak memory of what users wait for: import, help, and the MICRO 2024 study.

Every command runs three times, in a process and a folder of its own; the least wall time and the largest
memory are printed. Nothing here is a test: the numbers belong to the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPEATS = 3
FUSEMAX = str(Path(sys.executable).with_name("fusemax"))
COMMANDS = {
    "import fusemax": (sys.executable, "-c", "import fusemax"),
    "fusemax --help": (FUSEMAX, "--help"),
    "fusemax run micro24": (FUSEMAX, "run", "micro24"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one process took."""

    wall_s: float
    peak_B: int
    exit_status: int


def measure(command: tuple[str, ...]) -> Cost:
    """Return what *command* takes in a process of its own, its output thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        start_s = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start_s
        process.returncode = os.waitstatus_to_exitcode(status)
    # ru_maxrss counts KiB on Linux and bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(wall_s=wall_s, peak_B=usage.ru_maxrss * unit, exit_status=process.returncode)


def main() -> None:
    """Print one line for each command."""
    print(f"{'command':24}{'wall':>10}{'peak memory':>14}")
    for name, command in COMMANDS.items():
        costs = [measure(command) for _ in range(REPEATS)]
        failed = max(cost.exit_status for cost in costs)
        note = f"  (exit status {failed})" if failed else ""
        wall_s, peak_B = min(cost.wall_s for cost in costs), max(cost.peak_B for cost in costs)
        print(f"{name:24}{wall_s:8.2f} s{peak_B / 1e6:11.0f} MB{note}")


if __name__ == "__main__":
    main()
