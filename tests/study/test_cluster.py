"""A real Dask cluster on this machine: a scheduler and two workers, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from fusemax import FusemaxError
from fusemax.study.stream import Options, run_jobs
from tests.study.test_stream import COMMAND, STUDY, plan_of

CHUNK = "4000"


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def dask(*arguments: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a program of Dask that listens on the loopback only."""
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], cwd=folder, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Stop a process and the ones that it started."""
    if process.poll() is None:
        os.killpg(process.pid, how)
        process.wait(20)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Yield the address of a scheduler and its two workers."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = dask(
        "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", folder=tmp_path
    )
    alone = ("--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
    workers = [
        dask("worker", address, *alone, "--local-directory", str(tmp_path / f"w{n}"), folder=tmp_path)
        for n in range(2)
    ]
    try:
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            stop(process, signal.SIGTERM)


@pytest.mark.slow
def test_a_worker_that_dies_loses_nothing(cluster, tmp_path: Path):
    """The table is that of a run on threads, byte for byte."""
    address, workers = cluster
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.replace("steps: 40", "steps: 4000"), encoding="utf-8")
    whole, out = tmp_path / "whole", tmp_path / "out"
    expected, _ = run_jobs(plan_of(study), whole, Options(chunk_points=int(CHUNK)))
    run = subprocess.Popen(
        [*COMMAND, str(study), "--out", str(out), "--chunk", CHUNK, "--cluster", address],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list((out / "chunks").glob("*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.002)
    done = len(list((out / "chunks").glob("*.parquet")))
    stop(workers[0], signal.SIGKILL)
    _, said = run.communicate(timeout=120)
    assert 0 == run.returncode, said.decode()
    assert 3 <= done < 60
    assert expected.read_bytes() == (out / "results.parquet").read_bytes()


@pytest.mark.slow
def test_worker_processes_of_this_machine(tmp_path: Path):
    """--workers starts a cluster, uses it and stops it; the table is the same."""
    study = tmp_path / "study.yaml"
    study.write_text(STUDY, encoding="utf-8")
    expected, _ = run_jobs(plan_of(study), tmp_path / "whole", Options(chunk_points=100))
    options = ("--chunk", "100", "--workers", "2")
    subprocess.run([*COMMAND, str(study), "--out", str(tmp_path / "out"), *options], check=True, timeout=120)
    assert expected.read_bytes() == (tmp_path / "out/results.parquet").read_bytes()


@pytest.mark.slow
def test_no_scheduler_is_said_in_words(tmp_path: Path, monkeypatch):
    """An address where nothing listens is an error with a way out."""
    study = tmp_path / "study.yaml"
    study.write_text(STUDY, encoding="utf-8")
    monkeypatch.setattr("fusemax.study.cluster.CONNECT_S", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(
        FusemaxError, match=r"no scheduler answers there[\s\S]*hint: start one with 'dask scheduler'"
    ):
        run_jobs(plan_of(study), tmp_path / "out", Options(cluster=address))
