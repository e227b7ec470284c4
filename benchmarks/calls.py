"""Calls from Python with odd values, for benchmarks/attack.py: each may end with an answer or with a FusemaxError only."""

from __future__ import annotations

import datetime
import decimal
import fractions
import functools
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from spellings import WRITTEN

SIZES = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 512, "P": 512}
NAMES = (
    "M", "P", "B", "E", "M0", "m", "nobody", "", "L3.size", "clock", "2d.shape", "2d.rows", "DRAM.bandwidth", "tiles.M0",
    "tiles.P1", "latency_s", "latency", "1d.operations.exp", "L3.read", "\0", "a" * 300,
)  # fmt: skip


def _itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


#: Values of all kinds, each made anew: some are used up by reading them.
VALUES: tuple[Callable[[], Any], ...] = (
    *(lambda text=text: text for text in WRITTEN[::4]),
    lambda: 0, lambda: -1, lambda: 1.5, lambda: math.nan, lambda: math.inf, lambda: -math.inf, lambda: 2**53 + 1,
    lambda: 10**5000, lambda: 1e308, lambda: 5e-324, lambda: True, lambda: None, lambda: "", lambda: " ", lambda: "4Ki",
    lambda: "4 XB", lambda: "400", lambda: "400 GB/s", lambda: "1 MiB", lambda: "M", lambda: "M*M", lambda: "M/0",
    lambda: "P**P**P", lambda: "+".join(["M"] * 3000), lambda: "(" * 500, lambda: "9" * 5000, lambda: b"x", lambda: [],
    lambda: {}, lambda: (), lambda: object(), lambda: np.int64(4096), lambda: np.float64(math.nan), lambda: np.float32(0.5),
    lambda: np.int32(-3), lambda: np.uint8(64), lambda: np.array([1, 2]), lambda: np.array(3), lambda: np.zeros((0,)),
    lambda: np.zeros((2, 2)), lambda: np.bool_(True), lambda: fractions.Fraction(1, 3), lambda: decimal.Decimal("NaN"),
    lambda: decimal.Decimal("1.5"), lambda: 1 + 2j, lambda: range(10**12), lambda: range(3), lambda: len, lambda: {1, 2},
    lambda: iter([1, 2]), lambda: {1: 2}, lambda: {None: 1}, lambda: datetime.date(2024, 1, 1), lambda: Path("nowhere"),
    lambda: Path("zero"), lambda: Path("pipe"),
    lambda: Path(), lambda: _itself(), lambda: ["1 MiB", "2 MiB"], lambda: [1, "2", None],
    lambda: {"from": 1, "to": 2, "steps": 10**9}, lambda: {"from": 1, "to": 2},
    lambda: {"from": "1 MiB", "to": "2 MiB", "steps": 3},
    lambda: {"from": 0, "to": 1, "steps": 3, "scale": "log"}, lambda: "latency", lambda: "latency,energy", lambda: "fusemax",
    lambda: "attention/1-pass", lambda: "title: t\n", lambda: "a: [\n", lambda: "\0", lambda: "x" * 5000, lambda: [["M", "P"]],
    lambda: "running", lambda: ["M <= 4"], lambda: ["M <="], lambda: "SN", lambda: np.array(["1 MiB"]),
    lambda: memoryview(b"1"),
)  # fmt: skip


@functools.cache
def design() -> Any:
    """Return a design that is right."""
    import fusemax as fm

    return fm.Design("attention/1-pass", "fusemax", "fusemax")


def _one(dice: random.Random) -> Any:
    return dice.choice(VALUES)()


def _often(dice: random.Random, good: Any, share: float = 0.5) -> Any:
    return good if dice.random() < share else _one(dice)


def _entries(dice: random.Random, good: dict[str, Any]) -> Any:
    """Return *good* with one or two odd entries; now and then something else."""
    if dice.random() < 0.1:
        return _one(dice)
    return {**good, **{dice.choice(NAMES): _one(dice) for _ in range(dice.randrange(1, 3))}}


def _options(dice: random.Random, *names: str) -> dict[str, Any]:
    return {name: _one(dice) for name in names if dice.random() < 0.15}


def _cost(dice: random.Random) -> Any:
    return design().cost(
        _entries(dice, SIZES), **({"figures": _entries(dice, {})} if dice.random() < 0.4 else {})
    )


