"""Slips of a newcomer in the files that ``fusemax new`` writes: each is told at its place, with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.cli.check import check_file
from fusemax.cli.new import write
from fusemax.errors import FusemaxError

SLIPS = [
    ("machine", "clock:", "clok:", "7:1: clok: unknown key 'clok'\n  hint: did you mean 'clock'?"),
    ("machine", "1 GHz", "1 Ghz", "quantity in Hz such as '940 MHz', got '1 Ghz'; did you mean '1 GHz'?"),
    ("machine", "64 GB/s", "64 Gb/s", "got '64 Gb/s'; did you mean '64 GB/s' or '64 Gbit/s'?"),
    ("machine", "64 GB/s", "64 GB", "got '64 GB'; did you mean '64 GB/s'?"),
    ("machine", "256 KiB", "256 K", "got '256 K'; did you mean '256 KiB'?"),
    ("machine", "0.4 mm2", "0.4 mm", "got '0.4 mm'; did you mean '0.4 mm2'?"),
    ("machine", "lanes * 1500", "lane * 1500", "'lane' is no figure of this machine\n  hint: did you mean 'lanes'?"),
    ("machine", "add: 1}   # made", "ad: 1}   # made", "operation 'sub_exp' is made of ad"),
    ("cascade", "outputs: [AV]", "outputs: AV", "12:10: outputs: expected a list, got 'AV'"),
    ("cascade", ":: max[m]", ":: maxi[m]", "hint: there are: sum, max, min"),
    ("cascade", "Q[e,p] * K", "Q[e,p] K", "hint: write '*' between factors"),
    ("cascade", "/ SD[p]", "/ SDD[p]", "hint: did you mean 'SD'?"),
    ("mapping", "attention/1-pass", "attention/one-pass", "6:10: cascade: no file called 'attention/one-pass'"),
    ("mapping", "keep: {L1: [Q", "keep: {L3: [Q", "16:10: nests.0.keep.L3: 'L3' is no level or unit of this machine"),
    ("mapping", "overlapped", "overlaped", "32:11: schedule: expected 'overlapped', 'serial' or 'auto', got 'overlaped'"),
    ("mapping", "[m1]", "m1", "18:10: nests.0.do.0.for: expected a list, got 'm1'"),
    ("study", "kind: sweep\n", "", "3:1: a study needs a 'kind', such as 'kind: sweep'"),
    ("study", "panels: [model]", "panels: model", "figures.0.panels: expected a list, got 'model'"),
    ("study", "ratio: baseline/value", "ratio: speedup", "expected 'value/baseline' or 'baseline/value', got 'speedup'"),
    ("study", "length: M", "length: L", "6:9: length: no part gives a size 'L'"),
    ("study", "y: latency_s", "y: 3", "figures.0.y: expected text, got 3"),
    ("study", "L3.size: 16 MiB", "L3.size: 16", "hint: write the unit, e.g. '16 B'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "said"), SLIPS, ids=[slip[2].strip()[:24] or "kind" for slip in SLIPS]
)
def test_a_slip_is_told(kind: str, right: str, wrong: str, said: str, tmp_path: Path) -> None:
    """The message has the place, what is wrong and the remedy, and says it once."""
    if kind != "machine":
        write("machine", tmp_path / "machine.yaml")
    path = tmp_path / ("machine.yaml" if kind == "machine" else "mine.yaml")
    write(kind, path)
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(FusemaxError) as caught:
        check_file(path)
    assert str(caught.value).count(said) == 1


@pytest.mark.parametrize("name", ["micro24", "attention/1-pass", "fusemax"])
def test_what_ships_is_checked_by_name(name: str) -> None:
    """``check`` takes the names that ``run``, ``cost`` and ``list`` know."""
    assert check_file(Path(name)) in ("study, sweep", "cascade", "machine")
