"""A real Dask cluster on this machine: a scheduler and two workers, one of which is killed in the middle."""

from __future__ import annotations

import os
import shutil
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
from fusemax.study.execute.stream import Options, run_jobs
from tests.study.test_stream import COMMAND, STUDY, plan_of

CHUNK = "4000"


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def dask(*arguments: str, folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a program of Dask that listens on the loopback only."""
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], cwd=folder, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **environment},
    )  # fmt: skip


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Stop a process and the ones that it started."""
    if process.poll() is None:
        os.killpg(process.pid, how)
        process.wait(20)


def started(address: str, folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a worker with one thread for the scheduler at *address*."""
    alone = ("--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
    return dask(
        "worker", address, *alone, "--local-directory", str(folder / "w"), folder=folder, **environment
    )


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield the address of a scheduler without workers, and its process."""
    port = free_port()
    process = dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", folder=tmp_path)
    try:
        yield f"tcp://127.0.0.1:{port}", process
    finally:
        stop(process, signal.SIGTERM)


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
    for out, options in (("whole", ()), ("out", ("--workers", "2"))):
        command = [*COMMAND, str(study), "--out", str(tmp_path / out), "--chunk", "100", *options]
        subprocess.run(command, check=True, timeout=120)
    assert (tmp_path / "whole/results.parquet").read_bytes() == (
        tmp_path / "out/results.parquet"
    ).read_bytes()


@pytest.mark.slow
def test_no_scheduler_is_said_in_words(tmp_path: Path, monkeypatch):
    """An address where nothing listens is an error with a way out."""
    study = tmp_path / "study.yaml"
    study.write_text(STUDY, encoding="utf-8")
    monkeypatch.setattr("fusemax.study.execute.cluster.CONNECT_S", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(
        FusemaxError, match=r"no scheduler answers there[\s\S]*hint: start one with 'dask scheduler'"
    ):
        run_jobs(plan_of(study), tmp_path / "out", Options(cluster=address))


def large(tmp_path: Path) -> Path:
    """Return the file of a study that takes some seconds."""
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.replace("steps: 40", "steps: 4000"), encoding="utf-8")
    return study


def begun(out: Path, process: subprocess.Popen[str], chunks: int = 3) -> None:
    """Wait until a run has finished some chunks."""
    deadline = time.monotonic() + 90
    while len(list((out / "chunks").glob("*.json"))) <= chunks and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def run_with(study: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    """Start a run in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [*COMMAND, str(study), "--out", str(out), "--chunk", "1000", *options], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def ends(group: int) -> bool:
    """Return whether all processes of *group* end within 20 s."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_a_killed_scheduler_is_said_in_words(scheduler, tmp_path: Path):
    """The run ends within a minute with what to do, and prints nothing of Dask's."""
    address, process = scheduler
    worker = started(address, tmp_path)
    out = tmp_path / "out"
    run = run_with(large(tmp_path), out, "--cluster", address)
    try:
        begun(out, run)
        stop(process, signal.SIGKILL)
        _, said = run.communicate(timeout=60)
    finally:
        stop(worker, signal.SIGKILL)
    assert 1 == run.returncode
    assert f"the scheduler {address} is gone" in said
    assert said.rstrip().endswith("--resume goes on with it")
    assert 2 == len(said.strip().splitlines()), said


@pytest.mark.slow
def test_no_workers_are_said_in_words(scheduler, tmp_path: Path, monkeypatch):
    """A scheduler alone does nothing: after a while the run says so."""
    monkeypatch.setattr("fusemax.study.execute.scheduler.WORKERS_S", 1)
    study = tmp_path / "study.yaml"
    study.write_text(STUDY, encoding="utf-8")
    with pytest.raises(FusemaxError, match=r"has had no worker for 1 s\n  hint: start some"):
        run_jobs(plan_of(study), tmp_path / "out", Options(cluster=scheduler[0]))


@pytest.mark.slow
def test_workers_that_do_not_see_the_folder(scheduler, tmp_path: Path, monkeypatch):
    """What the run wrote is not there for the worker: it says that the folder has to be shared."""
    monkeypatch.setattr("fusemax.study.execute.cluster.write_bytes", lambda path, content: None)
    study = tmp_path / "study.yaml"
    study.write_text(STUDY, encoding="utf-8")
    worker = started(scheduler[0], tmp_path)
    try:
        with pytest.raises(FusemaxError, match=r"a worker cannot read it\n  hint: --out has to be a folder"):
            run_jobs(plan_of(study), tmp_path / "out", Options(cluster=scheduler[0]))
    finally:
        stop(worker, signal.SIGKILL)


@pytest.mark.slow
def test_workers_with_other_code(scheduler, tmp_path: Path):
    """A worker whose fusemax differs in one line is refused."""
    home = Path(__file__).parents[2]
    other = tmp_path / "other"
    for name in ("fusemax", "einsums", "arch", "studies"):
        shutil.copytree(home / name, other / name)
    changed = other / "fusemax/cost/band.py"
    changed.write_text(changed.read_text(encoding="utf-8") + "\n# another line\n", encoding="utf-8")
    study = tmp_path / "study.yaml"
    study.write_text(STUDY, encoding="utf-8")
    worker = started(scheduler[0], tmp_path, PYTHONPATH=str(other))
    try:
        with pytest.raises(FusemaxError, match=r"a worker has another fusemax[\s\S]*hint: install the same"):
            run_jobs(plan_of(study), tmp_path / "out", Options(cluster=scheduler[0]))
    finally:
        stop(worker, signal.SIGKILL)


@pytest.mark.slow
def test_an_interrupt_ends_worker_processes_quietly(tmp_path: Path):
    """Ctrl-C reaches every process of the terminal: nothing of Dask's is printed, and no process stays."""
    out = tmp_path / "out"
    run = run_with(large(tmp_path), out, "--workers", "2")
    begun(out, run)
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert 130 == run.returncode
    assert said.strip() in ("", "stopped")
    assert ends(run.pid)
