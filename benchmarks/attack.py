"""Give fusemax mutated files and made-up command lines: none may end in a traceback, take more than 5 s, or 2 GB.

``python benchmarks/attack.py files --count 100000`` and ``... commands --count 5000`` say at the end how many were tried and
what each of them ended with; what fails is left in ``results/attack``. ``--seed N`` makes other ones. The files are those of
the shelves, changed by one to four mutations; they go through ``check``, and the commands that take such a file.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_S, MOST_B = 5.0, 2 * 2**30
SEARCH_S = 25.0  #: more for a command that looks for a mapping, for so long as it is told to
BATCH = 200  #: trials of one process: what one leaves behind does not reach the next for long
ROOT = Path(__file__).parent.parent
LETTERS = "aMXp0129[]{}:,'\"&*|>-+/()#@`%~.\t \n\\$_é∑\x07"
ODD = (
    "9" * 5000, "1e400", "-1e400", "1e-400", "0", "-1", "nan", ".inf", "1e308", "5e-324", "9007199254740993", "2**64",
    "0x1F", "1_000", "1.5", "true", "null", "~", "''", "[]", "{}", "[[]]", "{a: {b: {c: {}}}}", "P**P**P", "M**M**M**M",
    "2**2**2**2**2**2", "+".join(["M"] * 3000), "(" * 400 + "M" + ")" * 400, "-" * 3000 + "M", "M/0", "0/0", "log2(0)",
    "log2(-1)", "sqrt(-1)", "floor(M)", "max()", "min(1)", "unknown(M)", "fit(L3, divisors)", "fit(nowhere, any)",
    "fit(L3, any)", "a" * 5000, "[/]", "[bold]x[/bold]", r"$\frac$", r"$\frac{1}{0}$", "=1+1", "=cmd|'/c calc'!A1",
    "@SUM(A1)", "x\\0y", "../../etc/passwd", "/dev/zero", "/dev/stdin", "/", ".", "", " ", "1 GB/s", "1 XB/s", "400",
    "1 KiB", "1 pJ", "-1 GB/s", "0 B", "1e300 GB/s", "1 GHz", "3e21", "{from: 1, to: 1000000000, steps: 1000000000}",
    "{from: 0, to: 1, steps: 3, scale: log}", "{from: 1, to: 2, steps: 1e400}", "{from: 1, to: 2, steps: 2.5}",
    "{from: 1}", "&a [*a]", "&a {b: *a}", "*nobody", "!!python/object:os.system x", "!tag x", "<<: {a: 1}", "2024-01-01",
    "1:30", "0o17", "M", "P", "m", "p", "M1*M0", "attention", "causal/1-pass", "fusemax", "flat",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """One command line, with the files that it needs by name."""

    arguments: tuple[str, ...]
    files: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a trial ended: ``ok``, ``said`` (a message), or what must not be: ``traceback``, ``slow``, ``memory``, ``gone``."""

    how: str
    text: str = ""
    took_s: float = 0.0


class TooSlowError(BaseException):
    """More processor time than a trial may take; no handler of ours or of a library's catches it."""


# --- mutations


def _lines(dice: random.Random, text: str) -> str:
    rows = text.split("\n")
    at, other = dice.randrange(len(rows)), dice.randrange(len(rows))
    change = dice.choice(["drop", "twice", "swap", "move", "indent", "cut"])
    if change == "drop":
        del rows[at]
    elif change == "twice":
        rows.insert(other, rows[at])
    elif change == "swap":
        rows[at], rows[other] = rows[other], rows[at]
    elif change == "move":
        rows.insert(other, rows.pop(at))
    elif change == "indent":
        rows[at] = dice.choice(["  ", " ", "\t", ""]) + rows[at].removeprefix(
            dice.choice(["", " ", "  ", "    "])
        )
    else:
        rows = rows[: at + 1]
    return "\n".join(rows)


