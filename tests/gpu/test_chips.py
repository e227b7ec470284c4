"""The table of chip figures agrees with itself: peaks are cores times rate times clock."""

from __future__ import annotations

import csv

import pytest

from fusemax.quantity import quantity
from fusemax.shipped import ROOT

TABLE = ROOT / "studies" / "gpu" / "chips.csv"
GPUS = (
    "A100-SXM",
    "A100-PCIe",
    "B200",
    "GB200",
    "GB300",
    "H100-PCIe",
    "H100-SXM",
    "H20",
    "H200",
    "H800",
    "L20",
    "MI300X",
    "MI325X",
    "MI350X",
    "MI355X",
    "RTX3090",
    "RTX5090",
)
PER_CLOCK = ("op/clk/core", "FLOP/clk/core", "B/clk/core", "lane-slots")
UNITS = {
    "GB": "B",
    "KiB": "B",
    "MiB": "B",
    "GB/s": "B/s",
    "MHz": "Hz",
    "TFLOP/s": "FLOP/s",
    "W": "W",
    "us": "s",
}


@pytest.fixture(scope="module")
def chips() -> dict[str, dict[str, float]]:
    """Return each chip's figures by quantity, in SI units; rates per clock as they stand."""
    figures: dict[str, dict[str, float]] = {}
    for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()):
        unit = row["unit"]
        plain = unit in PER_CLOCK or unit == "1"
        value = float(row["value"]) if plain else quantity(f"{row['value']} {unit}", UNITS[unit])
        assert row["quantity"] not in figures.setdefault(row["gpu"], {}), row
        assert row["kind"] in ("published", "measured", "derived", "recalled", "assumed"), row
        assert len(row["source"]) > 8, row
        figures[row["gpu"]][row["quantity"]] = value
    return figures


def test_every_chip_has_what_a_machine_needs(chips: dict[str, dict[str, float]]) -> None:
    """No machine has to guess cores, clock, rates, memories or DRAM."""
    needed = (
        "cores",
        "clock_boost",
        "tensor_bf16_per_clock_per_core",
        "exp_per_clock_per_core",
        "power_limit",
    )
    needed += ("fp32_lanes_per_core", "shared_memory_per_core", "shared_memory_bandwidth_per_core", "l2_size")
    needed += ("registers_per_core", "dram_size", "dram_bandwidth_peak")
    assert {*GPUS, "RTX4090"} == set(chips)
    for gpu, figures in chips.items():
        assert [] == [name for name in needed if name not in figures], gpu


def test_peaks_are_cores_times_rate_times_clock(chips: dict[str, dict[str, float]]) -> None:
    """Within 6%: vendors state peaks at clocks that differ a little from the boost clock."""
    for gpu, figures in chips.items():
        for kind in ("bf16", "fp8"):
            if f"peak_{kind}" in figures:
                rate = (
                    figures["cores"] * figures["clock_boost"] * figures[f"tensor_{kind}_per_clock_per_core"]
                )
                assert figures[f"peak_{kind}"] == pytest.approx(rate, rel=0.06), (gpu, kind)


def test_nothing_achieved_exceeds_its_peak(chips: dict[str, dict[str, float]]) -> None:
    """Achieved bandwidths lie under the peaks, and sustained clocks do not exceed the boost clock."""
    for gpu, figures in chips.items():
        for name in ("dram_bandwidth", "l2_bandwidth"):
            achieved = figures.get(f"{name}_achieved", 0.0)
            assert achieved <= figures.get(f"{name}_peak", achieved), (gpu, name)
        assert figures.get("clock_sustained", 0.0) <= figures["clock_boost"], gpu
