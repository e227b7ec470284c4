"""The GPU studies on a handful of rows: tables, errors, what is left out, measured columns."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import median

import pytest

from fusemax.cli.check import check_file, checked
from fusemax.errors import FusemaxError, ProblemsError
from fusemax.gpu.accuracy import FITTED, UNFITTED, error_rows, length_bin, quantile
from fusemax.gpu.asked import study_file
from fusemax.gpu.compare import LeftOut, Resolved, compare, resolve
from fusemax.gpu.published import published
from fusemax.library.load import Library
from fusemax.library.sources import GRADES, graded_figures
from fusemax.machine import load_machine
from fusemax.shipped import ROOT
from tests.study.engine import run_file

STUDIES = ROOT / "studies"
LIBRARY = Library()
PASSES = """
kind: gpu-passes
title: t
source: s
machine: h200
dtype: fp16
tokens: 2048
heads: 2
head_dim: 64
rows_of_a_task: 128
lengths: [512, 1024]
kernels:
- {backend: 3-pass, cascade: attention/3-pass, mapping: three-pass, analysed: attention/3-pass}
- {backend: 1-pass, cascade: attention, mapping: flash2, analysed: attention/1-pass}
measured: ["*.csv"]
"""


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped study over one row in forty of each of its two tables."""
    home = tmp_path_factory.mktemp("gpu")
    (home / "gpu").mkdir()
    for name in ("published.csv", "public.csv"):
        lines = (STUDIES / "gpu" / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (home / "gpu" / name).write_text("".join([lines[0], *lines[1::40]]), encoding="utf-8")
    (home / "gpu.yaml").write_text((STUDIES / "gpu.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return run_file(home / "gpu.yaml", home / "out")


def test_every_published_row_is_predicted_or_left_out_with_a_reason(folder: Path) -> None:
    """No row is lost, and each that is left out says why."""
    rows = [
        *published(folder.parent / "gpu" / "published.csv"),
        *published(folder.parent / "gpu" / "public.csv"),
    ]
    left_out = read(folder / "left-out.csv")
    assert len(rows) == len(read(folder / "comparison.csv")) + len(left_out)
    assert all(row["reason"] for row in left_out)
    assert {"scatter.svg", "scatter.png", "error-by-length.svg"} <= {path.name for path in folder.iterdir()}


def test_only_test_rows_judge(folder: Path) -> None:
    """The errors are those of test rows that are not set apart, reckoned again from the comparison."""
    judged = [r for r in read(folder / "comparison.csv") if r["split"] == "test" and not r["apart"]]
    for row in read(folder / "errors.csv"):
        if row["by"] == "all":
            mine = [r for r in judged if r["work"] == row["work"]]
            errors = [float(r["predicted_s"]) / float(r["measured_s"]) - 1 for r in mine]
            assert len(mine) == int(row["rows"])
            assert median(abs(e) for e in errors) == pytest.approx(float(row["predicted_median"]))
            assert median(errors) == pytest.approx(float(row["predicted_signed"]))


def test_rows_of_the_second_table_all_judge(folder: Path) -> None:
    """Whatever the side of their shape: they calibrate nothing."""
    rows = published(folder.parent / "gpu" / "public.csv")
    assert {row.split for row in rows} == {"calibration", "test"}
    sources = {row.source for row in rows}
    assert {row["split"] for row in read(folder / "comparison.csv") if row["source"] in sources} == {"test"}


def test_every_prediction_comes_with_the_error_of_its_class(folder: Path) -> None:
    """The other test rows of the same work on chips known as well, reckoned again; and the grades of its machine's figures."""
    rows = read(folder / "comparison.csv")
    judged = [r for r in rows if r["split"] == "test" and not r["apart"]]
    for row in rows:
        others = sorted(
            abs(float(r["error"]))
            for r in judged
            if (r["work"], r["fitted"]) == (row["work"], row["fitted"]) and r is not row
        )
        if others:
            assert float(row["class_median"]) == pytest.approx(median(others))
            assert float(row["class_p90"]) == pytest.approx(quantile(others, 0.9))
        graded = graded_figures(load_machine(row["machine"])[0])
        assert {grade: int(row[grade]) for grade in GRADES} == {g: graded.get(g, 0) for g in GRADES}
        assert float(row["least_s"]) <= float(row["predicted_s"]) * (1 + 1e-9)


def test_baselines_are_ordered(folder: Path) -> None:
    """The roofline is never above the longer of products and exponentials, nor that above their sum."""
    for row in read(folder / "comparison.csv"):
        roofline, longest, total = (float(row[name]) for name in ("roofline_s", "max_s", "sum_s"))
        assert 0 < roofline <= longest <= total


def test_chips_that_nothing_was_fitted_to_are_told_first(folder: Path) -> None:
    """In the first table of errors, every kind of work of theirs stands before any of the others."""
    groups = [row["group"] for row in read(folder / "errors.csv") if row["by"] == "fitted"]
    assert groups == sorted(groups, key=[UNFITTED, FITTED].index)
    assert groups[0] == UNFITTED or UNFITTED not in groups


def test_deterministic_rows_and_host_overhead_are_set_apart() -> None:
    """They are predicted, and do not judge."""
    rows = [r for r in published() if r.deterministic or "host overhead" in r.remark][:40:8]
    compared, left_out = compare(study_file(STUDIES / "gpu.yaml"), rows)
    assert len(compared) + len(left_out) == len(rows)
    assert all(entry.apart for entry in compared)
    assert error_rows([]) == []


def test_wide_heads_have_code_of_their_own_and_what_has_none_says_why() -> None:
    """An entry for wide heads leaves narrow ones to the next, and a part without a mapping tells the reason of its entry."""
    study = study_file(STUDIES / "gpu.yaml")
    rows = [row for row in published() if row.kernel == "efficient" and row.shape.direction == "fwd"]
    for row in rows:
        resolved = resolve(study, row, LIBRARY)
        assert isinstance(resolved, Resolved)
        wide = row.shape.head_dim_v > 128
        assert resolved.calls[0].kernel.mapping == ("efficient-wide" if wide else "efficient")
    assert {row.shape.head_dim_v > 128 for row in rows} == {True, False}
    reasons = [
        found.reason for row in published() if isinstance(found := resolve(study, row, LIBRARY), LeftOut)
    ]
    assert reasons
    assert all(": " in reason for reason in reasons)


def test_bytes_that_stay_in_the_cache_do_not_judge(tmp_path: Path) -> None:
    """Three passes write scores and numerators, of 2 B: of 16 x 8 x 256 x 256 34 MB, of 8 x 4096 x 4096 537 MB; L2 has 60."""
    text = PASSES.replace("tokens: 2048", "tokens: 4096").replace("heads: 2", "heads: 8")
    text = text.replace("[512, 1024]", "[256, 4096]").replace('measured: ["*.csv"]', "")
    (tmp_path / "passes.yaml").write_text(text, encoding="utf-8")
    rows = read(run_file(tmp_path / "passes.yaml", tmp_path / "out") / "passes.csv")
    apart = {(row["backend"], row["length"]): bool(row["apart"]) for row in rows}

    assert apart == {
        ("3-pass", "256"): True, ("3-pass", "4096"): False, ("1-pass", "256"): False, ("1-pass", "4096"): False,
    }  # fmt: skip


def test_passes_beside_measurements(tmp_path: Path) -> None:
    """Each pass moves more than the bound; a file of measurements fills its columns for the study's shape only."""
    (tmp_path / "passes.yaml").write_text(PASSES, encoding="utf-8")
    head = "status,backend,dtype,direction,causal,heads,seqlen_q,seqlen_kv,head_dim,latency_s,dram_read_B,dram_write_B\n"
    right = "ok,3-pass,fp16,fwd,0,2,512,512,64,1e-3,1e6,2e6\n"
    wrong = "ok,3-pass,fp16,fwd,1,2,1024,1024,64,1e-3,1e6,2e6\n"
    (tmp_path / "mine.csv").write_text(head + right + wrong, encoding="utf-8")
    rows = read(run_file(tmp_path / "passes.yaml", tmp_path / "out") / "passes.csv")
    assert [("3-pass", "512", "3000000.0"), ("3-pass", "1024", "")] == [
        (row["backend"], row["length"], row["measured_B"]) for row in rows[:2]
    ]
    for row in rows:
        assert float(row["compulsory_B"]) <= float(row["bound_B"]) <= float(row["predicted_B"])
    assert ["3", "3", "1", "1"] == [row["passes"] for row in rows]


def test_bins_and_quantiles() -> None:
    """Bins hold their upper end; quantiles are straight between neighbours."""
    assert ["≤1K", "≤4K", ">16K"] == [length_bin(length) for length in (1024, 1025, 16385)]
    assert quantile([1.0, 3.0], 0.5) == 2.0


def test_a_study_in_which_no_row_judges_says_why(tmp_path: Path) -> None:
    """A kernel without a mapping: nothing is written, and the reasons are told."""
    text = (STUDIES / "gpu.yaml").read_text(encoding="utf-8")
    start = text.index("kernels:")
    path = tmp_path / "gpu.yaml"
    unfitted = next(line for line in text.splitlines(keepends=True) if line.startswith("unfitted:"))
    path.write_text(
        text[:start].replace(unfitted, "") + "kernels:\n- {kernel: none, forward: flash2}\n", encoding="utf-8"
    )
    (tmp_path / "gpu").mkdir()
    lines = (STUDIES / "gpu" / "published.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "gpu" / "published.csv").write_text("".join(lines[:3]), encoding="utf-8")
    for step in (lambda: check_file(path), lambda: run_file(path, tmp_path / "out")):
        with pytest.raises(
            FusemaxError, match=r"gpu\.yaml:\d+:\d+: published: no row of it judges a prediction"
        ) as caught:
            step()
        assert "no mapping for kernel flash2 at bf16" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_holds_for_no_row_is_noted(tmp_path: Path) -> None:
    """A kernel, a card, an implementation and a source that the table lacks: no mistake, as tables are cut down, but told."""
    (tmp_path / "rows.csv").write_text(
        (STUDIES / "gpu" / "published.csv").read_text(encoding="utf-8").split("\n")[0]
        + "\nours,mykernel,v1,bf16,fwd,1,2,32,8,4096,4096,128,128,0,0,,0.62,none,test,,,,our bench.py\n",
        encoding="utf-8",
    )
    entry = "{source: %s, implementations: [%s], forward: 1 us, backward: 1 us, because: b}"
    text = f"""kind: gpu
title: t
source: s
published: rows.csv
machines: {{ours: h200}}
forward: {{all: attention, causal: grouped/causal, window: grouped/window}}
backward: {{all: grouped/backward, causal: grouped/backward-causal, window: grouped/backward-window}}
decode: grouped/split-k
kernels:
- {{kernel: mykernal, forward: flash3}}
- {{kernel: mykernel, forward: flash3}}
- {{kernel: mykernel, dtypes: [fp8], forward: flash3}}
- {{kernel: mykernel, forward: flash3}}
not_fitted: [{{gpu: other, because: b}}, {{source: bench.py, because: b}}]
host:
- {entry % ("our bench", "v1, v2")}
- {entry % ("your bench", "v1")}
"""
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")

    kind, notes = checked(path)

    assert kind == "study, gpu"
    assert [note.removeprefix(f"{path}:") for note in notes] == [
        "10:3: no published row takes this entry of mykernal: none is of kernel mykernal (did you mean 'mykernel'?)",
        "12:3: no published row takes this entry of mykernel",
        "13:3: this entry of mykernel stands there twice: the first one counts",
        "14:14: no published row is of other",
        "16:45: no published row of this source is of v2",
        "17:3: no published row is of your bench (did you mean 'our bench.py'?)",
    ]


def test_names_that_stand_for_nothing_are_told_at_once(tmp_path: Path) -> None:
    """Machines, cascades, mappings and number formats, each with its place; ``check`` says the same."""
    text = (STUDIES / "gpu.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("H200: h200", "H200: h201"),
        ("all: attention", "all: attenton"),
        ("forward: flash2\n", "forward: flsh2\n"),
        ("dtypes: [fp8], forward: flash3-fp8", "dtypes: [fp9], forward: flash3-fp8"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "gpu.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        check_file(path)
    said = [problem.text for problem in caught.value.problems]
    places = {"machines.H200", "forward.all", "kernels.0.forward", "kernels.1.dtypes.0"}
    assert places <= {text.partition(":")[0] for text in said}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lengths: [512, 1024]", "lengths: []", "lengths: expected at least 1, got"),
        (
            "lengths: [512, 1024]",
            "lengths: [512, 1000]",
            "2048 tokens are no whole number of sequences of 1000",
        ),
        ("heads: 2", "heads: 0", "heads: expected at least 1, got 0"),
        ("dtype: fp16", "dtype: fp9", "number format 'fp9' is not known"),
        ('measured: ["*.csv"]', "measured: [nope.csv]", "nope.csv: cannot be read"),
        ('measured: ["*.csv"]', "measured: [.]", "cannot be read"),
    ],
)
def test_mistakes_of_a_study_of_passes(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Sizes that are none, lengths that do not divide the tokens, files that are not there."""
    path = tmp_path / "passes.yaml"
    path.write_text(PASSES.replace(old, new), encoding="utf-8")
    with pytest.raises(FusemaxError, match=message):
        run_file(path, tmp_path / "out")


def test_an_unknown_kind_of_study_is_no_study(tmp_path: Path) -> None:
    """``fusemax check`` names the kinds."""
    path = tmp_path / "k.yaml"
    path.write_text("kind: sweeep\n", encoding="utf-8")
    with pytest.raises(FusemaxError, match="unknown kind of study 'sweeep'; there are: audit, sweep"):
        check_file(path)
