"""Give fusemax mutated files, made-up command lines and odd values: none may end in a traceback, take more than 5 s, or 1 GB.

``python benchmarks/attack.py files --count 100000``, ``... commands --count 5000`` and ``... calls --count 5000`` say at the
end how many were tried and what each of them ended with; what fails is left in ``results/attack``. ``--seed N`` makes other
ones. The files are those of the shelves, changed by one to four mutations, some then written in another spelling of YAML;
they go through ``check``, and the commands that take such a file. Trials run in a scratch folder, and can change nothing
outside of it (``guard.py``). Calls are those of the Python interface. With ``--tally FILE`` the counts are kept there, and the
next call goes on where that one ended: a long attack may be made in pieces (``--seconds``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from calls import call, call_name
from guard import refuse_outside, trial_folder
from limits import TooSlowError, timed
from trials import FILE, SIZES, SWEEP, Trial, command_trial, file_trial, loaded_once, run_command, shelves

MOST_S, MOST_B = 5.0, 2**30
SEARCH_S = 12.0  #: more for a command without a mapping: what its help says that it searches for
BATCH = 200  #: trials of one process: what one leaves behind does not reach the next for long
SILENT_S = 60.0  #: the most between two signs of life: processor time is no measure of a process that sleeps


@dataclass(frozen=True, slots=True)
class Ended:
    """How a trial ended: ``ok``, ``said`` (a message), or what must not be: ``traceback``, ``slow``, ``memory``, ``gone``."""

    how: str
    text: str = ""
    took_s: float = 0.0


@dataclass(slots=True)
class Tally:
    """What was tried: how many of them ended how, the longest time of one, the most memory of a process."""

    found: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    @property
    def tried(self) -> int:
        """How many were tried."""
        return sum(self.found.values())

    @property
    def bad(self) -> int:
        """How many ended as they must not."""
        return sum(count for how, count in self.found.items() if how not in ("ok", "said"))

    @classmethod
    def read(cls, path: Path | None) -> Tally:
        """Return the tally in the file *path*; an empty one where there is none."""
        if path is None or not path.exists():
            return cls()
        held = json.loads(path.read_text(encoding="utf-8"))
        return cls(Counter(held["found"]), held["slowest_s"])

    def write(self, path: Path | None) -> None:
        """Keep the tally in the file *path*."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"found": self.found, "slowest_s": self.slowest_s}), encoding="utf-8")


# --- one trial


def trial_of(what: str, seed: str) -> Trial:
    """Return the trial that *seed* names."""
    if what == "files":
        return file_trial(Random(seed))
    return (
        command_trial(Random(seed))
        if what == "commands"
        else Trial((call_name(seed), seed), {FILE: SWEEP.encode()})
    )


def tried(what: str, trial: Trial, most_s: float = 0.0) -> Ended:
    """Return how *trial* ends in this process; it has *most_s*, or what suits it, of processor time."""
    start_s = time.process_time()
    with _inside(trial.files), timed(most_s or _allowed_s(trial.arguments)):
        try:
            ended = _called(trial) if what == "calls" else _commanded(trial)
        except TooSlowError:
            return Ended("slow", traceback.format_exc()[-3000:], time.process_time() - start_s)
        except MemoryError:
            return Ended("memory", traceback.format_exc()[-3000:], time.process_time() - start_s)
        except BaseException:
            return Ended("traceback", traceback.format_exc()[-3000:], time.process_time() - start_s)
    return Ended(ended.how, ended.text, time.process_time() - start_s)


def _commanded(trial: Trial) -> Ended:
    code, printed, said = run_command(trial.arguments)
    if "Traceback" in said or "this is a gap in fusemax" in said:
        return Ended("memory" if "memory" in said else "traceback", said[-3000:])
    if code not in (0, None) and not said.strip() and not printed.strip():
        return Ended("traceback", f"ended with {code} and said nothing")
    return Ended("ok" if code in (0, None) else "said", said[:300])


def _called(trial: Trial) -> Ended:
    from fusemax.errors import FusemaxError

    try:
        with contextlib.redirect_stderr(None):
            return Ended("ok", call(trial.arguments[1]))
    except FusemaxError as error:
        return Ended("said", str(error)[:300])


def _allowed_s(arguments: Sequence[str]) -> float:
    return MOST_S + SEARCH_S * (arguments[:1] == ("cost",) and "--mapping" not in arguments)