def _letter(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(["", dice.choice(LETTERS)]) + text[at + dice.randrange(2) :]


def _words(text: str) -> list[tuple[int, int]]:
    """Return where the words of *text* begin and end."""
    found, begin = [], None
    for at, letter in enumerate(text + " "):
        inside = letter.isalnum() or letter in "._*/-+"
        if inside and begin is None:
            begin = at
        elif not inside and begin is not None:
            found.append((begin, at))
            begin = None
    return found


def _word(dice: random.Random, text: str) -> str:
    """Put an odd word, or one from elsewhere in the text, in the place of another."""
    words = _words(text)
    if not words:
        return dice.choice(ODD)
    begin, end = dice.choice(words)
    other = dice.choice(words)
    return text[:begin] + dice.choice([dice.choice(ODD), text[slice(*other)]]) + text[end:]


def _value(dice: random.Random, text: str) -> str:
    """Put an odd value behind a key."""
    rows = text.split("\n")
    keyed = [n for n, row in enumerate(rows) if ":" in row]
    if keyed:
        at = dice.choice(keyed)
        rows[at] = f"{rows[at].partition(':')[0]}: {dice.choice(ODD)}"
    return "\n".join(rows)


def _number(dice: random.Random, text: str) -> str:
    """Make a number much larger, much smaller, negative or zero."""
    numbers = [(b, e) for b, e in _words(text) if text[b].isdigit()]
    if not numbers:
        return _letter(dice, text)
    begin, end = dice.choice(numbers)
    old = text[begin:end]
    new = dice.choice(
        [
            f"-{old}",
            f"{old}000000",
            f"0.0000001{old}",
            f"{old}e30",
            f"{old}.5",
            "0",
            f"{old}{old}",
            f"{old}**9",
        ]
    )
    return text[:begin] + new + text[end:]


MUTATIONS: Sequence[Callable[[random.Random, str], str]] = (
    _lines,
    _letter,
    _word,
    _word,
    _value,
    _value,
    _number,
)


def mutated(dice: random.Random, text: str) -> bytes:
    """Return *text* after one to four mutations; sometimes as bytes that no text has."""
    for _ in range(dice.randrange(1, 5)):
        text = dice.choice(MUTATIONS)(dice, text or " ")
    content = text.encode("utf-8", "surrogatepass")
    if dice.random() < 0.02:
        at = dice.randrange(len(content) + 1)
        content = content[:at] + bytes([dice.randrange(256)]) + content[at:]
    return content


# --- trials


def shelves() -> dict[str, list[Path]]:
    """Return the files that come with fusemax by kind."""
    kinds: dict[str, list[Path]] = {
        "cascade": sorted((ROOT / "einsums").rglob("*.yaml")),
        "machine": sorted((ROOT / "arch").rglob("machine.yaml")),
        "study": sorted(ROOT.glob("studies/*.yaml")),
        "system": sorted((ROOT / "arch/systems").rglob("*.yaml")),
    }
    taken = {path for paths in kinds.values() for path in paths}
    kinds["mapping"] = sorted(path for path in (ROOT / "arch").rglob("*.yaml") if path not in taken)
    return kinds


SIZES = ("B=1", "H=2", "E=64", "F=64", "M=512", "P=512")
FILE = "mutated.yaml"
SWEEP = """kind: sweep
title: t
source: s
parts:
- name: p
  sizes: {B: 1, H: 2, E: 64, F: 64, P: M}
  grid:
    M: [256, 512]
    L3.size: {from: 1 MiB, to: 4 MiB, steps: 3, scale: log}
    clock: {from: 1 GHz, to: 2 GHz, steps: 2}
  zip: []
  where: [L3.size <= 3 MiB]
  outputs: [latency_s, traffic_B]
  configurations:
    c: {machine: fusemax, mapping: fusemax, figures: {2d.lanes: 4}, changes: {}}
figures:
- {file: f, kind: scatter, x: clock, y: latency_s, series: configuration}
"""


def commands_for(kind: str, name: str, dice: random.Random) -> tuple[str, ...]:
    """Return a command that reads a file of *kind* called *name*."""
    sets = tuple(word for size in SIZES for word in ("--set", size))
    ours = ("--machine", "fusemax", "--mapping", "fusemax")
    choices: dict[str, list[tuple[str, ...]]] = {
        "cascade": [
            ("passes", name),
            ("show", name),
            ("cost", name, *ours, *sets),
            ("passes", name, "--buffer", "1 MiB"),
        ],
        "machine": [("cost", "attention/1-pass", "--machine", name, "--mapping", "fusemax", *sets)],
        "mapping": [
            ("cost", "attention/1-pass", "--machine", "fusemax", "--mapping", name, *sets),
            ("cost", "attention/1-pass", "--machine", "flat", "--mapping", name, *sets, "--json"),
            ("explain", "latency_s", "attention/1-pass", "--machine", "fusemax", "--mapping", name, *sets),
        ],
        "study": [("run", name, "--out", "out", "--fresh")],
        "system": [],
    }
    return ("check", name) if dice.random() < 0.6 or not choices[kind] else dice.choice(choices[kind])


def file_trial(dice: random.Random, shelf: dict[str, list[Path]]) -> Trial:
    """Return a mutated file with a command that reads it."""
    kind = dice.choice([*shelf, "cascade", "mapping", "study"])
    own_sweep = kind == "study" and dice.random() < 0.7
    text = SWEEP if own_sweep else dice.choice(shelf[kind]).read_text(encoding="utf-8")
    arguments = commands_for(kind, FILE, dice) if kind != "study" or own_sweep else ("check", FILE)
    return Trial(arguments, {FILE: mutated(dice, text)})


WORDS = (
    *ODD, *SIZES, "attention/1-pass", "attention/3-pass", "softmax/3-pass", "fusemax", "flat", "h200", "gpu/flash2",
    "unfused", "latency_s", "traffic_B", "energy_J", "L3.read", "L3.size=1 MiB", "DRAM.bandwidth=400",
    "DRAM.bandwidth=400 GB/s", "clock=0", "clock=-1 GHz", "L3.size=nan B", "L3.size=1e400 B", "M=1e21",
    "M=9007199254740993", "M=0", "M=-4", "M=1.5", "M=P", "P=M", "M=2**40", "M=2**2**2**2**2**9",
    "M=" + "+".join(["P"] * 3000), "M0=7", "nobody=1", "=", "M==", "M=4096", "--help", "machine", "mapping", "cascade",
    "study", "latency", "energy", "decode", "prefill", "SQ", "m", "running",
)  # fmt: skip
LONG = {"calibrate", "measure"}  #: jobs of minutes, whatever they are given


def command_trial(dice: random.Random) -> Trial:
    """Return a command line made of options that there are and of words, some of which fit."""
    import typer.main

    from fusemax.cli import build

    group: Any = typer.main.get_command(build())
    name = dice.choice(sorted(group.commands))
    command, arguments = group.commands[name], [name]
    if hasattr(command, "commands"):
        inner = dice.choice(sorted(set(command.commands) - LONG) or ["--help"])
        if inner == "--help":
            return Trial((name, inner), {})
        command, arguments = command.commands[inner], [*arguments, inner]
    for parameter in command.params:
        wanted = parameter.required or parameter.name == "values" or dice.random() < 0.2
        if dice.random() < 0.05 or not wanted or parameter.name in ("help", "cluster", "workers"):
            continue
        words = _fitting(dice, parameter, name)
        for word in words:
            if parameter.param_type_name == "option":
                arguments.append(parameter.opts[0])
            arguments += [] if getattr(parameter, "is_flag", False) else [word]
    if name == "map":
        arguments += ["--seconds", "0.5"]
    if dice.random() < 0.1:
        arguments.insert(dice.randrange(len(arguments) + 1), dice.choice(WORDS))
    if name == "run":
        arguments += ["--out", "out"]
    return Trial(tuple(arguments), {FILE: SWEEP.encode(), "config.json": b'{"model_type": "llama"}'})


def _fitting(dice: random.Random, parameter: Any, command: str) -> list[str]:
    fits = {
        "cascade": ["attention/1-pass", "attention/3-pass", "softmax/3-pass", "causal/1-pass"],
        "machine": ["fusemax", "flat", "h200"], "mapping": ["fusemax", "one-tile", "unfused", "gpu/flash2"],
        "study": [FILE], "files": [FILE, "fusemax", "attention/1-pass"], "config": ["config.json", "."],
        "kind": ["machine", "cascade", "study", "mapping"], "number": ["latency_s", "energy_J"], "name": ["mine.yaml"],
        "objective": ["latency", "energy", "edp"], "phase": ["prefill", "decode", "generate"], "level": ["tile", "pe"],
        "depth": ["0", "2"], "seconds": ["0.5"], "epochs": ["3"], "rank": ["M", "P"], "form": ["running"], "top": ["3"],
        "by": ["latency"], "pareto": ["latency,area"], "chunk": ["5"], "system": ["nvl72", "b200"],
    }  # fmt: skip
    if parameter.multiple or parameter.nargs == -1:
        many = [*SIZES] if parameter.name == "values" and dice.random() < 0.8 else []
        return many + [dice.choice(WORDS) for _ in range(dice.randrange(3))]
    good = fits.get(parameter.name or "")
    return [dice.choice(good) if good and dice.random() < 0.8 else dice.choice(WORDS)]


# --- running


def _allowed_s(arguments: Sequence[str]) -> float:
    searches = arguments[:1] == ("map",) or (arguments[:1] == ("cost",) and "--mapping" not in arguments)
    return MOST_S + SEARCH_S * searches


def tried(trial: Trial, most_s: float = 0.0) -> Ended:
    """Return how *trial* ends in this process; it has *most_s*, or what suits it, of processor time."""
    from fusemax.cli import main

    def late(*_: object) -> None:
        raise TooSlowError

    with _inside(trial.files):
        output, problems = io.StringIO(), io.StringIO()
        start_s, argv = time.process_time(), sys.argv
        signal.signal(signal.SIGPROF, late)
        signal.setitimer(signal.ITIMER_PROF, most_s or _allowed_s(trial.arguments))
        try:
            sys.argv = ["fusemax", *trial.arguments]
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(problems):
                main()
            code: Any = 0
        except SystemExit as end:
            code = end.code
        except TooSlowError:
            return Ended("slow", traceback.format_exc()[-3000:], MOST_S)
        except BaseException:
            return Ended("traceback", traceback.format_exc()[-3000:], time.process_time() - start_s)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            sys.argv = argv
    said, took_s = problems.getvalue(), time.process_time() - start_s
    if "Traceback" in said or "this is a gap in fusemax" in said:
        return Ended("memory" if "memory" in said else "traceback", said[-3000:], took_s)
    if code not in (0, None) and not said.strip() and not output.getvalue().strip():
        return Ended("traceback", f"ended with {code} and said nothing", took_s)
    return Ended("ok" if code in (0, None) else "said", said[:300], took_s)


@contextlib.contextmanager
def _inside(files: dict[str, bytes]) -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for name, content in files.items():
                Path(name).write_bytes(content)
            yield
        finally:
            os.chdir(before)


def trial_of(what: str, seed: str) -> Trial:
    """Return the trial that *seed* names."""
    dice = random.Random(seed)
    return file_trial(dice, shelves()) if what == "files" else command_trial(dice)


def batch(what: str, seeds: Sequence[str], told: Any) -> None:
    """Try *seeds* one after the other in this process, and tell how each ended."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_B, MOST_B))
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for the life of the process
    for seed in seeds:
        told.send((seed, None))
        told.send((seed, tried(trial_of(what, seed))))
    told.close()


def ended(what: str, seeds: Sequence[str]) -> Iterator[tuple[str, Ended]]:
    """Yield how each of *seeds* ends, in a process of their own; one that kills it is ``gone``."""
    left = list(seeds)
    while left:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(target=batch, args=(what, left, theirs))
        process.start()
        theirs.close()
        running: str | None = None
        done: set[str] = set()
        with contextlib.suppress(EOFError):
            while ours.poll(60):
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
        left = [seed for seed in left if seed not in done]


def attack(what: str, count: int, seed: int, seconds: float, out: Path) -> Counter[str]:
    """Return how many of *count* trials ended how, and leave what must not be in *out*."""
    found: Counter[str] = Counter()
    slowest = 0.0
    compiled = (
        "simulate",
        "attention/1-pass",
        "--machine",
        "fusemax",
        "--mapping",
        "fusemax",
        "--set",
        *SIZES,
    )
    tried(Trial(compiled, {}), most_s=300)  # compiled once for each installation
    end_s = time.monotonic() + seconds
    for first in range(0, count, BATCH):
        seeds = [f"{what} {seed} {n}" for n in range(first, min(first + BATCH, count))]
        for name, how in ended(what, seeds):
            found[how.how] += 1
            slowest = max(slowest, how.took_s)
            if how.how not in ("ok", "said"):
                _leave(out, name, trial_of(what, name), how)
        print(f"{sum(found.values()):,} so far: {dict(found)}", file=sys.stderr, flush=True)
        if time.monotonic() > end_s:
            break
    print(
        f"{sum(found.values()):,} {what}: {dict(found)}; the slowest took {slowest:.1f} s of processor time"
    )
    return found


def _leave(out: Path, name: str, trial: Trial, how: Ended) -> None:
    out.mkdir(parents=True, exist_ok=True)
    base = out / f"{how.how}-{name.replace(' ', '-')}"
    base.with_suffix(".txt").write_text(json.dumps(trial.arguments) + "\n" + how.text, encoding="utf-8")
    for file, content in trial.files.items():
        base.with_name(f"{base.name}-{file}").write_bytes(content)


def main() -> None:
    """Attack, and end with 1 when something ended as it must not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["files", "commands"])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no batch after so long")
    parser.add_argument("--out", type=Path, default=Path("results/attack"))
    arguments = parser.parse_args()
    found = attack(arguments.what, arguments.count, arguments.seed, arguments.seconds, arguments.out)
    sys.exit(1 if set(found) - {"ok", "said"} else 0)


if __name__ == "__main__":
    main()
