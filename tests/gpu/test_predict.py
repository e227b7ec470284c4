"""GPU machines and their mappings: all of them map, waves and masks come out, and published times are met."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median

import pytest

from fusemax.cost.evaluate import costs
from fusemax.errors import FusemaxError
from fusemax.gpu.asked import study_file
from fusemax.gpu.compare import Compared, compare
from fusemax.gpu.predict import Kernel, cost_of, derived, predict, sizes_for
from fusemax.gpu.published import published
from fusemax.gpu.shape import Shape, flop
from fusemax.shipped import ROOT

MACHINES = (
    *("a100", "a100-pcie", "h100", "h100-pcie", "h200", "h20", "b200", "gb200", "gb300"),
    *("h800", "rtx4090", "rtx5090", "l20", "mi300x", "mi355x"),
    *("l40s", "a10", "a5000", "rtx2080ti"),
    *(
        "a30",
        "a40",
        "rtx-a6000",
        "l4",
        "t4",
        "v100",
        "gh200",
        "b300",
        "jetson-agx-orin",
        "max1550",
        "arc-b580",
        "mi250x",
        "l40",
        "rtx6000-ada",
        "rtx5080",
        "rtx-pro-6000",
        "a800",
        "gb10",
        "h100-nvl",
        "rtx4080",
    ),
)
STUDY = ROOT / "studies" / "gpu.yaml"


def shape(length: int, width: int = 128, causal: bool = False, direction: str = "fwd", **more: int) -> Shape:
    """A call with 16 heads in all, unless *more* says otherwise."""
    sizes = {"batch": 1, "heads": 16, "kv_heads": 16, "seqlen_q": length, "seqlen_kv": length, **more}
    return Shape(**sizes, head_dim=width, head_dim_v=width, causal=causal, direction=direction)  # type: ignore[arg-type]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_machine_runs_the_common_kernels(machine: str) -> None:
    """Each machine predicts forward, backward, decoding and unfused attention, never below its own bound."""
    for mapping, cascade, call in (
        ("flash2", "attention", shape(4096)),
        ("flash2", "grouped/causal", shape(4096, 64, causal=True)),
        ("flash2-backward", "grouped/backward-causal", shape(4096, causal=True, direction="bwd")),
        ("decode", "grouped/split-k", shape(4096, seqlen_q=1, kv_heads=2)),
        ("unfused", "attention/3-pass", shape(4096)),
    ):
        answer = cost_of(Kernel(machine, mapping, cascade), call, "bf16")
        assert 0 < answer.bound_s <= answer.latency_s


@pytest.mark.parametrize("width", [64, 128, 192, 256])
@pytest.mark.parametrize(
    ("machine", "mapping"), [("h200", "flash3"), ("h100", "cudnn"), ("b200", "flash4"), ("b200", "cudnn")]
)
def test_tiles_fit_at_every_head_width(machine: str, mapping: str, width: int) -> None:
    """The rules for tile sizes keep within the memory of a core."""
    cost_of(Kernel(machine, mapping, "attention"), shape(2048, width), "bf16")


@pytest.mark.parametrize(
    ("machine", "mapping", "width"),
    [
        ("mi300x", "flash", 256),
        ("mi300x", "flash", 512),
        ("mi300x", "ck", 256),
        ("mi300x", "triton", 256),
        ("t4", "triton", 256),
        ("a100", "flash2", 512),
        ("rtx4090", "flash2", 512),
        ("rtx4090", "cudnn", 512),
    ],
)
def test_tiles_of_keys_shrink_to_the_memory_of_a_core(machine: str, mapping: str, width: int) -> None:
    """Wide heads leave room for fewer keys: a cost beside narrower heads, not a refusal."""
    narrow, wide = (
        flop(call) / cost_of(Kernel(machine, mapping, "attention"), call, "bf16").latency_s
        for call in (shape(4096, 128), shape(4096, width))
    )
    assert 0.5 < wide / narrow < 1.5


#: TFLOP/s of long products of 16 bits, as zzc0721/torch-performance-test-data on GitHub has them (database.md and issue 120).
PRODUCTS = {
    "l4": 59.4,
    "t4": 42.71,
    "v100": 94.84,
    "l40s": 269.15,
    "rtx-a6000": 123.34,
    "rtx-pro-6000": 417.98,
}


@pytest.mark.parametrize("machine", PRODUCTS)
def test_attention_is_no_quicker_than_the_products_that_a_card_can_feed(machine: str) -> None:
    """Their power limits both: a kernel with slack between products holds a higher clock, and stays below what they reach."""
    call = shape(16384)
    found = flop(call) / cost_of(Kernel(machine, "flash2", "attention"), call, "fp16").latency_s
    assert 0.7 < found / 1e12 / PRODUCTS[machine] < 1


@pytest.mark.parametrize(
    ("machine", "peak"),
    [
        ("l40s", 362e12), ("a10", 125e12), ("a5000", 111.1e12), ("rtx2080ti", 53.8e12), ("a30", 165e12), ("a40", 149.7e12),
        ("rtx-a6000", 154.8e12), ("l4", 121e12), ("t4", 65e12), ("v100", 125e12), ("jetson-agx-orin", 42.6e12),
        ("max1550", 839e12), ("arc-b580", 116.7e12), ("mi250x", 191.5e12), ("l40", 181e12), ("rtx6000-ada", 364e12),
        ("rtx5080", 112.6e12), ("rtx-pro-6000", 503.8e12), ("a800", 312e12), ("gb10", 118.8e12), ("rtx4080", 97.5e12),
    ],
)  # fmt: skip
def test_cards_without_a_published_time_have_the_rates_of_their_data_sheets(
    machine: str, peak: float
) -> None:
    """Products of 16 bits summed in 32 alone, over all cores: the data sheet's rate within 2%."""
    long = shape(16384)
    times = cost_of(Kernel(machine, "flash2", "attention"), long, "fp16").table("cycles")
    products = sum(cycles for label, cycles in times.items() if label.einsum in ("BQK", "SLNV"))
    figures = cost_of(Kernel(machine, "flash2", "attention"), long, "fp16").parameters
    waves = -(-16 * 128 // int(figures["replicas"])) * figures["replicas"] / (16 * 128)  # of 128 queries each
    rate = flop(long) / (products / figures["clock"]) * waves
    assert rate == pytest.approx(peak, rel=0.02)


def test_two_blocks_of_triton_share_a_core_where_registers_hold_both() -> None:
    """128 queries by 128 keys keep 4 B of each score, 2 B of each weight and 4 B of each output: 128 KiB at width 64, half of
    the registers, and 160 KiB at 128. Two blocks hide one another's exponentials, one waits for them."""
    narrow, wide = (
        cost_of(Kernel("h100", "triton", "attention"), shape(8192, width), "fp16") for width in (64, 128)
    )
    alone = [
        sum(time for label, time in answer.table("time").items() if label.unit) for answer in (narrow, wide)
    ]
    assert narrow.latency_s < alone[0]  # one group would take all units' times one after another
    assert wide.latency_s > alone[1]


def test_tiles_that_do_not_fit_are_refused() -> None:
    """Heads of width 512 are beyond these kernels: the level and the bytes are named."""
    with pytest.raises(FusemaxError, match="registers is too small"):
        cost_of(Kernel("h200", "flash3", "attention"), shape(2048, 512), "bf16")


def test_whole_waves_of_tasks() -> None:
    """cuDNN on an H200, chunks of 65536 keys: 32, 64, 128, 256, 512 tasks take 1, 1, 1, 2, 4 waves of 132 cores.

    Published in NVIDIA/cudnn-frontend's inference benchmark: 0.860, 0.864, 0.878, 1.751, 3.476 ms.
    """
    times = [
        predict(
            Kernel("h200", "cudnn", "grouped/causal"),
            shape(65536, causal=True, seqlen_q=512, heads=heads, kv_heads=heads // 8),
            "bf16",
        ).time_s
        for heads in (8, 16, 32, 64, 128)
    ]
    for time, waves in zip(times, (1, 1, 1, 2, 4), strict=True):
        assert time / times[0] == pytest.approx(waves, rel=0.02)


def test_the_parts_of_a_prediction_add_up() -> None:
    """Launch, start of tasks and the steady work are the whole time."""
    found = predict(
        Kernel("b200", "cudnn-backward", "grouped/backward"), shape(4096, direction="bwd"), "bf16"
    )
    assert sum(found.parts_s.values()) == pytest.approx(found.time_s)
    assert found.limit in ("tensor", "shared", "vector", "special", "L2", "DRAM", "start")


@pytest.mark.slow
def test_published_times_are_met_on_test_rows() -> None:
    """Median errors on rows that set no constant, per chip: docs/gpu.md states the numbers."""
    study = study_file(STUDY)
    compared, _ = compare(study, published(Path(STUDY.parent / study.published)))
    judged = [entry for entry in compared if entry.row.split == "test" and not entry.apart]

    def errors(work: str, chip: str) -> list[float]:
        return [abs(e.error) for e in judged if e.work == work and _chip(e) == chip]

    for chip in ("A100", "H100", "H200", "B200"):
        assert median(errors("forward", chip)) <= 0.10
    for chip in ("H100", "H200", "B200"):
        assert median(errors("backward", chip)) <= 0.15
    for chip in ("A100", "H200", "B200"):
        assert median(errors("decode", chip)) <= 0.15


def _chip(entry: Compared) -> str:
    return entry.row.gpu.partition("-")[0]


@pytest.mark.parametrize("machine", ["a100", "h100", "b200", "rtx4090", "l20", "mi355x"])
@pytest.mark.parametrize("width", [64, 96, 128, 192, 256])
@pytest.mark.parametrize("direction", ["fwd", "bwd"])
def test_tiles_are_whole_and_fit_at_every_common_head_width(machine: str, width: int, direction: str) -> None:
    """The common kernels cut tiles for the memory at hand, down to the 100 KB of a small card."""
    if direction == "fwd":
        kernels = [Kernel(machine, name, "grouped/causal") for name in ("flash2", "cudnn")]
    else:
        kernels = [
            Kernel(machine, f"{name}-backward", "grouped/backward-causal") for name in ("flash2", "cudnn")
        ]
    for kernel in kernels[: 1 if machine == "mi355x" else 2]:
        answer = cost_of(kernel, shape(1024, width, causal=True, direction=direction), "bf16")
        assert 0 < answer.bound_s <= answer.latency_s
        assert all(share <= 1 for share in answer.utilization().values())


@pytest.mark.parametrize(
    ("mapping", "published_ms"),
    [("flash2", (0.2499, 0.8563, 0.2738, 0.4944)), ("cudnn", (0.1462, 0.4739, 0.1758, 0.3054))],
)
def test_wide_heads_on_an_h100(mapping: str, published_ms: tuple[float, ...]) -> None:
    """Width 256, 16k tokens of 8 heads: FlashAttention-3 paper (arXiv 2407.08608), Figure 5, within 10%.

    Two blocks of 64 queries share a core in FlashAttention-2; cuDNN's shared memory holds one pair of tiles, not two.
    """
    cases = [(32, 512, False), (8, 2048, False), (16, 1024, True), (8, 2048, True)]
    for (batch, length, causal), time_ms in zip(cases, published_ms, strict=True):
        cascade = "grouped/causal" if causal else "attention"
        call = shape(length, 256, causal, batch=batch, heads=8, kv_heads=8)
        answer = cost_of(Kernel("h100", mapping, cascade), call, "fp16")
        assert answer.latency_s * 1e3 == pytest.approx(time_ms, rel=0.1), (mapping, length, causal)


@pytest.mark.parametrize(
    ("batch", "heads", "length", "width", "published_ms"),
    [(16, 32, 2048, 64, 0.47), (32, 16, 1024, 128, 0.20), (8, 16, 4096, 128, 0.49)],
)
def test_a_block_for_each_task_under_a_mask(
    batch: int, heads: int, length: int, width: int, published_ms: float
) -> None:
    """FlashAttention-4 on a B200, causal: Dao-AILab/flash-attention pull request 2605, within 10%; 3 us a task, not 1."""
    call = shape(length, width, causal=True, batch=batch, heads=heads, kv_heads=heads)
    masked, plain = (
        cost_of(Kernel("b200", mapping, "grouped/causal"), call, "bf16")
        for mapping in ("flash4-masked", "flash4")
    )
    assert masked.latency_s * 1e3 == pytest.approx(published_ms, rel=0.1)
    tasks_of_a_core = math.ceil(batch * heads * length / 256 / 148)
    assert masked.latency_s - plain.latency_s == pytest.approx(2e-6 * tasks_of_a_core, rel=0.1)


@pytest.mark.parametrize(
    ("machine", "forward_TFLOP_per_s", "backward_TFLOP_per_s"), [("gb200", 1622, 1226), ("gb300", 1953, 1490)]
)
def test_chips_that_nothing_was_fitted_to(
    machine: str, forward_TFLOP_per_s: float, backward_TFLOP_per_s: float
) -> None:
    """cuDNN on Llama 3.1's shape at 32k, causal: NVIDIA/cudnn-frontend, training results; noise between labs is 20%."""
    for direction, rate, mapping, cascade in (
        ("fwd", forward_TFLOP_per_s, "cudnn", "grouped/causal"),
        ("bwd", backward_TFLOP_per_s, "cudnn-backward", "grouped/backward-causal"),
    ):
        call = shape(32768, causal=True, direction=direction, heads=64, kv_heads=8)
        time_s = predict(Kernel(machine, mapping, cascade), call, "bf16").time_s
        assert flop(call, "exact") / time_s / 1e12 == pytest.approx(rate, rel=0.2)


@pytest.mark.parametrize(
    ("length", "heads", "tasks"),
    [(192, 16, (1, 0)), (128, 264, (2, 0)), (128, 100, (1, 0)), (320, 132, (2, 1)), (64, 264, (0, 2))],
)
def test_the_busiest_core_has_whole_tasks_first(length: int, heads: int, tasks: tuple[int, int]) -> None:
    """132 cores: the whole tasks, of 128 queries, are dealt first; then the ragged ones, each to the core that is free."""
    answer = cost_of(
        Kernel("h200", "flash3", "attention"), shape(length, heads=heads, kv_heads=heads), "bf16"
    )
    assert tasks == tuple(answer.values[f"core_tasks[AV,{kind}]"] for kind in (0, 1))


@pytest.mark.parametrize("machine", ["h100", "b200", "mi355x", "l4", "gb10"])
@pytest.mark.parametrize(
    ("mapping", "cascade"), [("flash2", "grouped/causal"), ("decode", "grouped/split-k")]
)
def test_a_better_figure_never_makes_a_call_slower(machine: str, mapping: str, cascade: str) -> None:
    """A tenth more of the clock, of any bandwidth or of the clock that a load may hold: as quick or quicker."""
    mapped, program = derived(Kernel(machine, mapping, cascade))
    call = shape(4096, kv_heads=4, seqlen_q=1 if mapping == "decode" else 4096, causal=mapping == "flash2")
    names = [
        name
        for name, value in program.parameters.items()
        if value and (name == "clock" or name.endswith(("bandwidth", "sustained")))
    ]
    better = [{name: 1.1 * float(program.parameters[name] or 0)} for name in names]
    points = [(sizes_for(mapped, call), {"word": 2.0, **figures}) for figures in ({}, *better)]
    plain, *others = (answer.latency_s for answer in costs(mapped, program, points))
    assert len(others) >= 2
    for name, found in zip(names, others, strict=True):
        assert found <= plain * (1 + 1e-12), name