@contextlib.contextmanager
def _inside(files: dict[str, bytes]) -> Iterator[None]:
    before = Path.cwd()
    with trial_folder() as folder:
        os.chdir(folder)
        try:
            for name, content in files.items():
                Path(name).write_bytes(content)
            yield
        finally:
            os.chdir(before)


# --- many of them


def batch(what: str, seeds: Sequence[str], scratch: str, told: Any) -> None:
    """Try *seeds* one after the other in this process, which writes in the folder *scratch* alone; tell how each ended."""
    from fusemax.compiled import cache_folder

    resource.setrlimit(resource.RLIMIT_DATA, (MOST_B, MOST_B))
    refuse_outside([Path(scratch), cache_folder()])
    tempfile.tempdir = scratch
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for the life of the process
    for seed in seeds:
        told.send((seed, None))
        told.send((seed, tried(what, trial_of(what, seed))))
    told.close()


def ended(what: str, seeds: Sequence[str]) -> Iterator[tuple[str, Ended]]:
    """Yield how each of *seeds* ends, in a process of their own; one that kills it is ``gone``."""
    left = list(seeds)
    while left:
        scratch = tempfile.mkdtemp()
        ours, theirs = multiprocessing.get_context("fork").Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=batch, args=(what, left, scratch, theirs)
        )
        process.start()
        theirs.close()
        running: str | None = None
        done: set[str] = set()
        with contextlib.suppress(EOFError):
            while ours.poll(SILENT_S):
                seed, how = ours.recv()
                running = seed
                if how is not None:
                    running = None
                    done.add(seed)
                    yield seed, how
        if running is not None:
            done.add(running)
            yield running, Ended("gone", "the process ended, or did not answer for a minute")
        process.kill()
        process.join()
        shutil.rmtree(scratch, ignore_errors=True)
        left = [seed for seed in left if seed not in done]


def attack(what: str, count: int, seed: int, seconds: float, out: Path, kept: Path | None = None) -> Tally:
    """Return how many of *count* trials ended how, and leave what must not be in *out*."""
    tally = Tally.read(kept)
    prepare()
    end_s = time.monotonic() + seconds
    while tally.tried < count and time.monotonic() < end_s:
        first = tally.tried
        for name, how in ended(what, [f"{what} {seed} {n}" for n in range(first, min(first + BATCH, count))]):
            tally.found[how.how] += 1
            tally.slowest_s = max(tally.slowest_s, how.took_s)
            if how.how not in ("ok", "said"):
                _leave(out, name, trial_of(what, name), how)
        tally.write(kept)
        print(f"{tally.tried:,} so far: {dict(tally.found)}", file=sys.stderr, flush=True)
    text = f"{tally.tried:,} {what}: {dict(tally.found)}"
    print(f"{text}; the slowest took {tally.slowest_s:.1f} s of processor time")
    return tally


def prepare() -> None:
    """Do once what all trials share: read what they start from, and compile what is compiled once for an installation."""
    from fusemax.compiled import cache_folder

    os.environ.setdefault("FUSEMAX_CACHE", str(cache_folder().parent.parent))  # where trials may write
    loaded_once()
    shelves()
    words = ("simulate", "attention/1-pass", "--machine", "fusemax", "--mapping", "fusemax", "--set", *SIZES)
    tried("commands", Trial(words, {}), most_s=300)


def _leave(out: Path, name: str, trial: Trial, how: Ended) -> None:
    out.mkdir(parents=True, exist_ok=True)
    base = out / f"{how.how}-{name.replace(' ', '-')}"
    base.with_suffix(".txt").write_text(json.dumps(trial.arguments) + "\n" + how.text, encoding="utf-8")
    for file, content in trial.files.items():
        base.with_name(f"{base.name}-{file}").write_bytes(content)


def main() -> None:
    """Attack, and end with 1 when something ended as it must not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["files", "commands", "calls"])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no batch after so long")
    parser.add_argument("--out", type=Path, default=Path("results/attack"))
    parser.add_argument("--tally", type=Path, help="a file that keeps the counts, to go on from")
    given = parser.parse_args()
    sys.exit(
        1 if attack(given.what, given.count, given.seed, given.seconds, given.out, given.tally).bad else 0
    )


if __name__ == "__main__":
    main()
