"""What stands in the folder of a run is what that run wrote, or it is noticed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars
import pytest

from fusemax import FusemaxError
from fusemax.files import locked, remove_drafts
from fusemax.study.execute.stream import Options, run_jobs
from fusemax.study.jobs.keep import Keep
from fusemax.study.load import load_study
from fusemax.study.plan.whole import planned

STUDY = """kind: sweep
title: small
source: none
parts:
- name: designs
  sizes: {B: 1, H: 2, E: 64, F: 64, M: 4096, P: M}
  grid: {L3.size: {from: 128 KiB, to: 2 MiB, steps: 30, scale: log}, clock: {from: 500 MHz, to: 1 GHz, steps: 20}}
  configurations: {FuseMax: {machine: fusemax, mapping: fusemax}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of 600 points."""
    path = tmp_path / "small.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def run(path: Path, out: Path, keep: Keep | None = None, **options) -> bytes:
    """The bytes of the final table."""
    file, document, _ = load_study(str(path))
    target, _ = run_jobs(
        planned(file, document, keep, most_whole=0), out, Options(chunk_points=50, **options)
    )
    return target.read_bytes()


def interrupted(path: Path, out: Path, after: int = 300) -> None:
    """Stop a run after some points."""

    def report(progress) -> None:
        if progress.points_done >= after:
            raise KeyboardInterrupt

    file, document, _ = load_study(str(path))
    with pytest.raises(KeyboardInterrupt):
        run_jobs(planned(file, document, most_whole=0), out, Options(chunk_points=50), report)


def test_single_bits(study: Path, tmp_path: Path):
    """A bit turned anywhere in a chunk or its mark does not reach the table."""
    expected = run(study, tmp_path / "whole")
    source = random.Random(5)
    for number in range(12):
        out = tmp_path / f"out{number}"
        interrupted(study, out)
        files = sorted(p for p in (out / "chunks").iterdir() if p.name[0].isdigit())
        victim = source.choice(files)
        content = bytearray(victim.read_bytes())
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)
        victim.write_bytes(content)
        assert expected == run(study, out, resume=True)


def test_swapped_chunks(study: Path, tmp_path: Path):
    """A chunk under the name of another is not taken for it, with its mark or without."""
    expected = run(study, tmp_path / "whole")
    for endings in (("parquet",), ("parquet", "json")):
        out = tmp_path / f"out{len(endings)}"
        interrupted(study, out)
        for ending in endings:
            first, second = (out / f"chunks/00000{n}.{ending}" for n in (0, 1))
            one, other = first.read_bytes(), second.read_bytes()
            first.write_bytes(other)
            second.write_bytes(one)
        assert expected == run(study, out, resume=True)


def test_changed_code(study: Path, tmp_path: Path, monkeypatch):
    """Chunks of other code are refused, though the version is the same."""
    interrupted(study, tmp_path / "out")
    monkeypatch.setattr("fusemax.study.execute.manifest.sources_digest", lambda: "other")
    with pytest.raises(FusemaxError, match="changed: the code of fusemax"):
        run(study, tmp_path / "out", resume=True)


def test_damage_before_the_table_is_written(study: Path, tmp_path: Path, monkeypatch):
    """What happens to a chunk while others are computed is noticed before the table is put together."""
    from fusemax.study.execute import stream

    expected = run(study, tmp_path / "whole")
    original = stream._made_again

    def damaged(plan, chunks, folder) -> None:
        folder.chunk_path(chunks[3]).write_bytes(b"nothing")
        original(plan, chunks, folder)

    monkeypatch.setattr(stream, "_made_again", damaged)
    assert expected == run(study, tmp_path / "out")


def test_a_broken_manifest(study: Path, tmp_path: Path):
    """Is told, and what stands there is kept until --fresh says otherwise."""
    out = tmp_path / "out"
    interrupted(study, out)
    (out / "chunks/manifest.json").write_text("{")
    kept = sorted(path.name for path in (out / "chunks").iterdir())
    with pytest.raises(FusemaxError, match=r"manifest\.json: cannot be read \(damaged\)"):
        run(study, out, resume=True)
    assert kept == sorted(path.name for path in (out / "chunks").iterdir())
    assert run(study, tmp_path / "whole") == run(study, out, fresh=True)


def test_files_of_somebody_else(study: Path, tmp_path: Path):
    """A folder called chunks that holds other things is left alone."""
    out = tmp_path / "out"
    (out / "chunks").mkdir(parents=True)
    (out / "chunks/thesis.txt").write_text("mine")
    with pytest.raises(FusemaxError, match=r"thesis\.txt is no file of a run"):
        run(study, out)
    with pytest.raises(FusemaxError, match=r"thesis\.txt is no file of a run"):
        run(study, out, fresh=True)
    assert (out / "chunks/thesis.txt").read_text() == "mine"


def test_a_front_beside_a_full_table(study: Path, tmp_path: Path):
    """The few points of a selection do not take the place of the table of all, unless that is asked for."""
    out = tmp_path / "out"
    full = run(study, out)
    front = Keep(kind="front", measures=("latency", "energy"))
    with pytest.raises(
        FusemaxError, match="a table of all points stands here, and this run keeps the front of latency"
    ):
        run(study, out, keep=front)
    assert full == (out / "results.parquet").read_bytes()
    run(study, out, keep=front, fresh=True)
    with pytest.raises(FusemaxError, match="a table of the front of latency, energy stands here"):
        run(study, out)


def test_one_run_at_a_time(study: Path, tmp_path: Path):
    """The second run says who holds the folder; when that one has ended, or was killed, the next goes on."""
    out = tmp_path / "out"
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time\nfrom pathlib import Path\nfrom fusemax.files import locked\n"
         "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)", str(out / ".fusemax.lock")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(FusemaxError, match=f"process {holder.pid} on .* is writing here"):
        run(study, out)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    run(study, out)
    assert not (out / ".fusemax.lock").exists()
    assert sorted(path.name for path in out.iterdir()) == ["results.csv", "results.parquet", "run.json"]


def test_locks_exclude_each_other(tmp_path: Path):
    """Of many that want the lock at once, one at a time has it, long enough for others to meet it."""
    inside, most, refused = [0], [0], [0]

    def work() -> None:
        for _ in range(50):
            try:
                with locked(tmp_path / "lock"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    time.sleep(0.001)
                    inside[0] -= 1
            except FusemaxError:
                refused[0] += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert refused[0] > 0


def test_drafts_of_killed_runs(study: Path, tmp_path: Path):
    """Half a file that a killed run left is gone after the next run; other hidden files, and those of who runs, stay."""
    out = tmp_path / "out"
    interrupted(study, out)
    for name in (
        ".results.parquet.99999999.part",
        ".report.html.99999999.part",
        f".breakdown.csv.{os.getppid()}.part",
        "chunks/.000001.parquet.99999999.part",
        ".other.99999999.part",
        ".mine",
    ):
        (out / name).write_text("x")
    run(study, out, resume=True)
    assert sorted(p.name for p in out.iterdir()) == [
        f".breakdown.csv.{os.getppid()}.part",
        ".mine",
        ".other.99999999.part",
        "results.csv",
        "results.parquet",
        "run.json",
    ]
    remove_drafts(out, lambda name: name == "other")
    assert not (out / ".other.99999999.part").exists()


def test_the_manifest_stays_beside_the_table(study: Path, tmp_path: Path):
    """A finished folder says what made it."""
    run(study, tmp_path / "out")
    said = json.loads((tmp_path / "out/run.json").read_text())
    assert {"fusemax", "code", "files", "jobs", "kept"} <= set(said)
    assert polars.read_parquet(tmp_path / "out/results.parquet").height == 600
