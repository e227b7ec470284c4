"""Runs that are stopped, changed, or have no room: what is finished stays, and the table is the same in the end."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars
import pytest

from fusemax import FusemaxError
from fusemax.study.execute.stream import Options, run_jobs
from fusemax.study.jobs.job import Planned
from fusemax.study.jobs.keep import Keep
from fusemax.study.load import load_study
from fusemax.study.plan.whole import planned

STUDY = """kind: sweep
title: small
source: none
parts:
- name: designs
  sizes: {B: 1, H: 2, E: 64, F: 64, P: M}
  grid:
    M: [1000, 4096]
    L3.size: {from: 32 KiB, to: 2 MiB, steps: 15, scale: log}
    clock: {from: 500 MHz, to: 1 GHz, steps: 40}
  configurations:
    FuseMax: {machine: fusemax, mapping: fusemax}
    one tile: {machine: fusemax, mapping: one-tile}
"""
COMMAND = (sys.executable, "-c", "from fusemax.cli import main; main()", "run")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return the file of a study of 2400 points."""
    path = tmp_path / "small.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def plan_of(path: Path, keep: Keep | None = None) -> Planned:
    """Return the plan of the study at *path*."""
    study, document, _ = load_study(str(path))
    return planned(study, document, keep, name=path.stem)


def table_of(path: Path, out: Path, **options) -> bytes:
    """Return the bytes of the final table of a run."""
    target, _ = run_jobs(plan_of(path), out, Options(chunk_points=100, **options))
    return target.read_bytes()


def stopped(path: Path, out: Path, after: int) -> None:
    """Run in this process and stop after some chunks, as an interrupt does."""

    def report(progress) -> None:
        if progress.points_done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(plan_of(path), out, Options(chunk_points=100), report)


def test_the_table_has_every_point_once(study: Path, tmp_path: Path):
    """Whatever the chunks, rows stand in the order of the study."""
    table_of(study, tmp_path / "a")
    table = polars.read_parquet(tmp_path / "a/results.parquet")
    assert 2400 == table.height
    first = table.select("M", "L3.size", "clock").head(1200)
    assert first.rows() == sorted(set(first.rows()))
    whole, _ = run_jobs(plan_of(study), tmp_path / "b", Options())
    assert table.equals(polars.read_parquet(whole))
    assert not (tmp_path / "a/chunks").exists()


def test_a_resumed_run_gives_the_same_bytes(study: Path, tmp_path: Path):
    """Chunks that are there are not computed again, and the final file is that of an undisturbed run."""
    expected = table_of(study, tmp_path / "whole")
    stopped(study, tmp_path / "out", after=900)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/chunks").glob("*.parquet")}
    assert len(files) >= 9
    seen = []
    target, counts = run_jobs(
        plan_of(study), tmp_path / "out", Options(chunk_points=100, resume=True), seen.append
    )
    assert seen[0].points_resumed >= 900
    assert 2400 == counts.points
    assert expected == target.read_bytes()


def test_half_a_chunk_is_computed_again(study: Path, tmp_path: Path):
    """A file that is no whole Parquet file is not trusted."""
    expected = table_of(study, tmp_path / "whole")
    stopped(study, tmp_path / "out", after=900)
    first = tmp_path / "out/chunks/000000.parquet"
    first.write_bytes(first.read_bytes()[:200])
    assert expected == table_of(study, tmp_path / "out", resume=True)


def test_another_run_is_refused(study: Path, tmp_path: Path):
    """An unfinished run is neither overwritten nor mixed with a changed study, unless that is asked for."""
    out = tmp_path / "out"
    stopped(study, out, after=900)
    with pytest.raises(FusemaxError, match="an unfinished run stands here\n  hint: --resume goes on"):
        table_of(study, out)
    study.write_text(STUDY.replace("steps: 40", "steps: 39"), encoding="utf-8")
    with pytest.raises(FusemaxError, match=r"changed: .*small\.yaml\n  hint: --fresh starts over"):
        table_of(study, out, resume=True)
    assert table_of(study, tmp_path / "whole") == table_of(study, out, fresh=True)


def test_another_version_is_refused(study: Path, tmp_path: Path, monkeypatch):
    """A run of one version of fusemax is not finished by another."""
    stopped(study, tmp_path / "out", after=900)
    monkeypatch.setattr("fusemax.__version__", "99.0")
    with pytest.raises(FusemaxError, match=r"changed: fusemax .* -> 99\.0"):
        table_of(study, tmp_path / "out", resume=True)


