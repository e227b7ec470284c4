"""A configuration that chooses: every way is tried, the best that fits is taken, and wrong choices are told."""

from __future__ import annotations

import itertools
from pathlib import Path

import polars
import pytest

from fusemax.cli.check import check_file
from fusemax.cost.point import cost_of
from fusemax.errors import FusemaxError
from tests.study.engine import run_file

STUDY = """kind: sweep
title: choices
source: own
parts:
- name: a
  sizes: {B: 4, H: 2, E: 64, F: 64, M: [1Ki, 3000], P: M}
  configurations:
    best:
      machine: flat
      mapping:
        by: [latency_s, traffic_B]
        best_of:
        - mapping: output-stationary
          tiles: {P1: ceil(P/2d.columns)}
          changes: {nests.0.keep.L3: [QK, SN, A, {tensor: GM, buffers: 0}, {tensor: SD, buffers: 0}]}
          perhaps: {nests.0.keep.L3: [{tensor: K, buffers: 2}, {tensor: AV, buffers: 2}]}
        - unfused
"""
CHANGED = """kind: sweep
title: one way
source: own
parts:
- name: a
  sizes: {{B: 4, H: 2, E: 64, F: 64, M: [1Ki, 3000], P: M}}
  configurations:
    one: {{machine: flat, mapping: output-stationary, changes: {{tiles.P1: {tiles}, nests.0.keep.L3: [{kept}]}}}}
"""
ROWS = ("{tensor: GM, buffers: 0}", "{tensor: SD, buffers: 0}")
PERHAPS = ("{tensor: K, buffers: 2}", "{tensor: AV, buffers: 2}")


def results(tmp_path: Path, name: str, text: str) -> list[dict]:
    """Return the rows that a study leaves."""
    (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    out = run_file(tmp_path / f"{name}.yaml", tmp_path / name)
    return polars.read_csv(out / "results.csv").to_dicts()


def test_the_best_of_all_ways_is_taken(tmp_path: Path) -> None:
    """Each way run as a study of its own: the least time of those that fit, then the least traffic."""
    chosen = results(tmp_path, "best", STUDY)
    subsets = [c for n in range(3) for c in itertools.combinations(PERHAPS, n)]
    for row in chosen:
        length = row["seq_len"]
        plain = cost_of(
            "attention/3-pass",
            "flat",
            "unfused",
            {"B": 4, "H": 2, "E": 64, "F": 64, "M": length, "P": length},
        )
        known = [(plain.latency_s, plain.traffic_B)]
        whole = -(-length // 256)
        for number, (subset, tiles) in enumerate(itertools.product(subsets, sorted({1, 2, 4, 8, whole}))):
            if tiles > whole:
                continue
            kept = ", ".join(["QK", "SN", "A", *ROWS, *subset])
            text = CHANGED.format(tiles=tiles, kept=kept)
            one = next(r for r in results(tmp_path, f"one{number}", text) if r["seq_len"] == length)
            if one["fits"]:
                known.append((one["latency_s"], one["traffic_B"]))
        least = min(time for time, _ in known)
        traffic = min(moved for time, moved in known if time <= least * (1 + 1e-9))
        assert least == pytest.approx(row["latency_s"], rel=1e-9)
        assert traffic == row["traffic_B"]
        assert row["fits"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("- unfused", "- unfusd", "mapping.best_of.1: no file called 'unfusd'"),
        ("ceil(P/2d.columns)", "ceil(Q/2d.columns)", "tiles.P1: 'Q' is no size or figure of the point"),
        ("{P1: ceil", "{P7: ceil", "tiles.P7: the mapping has no tile 'P7'"),
        ("by: [latency_s, traffic_B]", "by: latency", "mapping.by: expected 'latency_s', 'traffic_B' or 'energy_J'"),
        (f"nests.0.keep.L3: [QK, SN, A, {', '.join(ROWS)}]", "", "perhaps: nests.0.keep.L3 is not among the changes"),
    ],
)  # fmt: skip
def test_wrong_choices_are_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Mappings, tiles, measures and lists that are not there."""
    assert old in STUDY
    path = tmp_path / "mine.yaml"
    path.write_text(STUDY.replace(old, new), encoding="utf-8")
    with pytest.raises(FusemaxError) as caught:
        check_file(path)
    assert said in str(caught.value)
