"""Conditions of ordinary parts: numbers compare as numbers, and a name that nothing gives is a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.cli.check import check_file
from fusemax.errors import FusemaxError
from fusemax.study.spec.file import StudyPart
from fusemax.study.spec.points import points_of

TABLES = {
    "model": {
        "small": {"H": 2, "DRAM.bandwidth": "100 GB/s"},
        "wide": {"H": 4, "DRAM.bandwidth": "400 GB/s"},
    },
    "pe_dim": {"16": {"2d.rows": 16}, "128": {"2d.rows": 128}},
}
STUDY = """kind: sweep
title: conditions
source: test
parts:
- name: attention
  tables:
    model:
      small: {{H: 2, E: 64, F: 64, DRAM.bandwidth: 100 GB/s}}
      wide: {{H: 4, E: 64, F: 64, DRAM.bandwidth: 400 GB/s}}
  sizes: {{B: 1, M: [1Ki, 3000, 16Ki], P: M}}
  where: [{where}]
  configurations:
    ours:
      machine: fusemax
      mapping: fusemax
      cases:
      - where: [{case}]
        figures: {{L3.size: 8 MiB}}
"""


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("M < P", 0),
        ("M <= P", 16),
        ("M <= 2k", 4),
        ("M >= 3Ki", 4),
        ("M*2 > 4Ki + 1000", 8),
        ("DRAM.bandwidth <= 200 GB/s", 8),
        ("pe_dim >= 64", 8),
        ("pe_dim == 16", 8),
        ("model != wide", 8),
    ],
)
def test_numbers_compare_as_numbers(condition: str, kept: int) -> None:
    """Sizes, figures and labels that are numbers against numbers with suffix, unit or formula."""
    part = StudyPart.model_validate(
        {
            "name": "all", "tables": TABLES, "where": [condition],
            "sizes": {"M": [1024, 2048, 3000, "16Ki"], "P": "M"},
        }
    )  # fmt: skip
    assert kept == len(points_of(part))


@pytest.mark.parametrize(
    ("where", "case", "said"),
    [
        ("M <= 2K", "M > 1", "11:11: parts.0.where.0: M <= 2K: '2K' is no number"),
        ("M > 1", "m >= 16Ki", "17:17: parts.0.configurations.ours.cases.0.where.0: 'm' is no size"),
        ("M > 1", "modle == wide", "did you mean 'model'?"),
        ("M > 1", "model == wdie", "'model' is never 'wdie'\n  hint: did you mean 'wide'?"),
        ("model < wide", "M > 1", "compare texts with == or !="),
        ("M < Q", "M > 1", "'Q' is no size, figure or label"),
        ("DRAM.bandwith < 1 GB/s", "M > 1", "did you mean 'DRAM.bandwidth'?"),
    ],
)
def test_unknown_names_are_refused(tmp_path: Path, where: str, case: str, said: str) -> None:
    """What a condition names must be given, and the message says where and what is near."""
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.format(where=where, case=case))
    with pytest.raises(FusemaxError) as caught:
        check_file(path)
    assert said in str(caught.value)


def test_a_row_without_the_figure_is_said(tmp_path: Path) -> None:
    """A condition on a figure that only some rows give does not leave the others out in silence."""
    path = tmp_path / "study.yaml"
    text = STUDY.format(where="DRAM.bandwidth > 1 GB/s", case="M > 1")
    path.write_text(text.replace(", DRAM.bandwidth: 400 GB/s", ""))
    with pytest.raises(FusemaxError, match=r"row 'wide' gives no DRAM\.bandwidth"):
        check_file(path)