def test_fronts_do_not_depend_on_chunks(study: Path, tmp_path: Path):
    """The front of fronts is the front of all."""
    keep = Keep(kind="front", measures=("latency", "energy", "-utilization_1d"))
    tables = []
    for number, points in enumerate((64, 1000, None)):
        target, _ = run_jobs(plan_of(study, keep), tmp_path / str(number), Options(chunk_points=points))
        tables.append(target.read_bytes())
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_is_read_only(study: Path, tmp_path: Path):
    """Says which folder, why, and what to do."""
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    with pytest.raises(
        FusemaxError, match=r"out: cannot be written \(Permission denied\)\n  hint: make room"
    ):
        table_of(study, out)


def test_a_folder_that_is_a_file(study: Path, tmp_path: Path):
    """Says that a file is in its place."""
    (tmp_path / "out").write_text("")
    with pytest.raises(FusemaxError, match=r"out: no folder can be there, as a file is in its place"):
        table_of(study, tmp_path / "out")


def test_a_full_disk_leaves_what_is_finished(study: Path, tmp_path: Path):
    """Where no file can grow (the limit of a process stands for the disk), the error is clear and chunks stay whole."""
    expected = table_of(study, tmp_path / "whole")
    out = tmp_path / "out"
    stopped(study, out, after=900)
    before = {path.name: path.read_bytes() for path in (out / "chunks").glob("*.parquet")}
    limited = subprocess.run(
        [*COMMAND, str(study), "--out", str(out), "--chunk", "100", "--resume"], capture_output=True, text=True,
        check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert 1 == limited.returncode
    assert "cannot be written (File too large)\n  hint: make room" in limited.stderr
    assert "Traceback" not in limited.stderr
    after = {path.name: path.read_bytes() for path in (out / "chunks").glob("*.parquet")}
    assert before == after
    assert expected == table_of(study, out, resume=True)


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path: Path):
    """After kill -9 in the middle, --resume ends with the bytes of an undisturbed run."""
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.replace("steps: 40", "steps: 40000"), encoding="utf-8")
    whole, out = tmp_path / "whole", tmp_path / "out"
    options = ("--chunk", "50000")
    subprocess.run([*COMMAND, str(study), "--out", str(whole), *options], check=True, capture_output=True)
    process = subprocess.Popen([*COMMAND, str(study), "--out", str(out), *options], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list((out / "chunks").glob("*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list((out / "chunks").glob("*.parquet")))
    assert 3 <= done < 48
    again = [*COMMAND, str(study), "--out", str(out), *options, "--resume"]
    subprocess.run(again, check=True, capture_output=True)
    assert (whole / "results.parquet").read_bytes() == (out / "results.parquet").read_bytes()


def test_shipped_designs_have_a_front(tmp_path: Path):
    """The study of designs runs as it is shipped, with its figure; smaller arrays with less memory are on its front."""
    out = tmp_path / "designs"
    subprocess.run(
        [*COMMAND, "designs", "--out", str(out), "--pareto", "latency,energy,area"],
        check=True,
        capture_output=True,
    )
    table = polars.read_csv(out / "results.csv")
    assert table["area_m2"].min() == table.filter(polars.col("2d.rows") == 64)["area_m2"].min()
    shutil.rmtree(out)


FIGURE = """figures:
- {file: clocks, kind: scatter, x: clock, y: latency_s, series: configuration}
"""


def test_figures_of_a_grid_show_the_rows_that_fit(study: Path, tmp_path: Path, monkeypatch, capsys):
    """Figures and a report stand beside the table; a table too large is said, and a mistake is told before the run."""
    from fusemax.cli.run import run_into
    from fusemax.errors import FusemaxError
    from fusemax.study.kinds import sweep
    from fusemax.study.plan import whole as planned

    study.write_text(STUDY + FIGURE, encoding="utf-8")
    run_into(str(study), tmp_path / "out")
    left = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"clocks.svg", "clocks.png", "results.parquet", "report.html", "columns.json"} <= left
    assert "1 figure (SVG, PNG)" in capsys.readouterr().out
    monkeypatch.setattr(sweep, "DRAWN", 10)
    monkeypatch.setattr(planned, "WHOLE", 10)
    run_into(str(study), tmp_path / "large")
    assert "a figure takes 10" in capsys.readouterr().out
    assert not (tmp_path / "large" / "clocks.svg").exists()
    assert (tmp_path / "large" / "report.html").exists()
    study.write_text(STUDY + FIGURE.replace("x: clock", "z: clock"), encoding="utf-8")
    with pytest.raises(FusemaxError, match=r"figures\.0"):
        run_into(str(study), tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_the_screen_shows_whole_cells_and_the_time(study: Path, tmp_path: Path, capsys):
    """On eighty columns nothing is cut, and the time is always there."""
    from fusemax.cli.run import run_into

    run_into(str(study), tmp_path / "out")
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert all(name in shown for name in ("configuration", "clock", "latency_s"))
