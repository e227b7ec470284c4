"""Which mappings price a step: all that bind its Einsums, whatever form they name."""

from __future__ import annotations

from pathlib import Path

from fusemax.model.price import Prices, Widths
from fusemax.model.step import Step
from fusemax.shipped import find_machine

SIZES = {"B": 1, "H": 8, "R": 8, "E": 128, "F": 128, "P": 2048, "M": 2048}
STEP = Step(part="", name="", work="", times=1, forms=(("grouped/causal", SIZES),))


def test_a_mapping_of_ones_own_starves_no_other(tmp_path: Path):
    """A slow kernel for grouped heads beside a machine is one more: those for plain attention are still tried, too."""
    machine = Path(find_machine("h100"))
    slow = (machine.parent.parent / "gpu" / "efficient.yaml").read_text()
    (tmp_path / "machine.yaml").write_text(machine.read_text())
    (tmp_path / "own.yaml").write_text(slow.replace("cascade: attention", "cascade: grouped/causal"))
    prices = Prices(str(tmp_path), Widths())
    assert prices.price(STEP).time_s == Prices("h100", Widths()).price(STEP).time_s
    assert {"own", "flash3"} <= set(prices.suited["grouped/causal"])
