"""The trials of benchmarks/attack.py: mutated files with a command that reads them, and command lines made of words."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutations import ODD, mutated
from spellings import WRITTEN, spelled

ROOT = Path(__file__).parent.parent
SIZES = ("B=1", "H=2", "E=64", "F=64", "M=512", "P=512")
FILE, DATA = "mutated.yaml", "mutated.json"
CONFIG = ROOT / "studies/models/qwen3-8b/config.json"
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
POINTS = """kind: sweep
title: t
source: s
parts:
- name: p
  tables:
    work:
      a: {M: 256, P: 128}
      b: {M: 512, P: M}
  sizes: {B: 1, H: 2, E: 64, F: 64}
  configurations:
    c: {machine: fusemax, mapping: fusemax, cases: [{where: [work == a], figures: {L3.size: 32 MiB}}]}
    d:
      machine: fusemax
      mapping:
        by: [latency_s, traffic_B]
        best_of:
        - one-tile
        - {mapping: fusemax, changes: {tiles.M0: 128}}
- name: q
  tables: {layer: {x: {H: 1}, y: {H: 2}}}
  sum_over: layer
  sizes: {B: 1, E: 64, F: 64, M: [256, 512], P: M}
  where: [M <= 512]
  outputs: [latency_s, traffic_B]
  configurations:
    c: {machine: flat, mapping: unfused}