def _simulate(dice: random.Random) -> Any:
    return design().simulate(_entries(dice, SIZES), **_options(dice, "figures", "events"))


def _check(dice: random.Random) -> Any:
    return design().check(_entries(dice, SIZES))


def _sweep(dice: random.Random) -> Any:
    fixed = {name: value for name, value in SIZES.items() if name != "M"}
    options = _options(dice, "figures", "zip", "where", "outputs", "pareto", "top", "by", "progress")
    return design().frame(_entries(dice, {"M": [256, 512]}), sizes=_often(dice, fixed, 0.8), **options)


def _of(verb: str, *goods: Any, options: tuple[str, ...] = ()) -> Callable[[random.Random], Any]:
    """Return a call of ``fusemax.<verb>`` in which each argument is right, or odd."""

    def call(dice: random.Random) -> Any:
        import fusemax as fm

        return getattr(fm, verb)(*(_often(dice, good, 0.6) for good in goods), **_options(dice, *options))

    return call


def _swept(dice: random.Random) -> Any:
    import fusemax as fm

    fixed = {name: value for name, value in SIZES.items() if name != "M"}
    options = _options(dice, "figures", "zip", "where", "outputs", "pareto", "top", "by", "progress")
    names = _often(dice, "fusemax", 0.7), _often(dice, "fusemax", 0.7)
    return fm.sweep(*names, grid=_often(dice, {"M": [256, 512]}), sizes=_often(dice, fixed), **options)


def _map(dice: random.Random) -> Any:
    import fusemax as fm

    options = {"seconds": 0.3, **_options(dice, "figures", "objective", "absorb", "seconds")}
    if isinstance(options["seconds"], int | float) and options["seconds"] > 1:
        options["seconds"] = 0.3
    return fm.map(
        _often(dice, "attention/1-pass", 0.8), _often(dice, "fusemax", 0.8), _entries(dice, SIZES), **options
    )


def _with(dice: random.Random) -> Any:
    return design().with_(dice.choice(NAMES) if dice.random() < 0.8 else _one(dice), _one(dice))


def _evaluate(dice: random.Random) -> Any:
    import fusemax as fm

    double = {"title": "t", "source": "s", "inputs": {"X": ["M"]}, "einsums": "Y[m] = 2*X[m]"}
    return fm.evaluate(_often(dice, double, 0.8), _entries(dice, {"X": np.ones(3)}), _often(dice, {"M": 3}))


def _answers(dice: random.Random) -> Any:
    answer = design().cost(SIZES)
    verb = dice.choice(["of", "explain"])
    return getattr(answer, verb)(_one(dice))


def _passes_of(dice: random.Random) -> Any:
    import fusemax as fm

    found = fm.passes("attention/3-pass")
    return dice.choice([found.passes, found.why])(_often(dice, "M"), _one(dice))


CALLS: dict[str, Callable[[random.Random], Any]] = {
    "cost": _cost, "check": _check, "simulate": _simulate, "sweep": _sweep, "with": _with, "map": _map, "evaluate": _evaluate,
    "answers": _answers, "passes of": _passes_of,
    "design": _of("Design", "attention/1-pass", "fusemax", "fusemax", options=("changes", "beside")),
    "passes": _of("passes", "attention/1-pass"), "load_cascade": _of("load_cascade", "attention/1-pass"),
    "load_machine": _of("load_machine", "fusemax"),
    "reduce": _of("reduce", "softmax/3-pass", "M", options=("form", "given")),
    "cost_of": _of("cost_of", "attention/1-pass", "fusemax", "fusemax", SIZES, options=("figures",)),
    "fm.sweep": _swept,
    "run": _of("run", "nobody", options=("out", "pareto", "top", "by", "resume", "fresh", "chunk")),
    "sweep_study": _of("sweep_study", "mutated.yaml"),
}  # fmt: skip
WEIGHTS = {"map": 0.1, "reduce": 0.2, "sweep": 2, "cost": 3}


def call_name(seed: str) -> str:
    """Return the name of the call that *seed* names."""
    return _chosen(random.Random(seed))


def call(seed: str) -> Any:
    """Make the call that *seed* names, and return its answer as text."""
    dice = random.Random(seed)
    answer = CALLS[_chosen(dice)](dice)
    return repr(answer)[:200]


def _chosen(dice: random.Random) -> str:
    return dice.choices(list(CALLS), [WEIGHTS.get(name, 1) for name in CALLS])[0]
