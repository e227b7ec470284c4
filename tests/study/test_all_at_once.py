"""Keys that nobody knows, and values that nobody can read, hide nothing of what else is wrong, in studies of every kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fusemax.cli.check import check_file
from fusemax.errors import FusemaxError
from fusemax.shipped import find

POINTS = """kind: sweep
title: t
source: own
parts:
- name: a
  sizes: {B: 1, H: 8, E: 64, F: 64}
  table:
  - {workload: one, M: 1024, P: M}
  configurations:
    u: {machine: fusemx, mapping: fusemax, figures: {DRAM.bandwith: 400 GB/s}}
    v: {machine: fusemax, mapping: fusmax, colour: red}
  where: [latncy_s < 1 ms]
  compare: {against: FLT}
compare: {published: no.csv, tolerance: wide}
figures:
- {file: f, kind: bars, x: seq_len, y: latncy_s, series: configuration}
- {file: g, kind: barz, x: seq_len, y: latency_s}
"""
GRID = """kind: sweep
title: t
source: own
parts:
- name: a
  sizes: {B: 1, H: 8, E: 64, F: 64, P: M}
  grid: {M: [1Ki, 2Ki], L3.sise: [1 MiB, 2 MiB]}
  wheel: 3
  configurations:
    u: {machine: fusemx, mapping: fusemax, figure: {DRAM.bandwith: 400 GB/s}}
    v: {chip: fusemax, mapping: fusemax}
figures:
- {file: f, kind: bars, x: seq_len, y: latncy_s, series: configuration, baseline: v}
"""
SOUGHT = """kind: sweep
title: t
source: own
parts:
- name: a
  sizes: {B: 1, H: 8, E: 64, F: 64, M: 1Ki, P: M}
  configurations:
    u: {machine: fusemax, cascade: attention/1-pas, mapping: {for: latncy, sekonds: 3}}
    v: {machine: fusemax, cascade: attention/1-pas, mapping: best, tales: 3}
summary: {baselines: [w]}
"""
STEPS = """kind: sweep
title: t
source: own
part: a
parts:
- name: a
  sizes: {B: 1, H: 8, E: 64, F: 64, M: 1Ki, P: M}
  configurations:
    u: {machine: fusemax, mapping: fusmax}
corrections:
- {name: one, title: one, figures: {fusemax: {L3.sise: 1 MiB}}, wheel: 3}
- {title: two}
together: [one, tow]
"""
MODELS = """kind: models
title: t
source: own
wheel: 3
models: {bert: models/bret}
systems:
  a: {machine: h10, chps: 2, engine: {worker: x}}
  b: {system: 8xh10}
phases:
- {phase: prefil, B: [1], length: [1Ki]}
- {phase: decode, B: [1], length: [1Kl, 2Ki], lenght: [3]}
figures:
- {file: f, kind: barz, x: seq_len, y: latncy_s}
- {file: g, kind: bars, x: seq_len, y: latncy_s}
"""
TAXONOMY = """kind: taxonomy
title: t
source: own
wheel: 3
sizes: {B: 1, H: 1, E: 64q, F: 64, M0: 256}
tile: {P: 256}
lengths: [4Ki, 4Kii]
buffers: [64KiB]
word: 2B
traffic: [attention/3-pas]
kernels:
- {kernel: one, cascade: attention/2-pas, passes: 2, mass: 3}
- {kernel: two, cascade: attention/1-pas}
mechanisms:
- {name: three, rank: Q, written: attention/3-pass}
"""
DERIVATIONS = """kind: derivations
titel: t
wheel: 3
cascades: [attention/3-pas, attention/2-pass]
known:
  attention/2-pass: {rank: Q, passes: none, source: own}
  attention/1-pass: {rank: Q, passes: 1, source: own, sauce: 3}