corrections:
- {name: more, title: more room, figures: {fusemax: {L3.size: 64 MiB}}}
summary: {baselines: [c]}
figures:
- {file: f, kind: bars, x: work, y: latency_s, series: configuration, where: {part: p, path: start}}
"""
SPACE = """tiles: {M0: 512, P0: [128, 256]}
keep: {L3: [K, V, any]}
bind: {2d: [BQK, SLNV], 1d: [RM, RD]}
"""
SMALL = ("attention/1-pass", "--machine", "fusemax", *(word for size in SIZES for word in ("--set", size)))


@dataclass(frozen=True, slots=True)
class Trial:
    """One command line, or one call from Python, with the files that it needs by name."""

    arguments: tuple[str, ...]
    files: dict[str, bytes]


# --- files


@functools.cache
def shelves() -> dict[str, list[str]]:
    """Return the texts of the files that come with fusemax by kind, and of kinds of which none comes with it."""
    kinds: dict[str, list[Path]] = {
        "cascade": sorted((ROOT / "einsums").rglob("*.yaml")),
        "machine": sorted((ROOT / "arch").rglob("machine.yaml")),
        "study": [path for path in sorted(ROOT.glob("studies/*.yaml")) if path.stem != SLOW],
        "system": sorted((ROOT / "arch/systems").rglob("*.yaml")),
        "config": sorted(ROOT.glob("studies/models/*/config.json")),
    }
    taken = {path for paths in kinds.values() for path in paths}
    kinds["mapping"] = sorted(path for path in (ROOT / "arch").rglob("*.yaml") if path not in taken)
    texts = {kind: [path.read_text(encoding="utf-8") for path in paths] for kind, paths in kinds.items()}
    return texts | {"sweep": [SWEEP, POINTS], "space": [SPACE], "certificate": [certificate_text()]}


@functools.cache
def certificate_text() -> str:
    """Return what ``fusemax map --certificate`` writes of a small search."""
    from fusemax.cascade.build import load_cascade
    from fusemax.machine import load_machine
    from fusemax.search.answer import best_mapping
    from fusemax.search.certificate import certificate

    sizes = {name: int(value) for name, value in (size.split("=") for size in SIZES)}
    machine, _ = load_machine("fusemax")
    with contextlib.redirect_stderr(io.StringIO()):
        answer = best_mapping(load_cascade("attention/1-pass"), machine, sizes, {}, seconds=2)
    return certificate(answer, "attention/1-pass", "fusemax", sizes, {}, "joined")


def commands_for(kind: str, dice: random.Random) -> tuple[str, ...]:
    """Return a command that reads a file of *kind*."""
    sets = tuple(word for size in SIZES for word in ("--set", size))
    ours = ("--machine", "fusemax", "--mapping", "fusemax")
    model = ("--phase", dice.choice(["prefill", "decode"]), "--set", "B=2", "--set")
    model += ("P=256",) if model[1] == "prefill" else ("M=256",)
    choices: dict[str, list[tuple[str, ...]]] = {
        "cascade": [
            ("passes", FILE),
            ("passes", FILE, "--json"),
            ("show", FILE),
            ("cost", FILE, *ours, *sets),
            ("simulate", FILE, *ours, *sets),
            ("passes", FILE, "--buffer", "1 MiB"),
        ],
        "machine": [
            ("cost", "attention/1-pass", "--machine", FILE, "--mapping", "fusemax", *sets),
            ("explain", "energy_J", "attention/1-pass", "--machine", FILE, "--mapping", "fusemax", *sets),
            ("simulate", "attention/1-pass", "--machine", FILE, "--mapping", "fusemax", *sets),
            ("model", str(CONFIG), "--machine", FILE, *model),
        ],
        "mapping": [
            ("cost", "attention/1-pass", "--machine", "fusemax", "--mapping", FILE, *sets),
            ("cost", "attention/1-pass", "--machine", "flat", "--mapping", FILE, *sets, "--json"),
            ("explain", "latency_s", "attention/1-pass", "--machine", "fusemax", "--mapping", FILE, *sets),
            ("simulate", "attention/1-pass", "--machine", "fusemax", "--mapping", FILE, *sets),
        ],
        "study": [("check", FILE)],
        "sweep": [("run", FILE, "--out", "out")],
        "system": [("model", str(CONFIG), "--system", FILE, *model)],
        "config": [
            ("model", DATA, "--machine", "h100", *model),
            ("model", DATA, "--system", "8xh100", *model),
        ],
        "space": [("map", *SMALL, "--within", FILE, "--seconds", "0.3")],
        "certificate": [("check", DATA)],
    }
    chosen = dice.choice(choices[kind])
    share = WHOLE_MODELS if chosen[0] == "model" else 1.0 if kind in ("space", "certificate") else 0.4
    return chosen if dice.random() < share else ("check", DATA if kind == "config" else FILE)


SLOW = "audit"  #: 230 designs: to check this study takes more than 5 s as it is, on a busy machine
#: How often each kind is taken: a search takes a third of a second whatever it is given, the studies of the shelves seconds.
WEIGHTS = {
    "cascade": 6, "mapping": 6, "machine": 4, "sweep": 6, "study": 0.5, "system": 2, "config": 3,
    "certificate": 3, "space": 0.2,
}  # fmt: skip
SPELLED = 0.4  #: the part of the files that are spelled otherwise instead of mutated
WHOLE_MODELS = 0.1  #: the part of machines, systems and configurations that goes through a whole model


def file_trial(dice: random.Random) -> Trial:
    """Return a mutated file with a command that reads it."""
    (kind,) = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))
    text, arguments = dice.choice(shelves()[kind]), commands_for(kind, dice)
    content = spelled(dice, text) if dice.random() < SPELLED else mutated(dice, text)
    return Trial(arguments, {DATA if DATA in arguments else FILE: content})


# --- command lines


WORDS = (
    *ODD, *SIZES, "attention/1-pass", "attention/3-pass", "softmax/3-pass", "fusemax", "flat", "h200", "gpu/flash2",
    "unfused", "latency_s", "traffic_B", "energy_J", "L3.read", "L3.size=1 MiB", "DRAM.bandwidth=400",
    "DRAM.bandwidth=400 GB/s", "clock=0", "clock=-1 GHz", "L3.size=nan B", "L3.size=1e400 B", "M=1e21",
    "M=9007199254740993", "M=0", "M=-4", "M=1.5", "M=P", "P=M", "M=2**40", "M=2**2**2**2**2**9",
    "M=" + "+".join(["P"] * 3000), "M0=7", "nobody=1", "=", "M==", "M=4096", "--help", "machine", "mapping", "cascade",
    "study", "latency", "energy", "decode", "prefill", "SQ", "m", "running", "2d.shape=4", "2d.operations.exp=1e9",
    "L3.read=-1 pJ", "L3.read=1e300 pJ", "clock=1e-300 Hz", "2d.rows=1e15", "2d.rows=0.5", "DRAM.size=1 B",
    *(f"{name}={value}" for name in ("M", "DRAM.bandwidth", "L3.read") for value in WRITTEN),
    "weights=8bit,cache=8bit", "weights=0bit", "weights=1e9B", "latency,energy", "latency,latency", "latency,energy,area",
)  # fmt: skip
LONG = {"calibrate", "measure"}  #: jobs of minutes, whatever they are given
FITS = {
    "cascade": ["attention/1-pass", "attention/3-pass", "softmax/3-pass", "causal/1-pass", "transformer/rotary"],
    "machine": ["fusemax", "flat", "h200", "h100"], "mapping": ["fusemax", "one-tile", "unfused", "gpu/flash2"],
    "study": [FILE], "files": [FILE, "fusemax", "attention/1-pass", "config.json", "certificate.json"],
    "config": ["config.json", ".", str(CONFIG)], "kind": ["machine", "cascade", "study", "mapping"],
    "number": ["latency_s", "energy_J", "DRAM.bandwidth", "L3.read"], "name": ["mine.yaml"],
    "objective": ["latency", "energy", "edp"], "phase": ["prefill", "decode", "generate"], "level": ["tile", "pe"],
    "depth": ["0", "2"], "seconds": ["0.5"], "epochs": ["3"], "rank": ["M", "P"], "form": ["running"], "top": ["3"],
    "by": ["latency"], "pareto": ["latency,area"], "chunk": ["5"], "system": ["8xh100", "8xa100"], "space": ["space.yaml"],
    "words": ["weights=8bit,cache=8bit"], "weighed": ["latency,energy"],
}  # fmt: skip


@functools.cache
def application() -> Any:
    """Return fusemax's command, made once."""
    import typer.main

    from fusemax.cli import build

    return typer.main.get_command(build())


