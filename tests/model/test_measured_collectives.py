"""Collectives of chips on which no constant of A100 or H100 was set, against what others measured.

``measured-collectives.csv``: NVIDIA's aiconfigurator (repository ai-dynamo/aiconfigurator at 095f58a51c4c, systems/data,
folders h200_sxm, b200_sxm and gb200: nccl-tests, and all-reduce kernels of trtllm 1.3, vLLM 0.24 and SGLang 0.5.14 in a
graph; bytes are those of its fp16 numbers): every second size, of which none set a constant. ``coreweave nccl-tests`` is
pull request 43 of coreweave/nccl-tests (72 GB200, February 2025), ``Azure NVLS`` the bus bandwidth in
ND_H200_v5_results.md of repository Azure/AI-benchmarking-guide at 8fd0c6e1bd0f, told with two digits where messages are
small. With the times of calls of an H100, as they were before the other half of their rows had set them, B200 were 33%
too quick (median; 45% at the 90th percentile), GB200 32%.
"""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import median

from fusemax.model.system import System, load_system

#: Libraries that a measured call may have taken: those of NCCL's own tests, and of a framework that falls back to them.
LIBRARIES = {
    "all-reduce": ("nccl", "nvls"),
    "all-to-all": ("p2p",),
    "all-gather": ("nccl",),
    "reduce-scatter": ("nccl",),
}


def predicted_us(system: System, row: dict[str, str]) -> float:
    """The time of the quickest of the libraries, in microseconds."""
    own = row["source"] in ("trtllm", "vllm", "sglang")
    names = LIBRARIES[row["operation"]] if not own else ("custom", "nccl", "nvls")
    size_B, chips = float(row["bytes"]), int(row["chips"])
    return 1e6 * min(system.collective(row["operation"], size_B, chips, name)[0] for name in names)


def test_collectives() -> None:
    """Of each system, half of the rows are within 15%, nine of ten within 35%."""
    errors: dict[str, list[float]] = {}
    kinds: dict[tuple[str, ...], list[float]] = {}
    kept: dict[str, System] = {}
    with Path(__file__).with_name("measured-collectives.csv").open() as file:
        for row in csv.DictReader(file):
            system = kept.setdefault(row["system"], load_system(row["system"]))
            error = predicted_us(system, row) / float(row["time_us"]) - 1
            errors.setdefault(row["system"], []).append(error)
            kinds.setdefault((row["system"], row["source"], row["operation"]), []).append(error)
    for key, found in (*kinds.items(), *(((name,), each) for name, each in errors.items())):
        sizes = sorted(map(abs, found))
        tenth = sizes[len(sizes) * 9 // 10]
        print(*key, f"{len(found)} rows: {median(sizes):.1%}, {tenth:.0%}, bias {median(found):+.0%}")  # noqa: T201
        if len(key) == 1:
            assert median(sizes) < 0.15, key
            assert tenth < 0.35, key
