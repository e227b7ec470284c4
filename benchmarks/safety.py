"""Kill runs, flip bits, let runs meet in one folder and change the code: the table is right in the end, or the run says no.

Each case compares with the table of an undisturbed run, byte for byte. ``python benchmarks/safety.py kills --count 100``,
``... flips --count 300``, ``... pairs --count 50``, ``... code --count 5``, ``... signals``, ``... cluster``,
``... readonly``; each prints how often what happened.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

STUDY = """kind: sweep
title: small
source: none
parts:
- name: designs
  sizes: {B: 1, H: 2, E: 64, F: 64, M: 4096, P: M}
  grid:
    L3.size: {from: 128 KiB, to: 2 MiB, steps: 15, scale: log}
    clock: {from: 500 MHz, to: 1 GHz, steps: 40}
  configurations:
    FuseMax: {machine: fusemax, mapping: fusemax}
    one tile: {machine: fusemax, mapping: one-tile}
"""
KEPT: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "front": ("--pareto", "latency,energy,area"),
    "best": ("--top", "50", "--by", "latency"),
    "workers": ("--workers", "2"),
}
#: What is said of a run that went wrong.
WRONG = ("WRONG", "TRACEBACK", "FILES LEFT", "STAY", "HANGS", "HINT")
CODE = "from fusemax.cli import main; main()"


def command(study: Path, out: Path, *options: str) -> list[str]:
    """Return the command line of a run in chunks of 40 points."""
    return [sys.executable, "-c", CODE, "run", str(study), "--out", str(out), "--chunk", "40", *options]


def run(
    study: Path, out: Path, *options: str, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Return the exit status of a run and what it said of mistakes."""
    done = subprocess.run(
        command(study, out, *options), cwd=study.parent, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    return done.returncode, done.stderr


def table(out: Path) -> bytes:
    """Return the bytes of the table in *out*; none where there is no table."""
    path = out / "results.parquet"
    return path.read_bytes() if path.exists() else b""


def strange(out: Path) -> list[str]:
    """Return files that a finished run should not have left: drafts and chunks."""
    return [p.name for p in out.rglob("*") if p.name.endswith(".part") or p.parent.name == "chunks"]


def judged(out: Path, expected: bytes, status: int, said: str) -> str:
    """Return in a word or two how a run ended that was to finish what stands in *out*."""
    if "Traceback" in said:
        return "TRACEBACK"
    if status:
        return "said no"
    if table(out) != expected:
        return "WRONG TABLE"
    return "FILES LEFT" if strange(out) else "right"


# --- what is tried


def kills(folder: Path, study: Path, dice: random.Random, number: int) -> str:
    """Kill a run at a random moment, once or twice, and go on; one in ten has worker processes."""
    kind = "workers" if number % 10 == 9 else [kind for kind in KEPT if kind != "workers"][number % 3]
    whole, out = folder / f"whole-{kind}", folder / "out"
    if not table(whole):
        start_s = time.perf_counter()
        status, said = _finished(study, whole, kind, resume=False)
        assert status == 0, said
        (folder / f"took-{kind}").write_text(str(time.perf_counter() - start_s))
    longest_s = float((folder / f"took-{kind}").read_text())
    for again in range(dice.randrange(1, 3)):
        late = dice.random() < 0.3  # in the last phase, when the table is put together
        after_s = longest_s * (dice.uniform(0.7, 1.0) if late else dice.uniform(0.05, 1.0))
        _killed(study, out, kind, after_s, resume=bool(again))
    status, said = _finished(study, out, kind, resume=True)
    return f"{kind}: {judged(out, table(whole), status, said)}"


def _process(study: Path, out: Path, kind: str, resume: bool) -> Any:
    """Return a process that runs the study, started from one that has fusemax loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fusemax.cli.run", "fusemax.study.kinds.sweep", "fusemax.cost.front"])
    return context.Process(target=_in_process, args=(study, out, kind, resume))


def _in_process(study: Path, out: Path, kind: str, resume: bool) -> None:
    from fusemax.cli import main as fusemax

    os.setpgrp()
    said = out.with_name(f"{out.name}.said")
    with said.open("w", encoding="utf-8") as errors, open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stderr, sys.stdout = errors, nowhere
        sys.argv = ["fusemax", *command(study, out, *KEPT[kind], *(["--resume"] if resume else []))[3:]]
        fusemax()


def _finished(study: Path, out: Path, kind: str, resume: bool) -> tuple[int, str]:
    if kind == "workers":
        return run(study, out, *KEPT[kind], *(["--resume"] if resume else []))
    process = _process(study, out, kind, resume)
    process.start()
    process.join(120)
    return process.exitcode, out.with_name(f"{out.name}.said").read_text(encoding="utf-8")


def _killed(study: Path, out: Path, kind: str, after_s: float, resume: bool) -> None:
    """Run, and kill the process with all that it started after so many seconds."""
    if kind == "workers":
        options = (*KEPT[kind], *(["--resume"] if resume else []))
        started = subprocess.Popen(
            command(study, out, *options), cwd=study.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(after_s)
        os.killpg(started.pid, 9)
        started.wait()
        return
    process = _process(study, out, kind, resume)
    process.start()
    time.sleep(after_s)
    process.kill()
    process.join()


def _half(study: Path, out: Path, dice: random.Random) -> None:
    """Leave a run of *study* in *out* that was killed in the middle."""
    while True:
        shutil.rmtree(out, ignore_errors=True)
        process = subprocess.Popen(command(study, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = dice.randrange(3, 20)
        while process.poll() is None and len(list(out.glob("chunks/*.json"))) < wanted:
            time.sleep(0.001)
        process.kill()
        process.wait()
        if list(out.glob("chunks/*.parquet")):
            return


def flips(folder: Path, study: Path, dice: random.Random, number: int) -> str:
    """Flip one bit of a chunk, of its mark or of the manifest, and go on, all in this process."""
    from fusemax.errors import FusemaxError
    from fusemax.study.execute.stream import Options, run_jobs
    from fusemax.study.load import load_study
    from fusemax.study.plan.whole import planned

    whole, out, half = folder / "whole", folder / "out", folder / "half"
    file, document, _ = load_study(str(study))
    plan = planned(file, document, name=study.stem)
    if not table(whole):
        run_jobs(plan, whole, Options(chunk_points=40))
    if number % 25 == 0:
        shutil.rmtree(half, ignore_errors=True)
        with contextlib.suppress(KeyboardInterrupt):
            run_jobs(plan, half, Options(chunk_points=40), _stop_after(dice.randrange(100, 1100)))
    shutil.copytree(half, out)
    victim = dice.choice([p for p in sorted((out / "chunks").iterdir()) if not p.name.startswith(".")])
    content = bytearray(victim.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    victim.write_bytes(content)
    kind = victim.name if victim.name == "manifest.json" else victim.suffix
    try:
        run_jobs(plan, out, Options(chunk_points=40, resume=True))
    except FusemaxError as error:
        return f"{kind}: {judged(out, table(whole), 1, str(error))}"
    return f"{kind}: {judged(out, table(whole), 0, '')}"


def _stop_after(points: int) -> Callable[[Any], None]:
    def report(progress: Any) -> None:
        if progress.points_done >= points:
            raise KeyboardInterrupt

    return report


def pairs(folder: Path, study: Path, dice: random.Random, number: int) -> str:
    """Start two runs in one folder, the second a little later."""
    del number
    whole, out = folder / "whole", folder / "out"
    if not table(whole):
        run(study, whole)
    start = [
        subprocess.Popen(command(study, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ]
    time.sleep(dice.uniform(0, 0.5))
    start.append(
        subprocess.Popen(command(study, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    )
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in start]
    if any("Traceback" in said for said, _ in ends):
        return "TRACEBACK"
    finished = sum(status == 0 for _, status in ends)
    told = sum("is writing here" in said or "an unfinished run stands here" in said for said, _ in ends)
    if table(out) != table(whole) or strange(out):
        return f"WRONG: {finished} finished, {told} refused"
    return f"right: {finished} finished, {told} refused"


def code(folder: Path, study: Path, dice: random.Random, number: int) -> str:
    """Stop a run, change one file of fusemax, and go on with that one."""
    del number
    out, other = folder / "out", folder / "other"
    shutil.rmtree(other, ignore_errors=True)
    _half(study, out, dice)
    import fusemax

    home = Path(fusemax.__file__).parent.parent
    for name in ("fusemax", "einsums", "arch", "studies"):
        shutil.copytree(home / name, other / name)
    changed = dice.choice(sorted((other / "fusemax/cost").glob("*.py")))
    changed.write_text(changed.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    status, said = run(study, out, "--resume", environment={"PYTHONPATH": str(other)})
    if status and "the code of fusemax" in said:
        return "said no: the code changed"
    return f"WRONG: {said[-200:]}"


CASES: Mapping[str, Callable[[Path, Path, random.Random, int], str]] = {
    "kills": kills, "flips": flips, "pairs": pairs, "code": code,
}  # fmt: skip


def more() -> Mapping[str, Callable[[Path, Path, random.Random, int], str]]:
    """Return what ``disturbances.py`` tries."""
    from disturbances import MORE

    return MORE


def disturbed(case: str, count: int, seed: int, seconds: float, tally: Path | None = None) -> Counter[str]:
    """Return how often what happened in *count* trials of *case*; the file *tally* keeps the counts, to go on from."""
    found: Counter[str] = Counter()
    if tally is not None and tally.exists():
        found.update(json.loads(tally.read_text(encoding="utf-8")))
    end_s = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = folder / "study.yaml"
        study.write_text(STUDY, encoding="utf-8")
        for number in range(sum(found.values()), count):
            dice = random.Random(f"{case} {seed} {number}")
            shutil.rmtree(folder / "out", ignore_errors=True)
            found[({**CASES, **more()})[case](folder, study, dice, number)] += 1
            if tally is not None:
                tally.write_text(json.dumps(found), encoding="utf-8")
            if time.monotonic() > end_s:
                break
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the counts; end with 1 when a table was wrong or something was left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=[*CASES, *more()])
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no trial after so long")
    parser.add_argument("--tally", type=Path, help="a file that keeps the counts, to go on from")
    given = parser.parse_args(arguments)
    found = disturbed(given.case, given.count, given.seed, given.seconds, given.tally)
    print(
        f"{sum(found.values())} {given.case}: "
        + "; ".join(f"{n} {what}" for what, n in sorted(found.items()))
    )
    sys.exit(any(word in what for what in found for word in WRONG))


if __name__ == "__main__":
    main()