"""
GPU = """kind: gpu
title: t
source: own
wheel: 3
published: nowhere.csv
machines: {H100 SXM5: h10}
forward: {all: attention/1-pas, causal: causal/1-pass, window: causal/1-pass}
backward: {all: backward/recomputed, causal: backward/recomputed, window: backward/recomputed}
decode: attention/1-pass
kernels:
- {kernel: flash, forward: flash-nine, dtypes: [fp15], hammer: 3}
"""
PASSES = """kind: gpu-passes
title: t
source: own
wheel: 3
machine: h20
dtype: fp15
tokens: 1000
heads: 16
head_dim: 128
rows_of_a_task: 128
lengths: [512, 0]
kernels:
- {backend: one, cascade: attention/3-pas, mapping: three-pass, analysed: attention/1-pas, mass: 3}
"""
AUDIT = """kind: audit
title: t
source: own
wheel: 3
base: micro24
part: atention
ours: +Bindin
against: [FLT]
start: x
lengths: [1Ki]
corrections:
- {name: one, title: one, machines: {fusemx: {word: 2 B}}, wheel: 3}
together: [two]
"""
CASES = {
    "points": (
        POINTS,
        "'table'; tables: expected keys; 'fusemx'; 'DRAM.bandwith'; 'fusmax'; 'colour'; where.0: 'latncy_s'; compare: unknown;"
        " compare.tolerance: expected a number; y: there is no column 'latncy_s'; 'barz'",
    ),
    "grid": (
        GRID,
        "'L3.sise'; 'wheel'; 'fusemx'; 'figure'; 'DRAM.bandwith'; 'chip'; v.machine: required; 'latncy_s'",
    ),
    "sought": (SOUGHT, "got 'latncy'; 'sekonds'; 'attention/1-pas'; 'tales'; called 'w'"),
    "steps": (
        STEPS,
        "unknown key 'part'; 'fusmax'; 'L3.sise'; 'wheel'; corrections.1.name: required; 'tow'",
    ),
    "models": (
        MODELS,
        "'wheel'; bret; 'h10'; 'chps'; 'worker'; 8xh10; 'prefil'; '1Kl'; 'lenght'; 'barz';"
        " figures.1.y: there is no column 'latncy_s'",
    ),
    "taxonomy": (
        TAXONOMY,
        "'wheel'; '64q'; '4Kii'; 'attention/3-pas'; 'attention/2-pas'; 'mass'; passes: required; 'Q'",
    ),
    "derivations": (
        DERIVATIONS,
        "'titel'; 'wheel'; 'attention/3-pas'; passes: expected; 'Q'; 'sauce'; not among",
    ),
    "gpu": (GPU, "'wheel'; nowhere.csv; 'h10'; 'attention/1-pas'; 'hammer'; 'fp15'"),
    "gpu-passes": (
        PASSES,
        "'wheel'; 'fp15'; 1000 tokens; lengths.1: expected; 'attention/3-pas'; 'attention/1-pas'; 'mass'",
    ),
    "audit": (
        AUDIT,
        "unknown key 'wheel'; no part 'atention'; '+Bindin'; 'FLT'; 'fusemx'; corrections.0.wheel; 'two'",
    ),
}


def refused(path: Path) -> str:
    """Return what is said of the study at *path*."""
    with pytest.raises(FusemaxError) as caught:
        check_file(path)
    return str(caught.value)


@pytest.mark.parametrize("kind", CASES)
def test_all_is_told_at_once(tmp_path: Path, kind: str) -> None:
    """Every mistake of a file is told the first time, with its line and column."""
    text, mistakes = CASES[kind]
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    said = refused(path)
    missing = [mistake for mistake in mistakes.split("; ") if mistake not in said]
    assert not missing, said
    starts = [line for line in said.splitlines() if not line.startswith("  ")]
    assert all(re.match(r"\S+mine\.yaml:\d+:\d+: ", line) for line in starts), said


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("points", ["needs a size", "no column 'workload'"]),  # sizes of a table that cannot be read
        ("grid", ["called 'v'"]),  # a configuration that is there, though it lacks a machine
        ("models", ["phase = 'prefil'"]),
        ("taxonomy", ["needs a size"]),
    ],
)
def test_what_follows_from_a_mistake_is_not_told(tmp_path: Path, kind: str, said: list[str]) -> None:
    """What is wrong only because something else could not be read is no mistake of its own."""
    path = tmp_path / "mine.yaml"
    path.write_text(CASES[kind][0], encoding="utf-8")
    told = refused(path)
    assert not [text for text in said if text in told], told


SHIPPED = ("micro24", "codesign", "successors", "audit", "models", "taxonomy", "derivations", "gpu-passes")


@pytest.mark.parametrize("name", SHIPPED)
def test_an_unknown_key_is_the_one_mistake_of_a_shipped_study(tmp_path: Path, name: str) -> None:
    """A key too many is all that is told where nothing else is wrong, paths of files beside the study apart."""
    text = find("studies", name).read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(f"wheel: 3\n{text}", encoding="utf-8")
    starts = [line for line in refused(path).splitlines() if not line.startswith("  ")]
    assert "mine.yaml:1:1: wheel: unknown key 'wheel'" in starts[0]
    assert all("no such file" in line or "cannot be read" in line for line in starts[1:]), starts


def test_places_after_an_entry_that_was_left_out(tmp_path: Path) -> None:
    """The entries behind one that cannot be read are told by their own numbers, lines and columns."""
    path = tmp_path / "mine.yaml"
    path.write_text(TAXONOMY.replace("[4Ki, 4Kii]", "[4Kii, 4Ki, 4Ki]"), encoding="utf-8")
    said = refused(path)
    assert "mine.yaml:7:11: lengths.0: expected a number" in said
    assert "mine.yaml:7:22: lengths.2: 4096 stands here twice" in said


@pytest.mark.parametrize(
    "grid", ["M: [1Ki, many]", "M: {from: 1Ki, to: 4Ki, steps: -3}", "M: 1Ki, DRAM.bandwidth: [4 s]"]
)
def test_values_that_cannot_be_read_hide_no_column(tmp_path: Path, grid: str) -> None:
    """Units come from the machine, labels from tables and axes: which columns there are does not wait for points."""
    text = GRID.replace("M: [1Ki, 2Ki], L3.sise: [1 MiB, 2 MiB]", f"{grid}, 2d.shape: [128, 256]").replace(
        "  wheel: 3\n", ""
    )
    text = (
        text.replace("fusemx", "fusemax")
        .replace("figure: {DRAM.bandwith", "figures: {1d.lanes")
        .replace("400 GB/s", "128")
    )
    text = text.replace("chip:", "machine:")
    text = text.partition("figures:\n-")[0] + (
        "figures:\n- {file: f, kind: bars, x: 2d.colums, y: utilization_2dd, series: configuraton, baseline: w}\n"
    )
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FusemaxError) as refused:
        check_file(path)
    assert [
        name
        for name in ("2d.columns", "utilization_2d", "configuration")
        if f"mean {name!r}" not in str(refused.value)
    ] == []
    assert "parts.0.grid" in str(refused.value)
