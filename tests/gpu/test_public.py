"""Single published measurements on chips that nothing was fitted to, within the distance between laboratories."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import pytest

from fusemax.gpu.asked import KernelEntry, study_file
from fusemax.gpu.compare import compare
from fusemax.gpu.predict import Kernel, cost_of
from fusemax.gpu.published import published
from fusemax.gpu.shape import Shape, flop
from fusemax.machine import load_machine
from fusemax.shipped import ROOT

#: gpu-mode/ring-attention on GitHub, issue 10: two RTX A5000, FlashAttention-2 at width 64 without a mask; 16k tokens in
#: all and 32 heads (2048 wide), as in FlashAttention-2's benchmark script: TFLOP/s forward and backward by length.
A5000 = {
    512: (84.08, 52.88), 1024: (81.02, 62.54), 2048: (81.31, 70.07), 4096: (81.69, 74.80), 8192: (81.86, 77.42),
}  # fmt: skip
#: nshepperd/flash_attn_jax on GitHub, issue 5: RTX 3090, 32 sequences of 1,024 tokens, 8 heads: TFLOP/s by width.
RTX3090 = {32: 61.11, 64: 64.09, 128: 65.63}
#: A GB10 (DGX Spark), without a mask: mapping, batch, heads, length, width, ms. flashinfer-ai/flashinfer pull request 3897
#: (FlashAttention-2), Dao-AILab/flash-attention pull request 2474 (FlashAttention-4). The machine is from data sheets alone.
GB10 = (
    ("flash2", 4, 8, 4096, 128, 2.97), ("flash2", 2, 8, 8192, 128, 5.81), ("flash2", 1, 8, 32768, 128, 46.09),
    ("flash2", 1, 8, 16384, 64, 5.89), ("flash4", 8, 32, 8192, 64, 46.52),
)  # fmt: skip
#: Dao-AILab/flash-attention issue 1310: an H20, 2 sequences of 2,048 tokens, 2048 wide: ms by mapping, at widths 64 and 128,
#: without and with a causal mask each.
H20 = {
    "flash2": (0.840, 0.484, 0.821, 0.522), "cudnn": (0.545, 0.315, 0.532, 0.319), "flash3": (0.572, 0.342, 0.545, 0.319),
}  # fmt: skip
#: Between laboratories equal shapes differ by 20%.
NOISE = 0.2


def shape(batch: int, heads: int, length: int, width: int, **more: object) -> Shape:
    """A square call, forward and without a mask unless *more* says otherwise."""
    sizes = {
        "head_dim": width,
        "head_dim_v": width,
        "causal": False,
        "direction": "fwd",
        "seqlen_q": length,
        **more,
    }
    return Shape(batch=batch, heads=heads, kv_heads=heads, seqlen_kv=length, **sizes)  # type: ignore[arg-type]


def rate(machine: str, mapping: str, cascade: str, call: Shape) -> float:
    """Return the predicted TFLOP/s."""
    return flop(call) / cost_of(Kernel(machine, mapping, cascade), call, "bf16").latency_s / 1e12


def test_flash_attention_2_on_an_a5000() -> None:
    """Ten rates, forward and backward: 7% at the median, none beyond the noise."""
    errors: list[float] = []
    for length, (forward, backward) in A5000.items():
        batch = 16384 // length
        found = rate("a5000", "flash2", "attention", shape(batch, 32, length, 64))
        errors.append(abs(found / forward - 1))
        call = shape(batch, 32, length, 64, direction="bwd")
        errors.append(abs(rate("a5000", "flash2-backward", "grouped/backward", call) / backward - 1))
    assert max(errors) < NOISE
    assert median(errors) < 0.07


@pytest.mark.parametrize("width", RTX3090)
def test_flash_attention_2_on_an_rtx_3090(width: int) -> None:
    """Three widths."""
    found = rate("rtx3090", "flash2", "attention", shape(32, 8, 1024, width))
    assert found == pytest.approx(RTX3090[width], rel=NOISE)


#: apple/axlearn on GitHub, sample output in tpu_attention_benchmark.py in 2025: TPU v5p, two sequences of 8,192
#: tokens, width 128, a window of 4,096, blocks of 512: ms forward, and forward with backward, by heads.
AXLEARN = {16: (1.4, 5.8), 40: (3.2, 15.2), 72: (5.5, 26.2), 88: (6.7, 31.3), 110: (7.2, 37.3)}


def test_splash_attention_on_a_tpu_v5p() -> None:
    """Five shapes, no constant: a third too slow forward at the median, a tenth with the backward pass.

    At 72 heads the matrix units are busy 74% of the published time: they do not wait for the vector unit in turn.
    """
    errors: list[tuple[float, float]] = []
    for heads, (forward, both) in AXLEARN.items():
        call = shape(2, heads, 8192, 128, causal=True, window=4096)
        found = cost_of(Kernel("tpu-v5p", "splash-512", "grouped/window"), call, "bf16").latency_s * 1e3
        back = (
            cost_of(Kernel("tpu-v5p", "splash-backward", "grouped/backward-window"), call, "bf16").latency_s
            * 1e3
        )
        errors.append((abs(found / forward - 1), abs((found + back) / both - 1)))
    assert median(error for error, _ in errors) < 0.35
    assert max(error for _, error in errors) < 0.1


def test_a_layer_of_splash_attention_on_a_tpu_v5p() -> None:
    """marin-community/marin on GitHub, pull request 6330: 0.778 ms for a layer of 8 heads under a causal mask, blocks of 512.

    The kernel is the most of a layer's time, and less than all of it.
    """
    call = shape(1, 8, 8192, 128, causal=True)
    found = cost_of(Kernel("tpu-v5p", "splash-512", "grouped/causal"), call, "bf16").latency_s
    assert 0.5 * 0.778e-3 < found < 0.778e-3


#: hw-native-sys/pto-isa on GitHub: Ascend 910B2, one head of width 128, in us. kernels/manual/common/flash_atten/README.md: as
#: many queries as keys; demos/torch_jit/flash_atten/README.md: blocks of 128 queries, one a core, by keys.
PTO = {1024: 20.96, 2048: 32.461, 4096: 88.902, 8192: 292.626, 16384: 909.058, 32768: 3262.645}
PTO_CORES = {
    128: (19.2, 23.42, 38.317, 68.778), 256: (18.604, 23.939, 39.838, 71.212), 512: (18.603, 24.787, 41.475, 74.903),
    1024: (19.439, 26.221, 43.127, 76.855), 2048: (23.424, 36.055, 59.69, 107.78),
}  # fmt: skip


def test_flash_attention_on_an_ascend() -> None:
    """26 times, no constant: 18% at the median where all cores work, 8% where up to 16 of 24 do."""

    def error(queries: int, keys: int, published_us: float) -> float:
        call = shape(1, 1, keys, 128, seqlen_q=queries)
        found = cost_of(Kernel("ascend-910b2", "flash", "attention"), call, "bf16").latency_s
        return abs(found * 1e6 / published_us - 1)

    assert median(error(n, n, found) for n, found in PTO.items()) < NOISE
    few = [
        error(queries, keys, found)
        for queries, row in PTO_CORES.items()
        for keys, found in zip((1024, 2048, 4096, 8192), row, strict=True)
    ]
    assert median(few) < 0.08


@pytest.mark.parametrize(("causal", "published"), [(False, 1329), (True, 1334)])
def test_wide_heads_of_aiter(causal: bool, published: float) -> None:
    """ROCm/aiter on GitHub, pull request 4473: 8 heads of widths 192 and 128, 1.3 million tokens.

    The card is not stated; the rate is above the peak of an MI300X.
    """
    call = shape(1, 8, 1_300_000, 192, head_dim_v=128, causal=causal)
    cascade = "grouped/causal" if causal else "attention"
    assert rate("mi355x", "flash", cascade, call) == pytest.approx(published, rel=NOISE)


def test_widths_that_a_kernel_is_not_built_for() -> None:
    """They are filled up to the next one; without a list, and above the widest, a width is its own."""
    entry = KernelEntry(kernel="mine", widths=[128, 64])
    assert entry.worked(shape(1, 8, 1024, 56)) == shape(1, 8, 1024, 64)
    assert entry.worked(shape(1, 8, 1024, 96, head_dim_v=64)) == shape(1, 8, 1024, 128, head_dim_v=64)
    assert entry.worked(shape(1, 8, 1024, 160)) == shape(1, 8, 1024, 160)
    assert KernelEntry(kernel="mine").worked(shape(1, 8, 1024, 56)) == shape(1, 8, 1024, 56)


@pytest.mark.parametrize(
    ("gpu", "work", "most"),
    [
        ("MI300X", "forward", 0.1), ("MI300X", "backward", 0.1), ("MI355X", "forward", 0.12), ("MI355X", "backward", 0.08),
        ("A30", "forward", 0.15),
    ],
)  # fmt: skip
def test_the_second_table(gpu: str, work: str, most: float) -> None:
    """Calls of four sequences of 4,096 tokens and more, one sequence on an A30, without a window: the median by chip."""
    table = published(ROOT / "studies" / "gpu" / "public.csv")
    rows = [
        row
        for row in table
        if (row.gpu, row.shape.direction) == (gpu, "fwd" if work == "forward" else "bwd")
        and row.shape.batch == (1 if gpu == "A30" else 4)
        and row.shape.seqlen_q >= 4096
        and not row.shape.window
    ]
    assert len(rows) >= 12
    compared, left_out = compare(study_file(ROOT / "studies" / "gpu.yaml"), rows)
    assert not left_out
    assert median(abs(one.error) for one in compared) < most
    assert all(one.baselines_s["roofline"] < one.row.time_s for one in compared)


def test_gradients_of_q_are_added_up_a_word_at_a_time() -> None:
    """32-bit sums of AITER: 64 heads of 8 sequences of 8,192 tokens, 256 keys a task; L2 adds 128 words a clock of 2.4 GHz.

    Published: 28.8 ms under a causal mask (ROCm/aiter pull request 815), 20.9 ms in words of two 16-bit sums.
    """
    call = replace(shape(8, 64, 8192, 128, causal=True, direction="bwd"), kv_heads=8)
    words = 8 * 64 * 128 * sum(8192 - task * 256 for task in range(32))
    for mapping, published_ms in (("flash-backward-32", 28.811), ("flash-backward", 20.893)):
        found = cost_of(Kernel("mi355x", mapping, "grouped/backward-causal"), call, "bf16")
        assert found.latency_s * 1e3 == pytest.approx(published_ms, rel=0.1)
    added = cost_of(Kernel("mi355x", "flash-backward-32", "grouped/backward-causal"), call, "bf16").limits()
    assert added["tiles"] == "adders"
    assert words / (128 * 2.4e9) * 1e3 == pytest.approx(28.811, rel=0.05)


def test_flash_attention_on_a_card_that_is_known_from_its_data_sheet_alone() -> None:
    """Five times of a GB10, which lacks the tensor memory of a B200: all within 8%."""
    for mapping, batch, heads, length, width, published_ms in GB10:
        call = shape(batch, heads, length, width)
        found_ms = cost_of(Kernel("gb10", mapping, "attention"), call, "bf16").latency_s * 1e3
        assert found_ms == pytest.approx(published_ms, rel=0.08), (mapping, length, width)


@pytest.mark.parametrize("mapping", H20)
def test_kernels_on_an_h20(mapping: str) -> None:
    """Four times each, nothing fitted to the card: within 10%.

    FlashAttention-2 was a quarter too quick while its instructions had the whole rate of the matrix unit.
    """
    cases = [(width, causal) for width in (64, 128) for causal in (False, True)]
    for (width, causal), published_ms in zip(cases, H20[mapping], strict=True):
        call = shape(2, 2048 // width, 2048, width, causal=causal)
        cascade = "grouped/causal" if causal else "attention"
        found_ms = cost_of(Kernel("h20", mapping, cascade), call, "bf16").latency_s * 1e3
        assert found_ms == pytest.approx(published_ms, rel=0.1), (mapping, width, causal)


def test_the_clock_of_a_limited_hopper_card_follows_the_third_root_of_its_power() -> None:
    """An H100 PCIe was measured at 1395 MHz under 350 W; the rule that gives an H100 NVL its clock says 1393."""
    clocks = {name: float(load_machine(name)[0].clock.value) for name in ("h100", "h100-pcie", "h100-nvl")}
    assert clocks["h100"] * (350 / 700) ** (1 / 3) == pytest.approx(clocks["h100-pcie"], rel=0.005)
    assert clocks["h100"] * (400 / 700) ** (1 / 3) == pytest.approx(clocks["h100-nvl"], rel=0.005)


def test_a_window_of_flash_attention_2_compares_every_score_of_every_tile() -> None:
    """128 queries see 255 keys through a window of 129: four tiles of 64, each of 128 x 64 x 4 operations on 64 lanes.

    Where the ends of a row's window lie costs a few operations a row beside them.
    """
    call = shape(1, 1, 512, 128, causal=True, window=129)
    found = cost_of(Kernel("a30", "flash2-window", "grouped/window-compared"), call, "fp16")
    plain = cost_of(Kernel("a30", "flash2", "grouped/window"), call, "fp16")
    cycles = sum(value for label, value in found.table("cycles").items() if label.einsum == "WQK")
    assert 4 * 128 * 64 * 4 / 64 <= cycles <= 1.03 * 4 * 128 * 64 * 4 / 64
    assert found.latency_s > plain.latency_s


def test_windows_of_flash_attention_2_on_an_a30() -> None:
    """48 published times under windows: 17% at the median, 25% without the comparisons; nothing is fitted to the card."""
    study = study_file(ROOT / "studies" / "gpu.yaml")
    table = published(ROOT / "studies" / "gpu" / "public.csv")
    rows = [row for row in table if row.gpu == "A30" and row.shape.window]
    found, left = compare(study, rows)
    assert len(found) == 48
    assert not left
    assert {entry.mapping for entry in found} == {"flash2-window"}
    assert median(abs(entry.error) for entry in found) < NOISE