def command_trial(dice: random.Random) -> Trial:
    """Return a command line made of options that there are and of words, some of which fit."""
    name = dice.choice(sorted(application().commands))
    command, arguments = application().commands[name], [name]
    if hasattr(command, "commands"):
        inner = dice.choice(sorted(set(command.commands) - LONG) or ["--help"])
        if inner == "--help":
            return Trial((name, inner), {})
        command, arguments = command.commands[inner], [*arguments, inner]
    for parameter in command.params:
        wanted = parameter.required or parameter.name == "values" or dice.random() < 0.2
        if dice.random() < 0.05 or not wanted or parameter.name in ("help", "cluster", "workers"):
            continue
        words = _fitting(dice, parameter)
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
    files = {FILE: SWEEP, "config.json": '{"model_type": "llama"}', "space.yaml": SPACE}
    return Trial(tuple(arguments), {at: text.encode() for at, text in files.items()})


def _fitting(dice: random.Random, parameter: Any) -> list[str]:
    if parameter.multiple or parameter.nargs == -1:
        many = [*SIZES] if parameter.name == "values" and dice.random() < 0.8 else []
        return many + [dice.choice(WORDS) for _ in range(dice.randrange(3))]
    good = FITS.get(parameter.name or "")
    return [dice.choice(good) if good and dice.random() < 0.8 else dice.choice(WORDS)]


def run_command(arguments: tuple[str, ...]) -> tuple[Any, str, str]:
    """Run the command line in this process; return what it ended with, what it printed and what it said of mistakes."""
    from fusemax.cli import main

    printed, said = io.StringIO(), io.StringIO()
    argv = sys.argv
    try:
        sys.argv = ["fusemax", *arguments]
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
            main()
        code: Any = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = argv
    return code, printed.getvalue(), said.getvalue()


def loaded_once() -> None:
    """Make the command of typer, and read the files that come with fusemax, once for all trials of this process."""
    from fusemax import cli, source

    ready = application()
    cli.build = lambda: ready
    source._composed = functools.lru_cache(maxsize=1024)(source._composed)
    os.environ.setdefault("COLUMNS", "100")
