"""The measuring harness on the CPU: rows, resumption, the time budget, and what it says when it cannot run."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from fusemax.cli import main
from fusemax.errors import FusemaxError
from fusemax.gpu import timing
from fusemax.gpu.rows import COLUMNS

SMALL = """\
title: A grid for tests
blocks:
- name: one length
  backends: [math]
  dtype: fp32
  direction: [fwd, bwd, fwd+bwd]
  causal: [true]
  batch: 1
  heads: [[2, 1]]
  head_dim: 16
  seqlen: 32
- name: what a CPU does not have
  backends: [flash]
  tokens: 32
  heads: [1]
  head_dim: 16
  seqlen: 32
"""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each point take a few milliseconds: the times themselves are not looked at here."""
    monkeypatch.setattr(timing, "WARM_UP_S", 0.0)
    monkeypatch.setattr(timing, "MEASURE_S", 0.002)


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Return a small grid: three points for the math backend and one for a backend that needs CUDA."""
    path = tmp_path / "grid.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def _need_torch() -> None:
    """Skip without torch; hold it to one thread, so that tests side by side do not wait for one another."""
    pytest.importorskip("torch").set_num_threads(1)


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_rows_of_a_run(grid: Path, tmp_path: Path) -> None:
    """One row per ceiling and point, in order, each timed, checked against float64, and with provenance."""
    _need_torch()
    from fusemax.gpu.measure import measure

    out = tmp_path / "rows.csv"
    labels: list[str] = []
    summary = measure(out, grid=grid, device="cpu", watch=lambda progress: labels.append(progress.label))
    rows = _rows(out)
    assert ["copy", "matmul", *["attention"] * 4] == [row["kind"] for row in rows]
    assert labels == [row["point"] for row in rows[2:]]
    assert ["ok"] * 5 + ["refused"] == [row["status"] for row in rows]
    assert rows[-1]["reason"] == "runs on cuda only"
    assert (5, 1, 0, 0, 0) == (summary.ok, summary.refused, summary.wrong, summary.already, summary.left)
    for row in rows[:-1]:
        assert 0 < float(row["latency_p10_s"]) <= float(row["latency_s"]) <= float(row["latency_p90_s"])
        assert row["torch"]
        assert row["date"].endswith("+00:00")
    for row, products in zip(rows[2:5], (2, 5, 7), strict=True):
        assert products * 2 * 2 * (32 * 32 / 2) * 16 == float(row["work_FLOP"])
        assert float(row["error"]) <= float(row["tolerance"])
    assert ["out", "out dq dk dv", "out dq dk dv"] == [row["compared"] for row in rows[2:5]]


def test_resumption(grid: Path, tmp_path: Path) -> None:
    """A second run adds nothing; after a kill in the middle of a row that row alone is measured again."""
    _need_torch()
    from fusemax.gpu.measure import measure

    out = tmp_path / "rows.csv"
    measure(out, grid=grid, device="cpu")
    first = out.read_bytes()
    again = measure(out, grid=grid, device="cpu")
    assert first == out.read_bytes()
    assert (0, 6) == (again.ok, again.already)
    out.write_bytes(first[:-10])
    mended = measure(out, grid=grid, device="cpu")
    assert mended.torn
    assert (0, 1, 5) == (mended.ok, mended.refused, mended.already)
    assert [row["point"] for row in csv.DictReader(first.decode().splitlines())] == [
        row["point"] for row in _rows(out)
    ]


def test_time_budget(grid: Path, tmp_path: Path) -> None:
    """No point begins once time is up, and the same command goes on with those left over."""
    _need_torch()
    from fusemax.gpu.measure import measure

    out, ticks = tmp_path / "rows.csv", iter(range(1000))
    summary = measure(out, grid=grid, device="cpu", budget_s=3.5, clock=lambda: float(next(ticks)))
    done = summary.ok + summary.refused
    assert 0 < done < 6
    assert 6 - done == summary.left
    rest = measure(out, grid=grid, device="cpu")
    assert (6 - done, done, 0) == (rest.ok + rest.refused, rest.already, 0)
    assert len(_rows(out)) == 6


def test_wrong_results_are_told(grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that computes something else, here without the mask, is marked wrong."""
    _need_torch()
    from dataclasses import replace

    from fusemax.gpu import backends
    from fusemax.gpu.measure import measure

    honest = backends.BACKENDS["math"]
    unmasked = replace(honest, prepare=lambda q, k, v, causal: honest.prepare(q, k, v, False))
    monkeypatch.setitem(backends.BACKENDS, "math", unmasked)  # type: ignore[arg-type]
    out = tmp_path / "rows.csv"
    assert measure(out, grid=grid, device="cpu").wrong == 3
    assert ["wrong"] * 3 == [row["status"] for row in _rows(out)[2:5]]


def test_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says what to install, leaves no file and ends with 1."""
    monkeypatch.setitem(sys.modules, "torch", None)
    out = tmp_path / "rows.csv"
    monkeypatch.setattr(sys, "argv", ["fusemax", "gpu", "measure", "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("measuring needs torch, which is not installed (")
    assert told.endswith("\n  hint: pip install 'fusemax[gpu]'\n")
    assert not out.exists()


class _NoCuda:
    """A stand-in for torch on a machine without a GPU."""

    __version__ = "2.9.1+cpu"

    class version:  # noqa: N801 - as torch spells it
        """The build."""

        cuda = None

    class cuda:  # noqa: N801 - as torch spells it
        """The device, which is not there."""

        @staticmethod
        def is_available() -> bool:
            """Return that there is none."""
            return False


def test_without_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a GPU the command says so, points to --device cpu, leaves no file and ends with 1."""
    monkeypatch.setitem(sys.modules, "torch", _NoCuda)  # type: ignore[arg-type]
    out = tmp_path / "rows.csv"
    monkeypatch.setattr(sys, "argv", ["fusemax", "gpu", "measure", "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert (
        "no CUDA device: torch 2.9.1+cpu is built without CUDA\n"
        "  hint: --device cpu runs the same harness with the math backend on small shapes\n"
    ) == capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("content", ["name,value\n1,2\n", "no rows at all", ",".join(COLUMNS) + "\na,b\n"])
def test_a_file_of_something_else_is_left_alone(content: str, tmp_path: Path) -> None:
    """A file that is not ours is refused, and not a byte of it changes."""
    from fusemax.gpu.rows import RowFile

    out = tmp_path / "mine.csv"
    out.write_text(content, encoding="utf-8")
    with pytest.raises(FusemaxError):
        RowFile(out).open()
    assert content == out.read_text(encoding="utf-8")
