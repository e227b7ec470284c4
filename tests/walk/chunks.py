"""Random small cascades over a rank in chunks, of which the last one may end early, and a place in the chunk once more."""

from __future__ import annotations

from random import Random
from typing import Any

#: What an Einsum reads of each tensor, by the place in the chunk that it runs over.
INPUTS = {"X": "X[i1*I0+{0}]", "W": "W[c,i1*I0+{0}]", "R": "R[c]"}
CONDITIONS = ("", "", " | j0 <= i0", " | i0 < j0 + 2")


def draw_chunks(random: Random) -> dict[str, Any]:
    """Return the data of a cascade file: two or three Einsums over inputs and earlier ones, at i0 and at j0."""
    ranks = {"T0": ["i1", "i0"], "T1": ["c", "i1", "i0"]}
    rows = [f"T0[i1,i0] = {_input(random, ['X'], 'i0')}*{_input(random, ['X'], 'i0')}"]
    made = ["T0"]
    for number in range(1, random.randint(2, 3)):
        name = f"T{number}"
        operands = [_operand(random, made, ranks) for _ in range(random.randint(2, 3))]
        text = f" {random.choice('*-+')} ".join(operands)
        variables = [v for v in ("c", "i1", "i0", "j0") if v in _variables(text)]
        reduced = [v for v in variables if v == "j0" or (v in ("c", "i0") and random.randint(0, 3) == 0)]
        left = [v for v in variables if v not in reduced]
        ranks[name] = left
        action = f" :: sum[{','.join(reduced)}]" if reduced else ""
        both = {"i0", "j0"} <= {*variables}
        condition = random.choice(CONDITIONS) if both else ""
        rows.append(f"{name}[{','.join(left)}] = {text}{action}{condition}")
        made.append(name)
    text = "\n".join(rows)
    inputs = {"X": ["T"], "W": ["C", "T"], "R": ["C"]}
    return {
        "title": "t", "source": "s", "einsums": text + "\n", "ranks": {"T": "I1*I0", "J0": "I0"},
        "inputs": {name: mine for name, mine in inputs.items() if f"{name}[" in text},
        "outputs": [name for name in made if text.count(f"{name}[") == 1 or name == made[-1]],
    }  # fmt: skip


def _operand(random: Random, made: list[str], ranks: dict[str, list[str]]) -> str:
    place = random.choice(["i0", "j0"])
    if random.randint(0, 1):
        return _input(random, list(INPUTS), place)
    name = random.choice(made)
    return f"{name}[{','.join(place if v == 'i0' else v for v in ranks[name])}]"


def _input(random: Random, names: list[str], place: str) -> str:
    return INPUTS[random.choice(names)].format(place)


def _variables(text: str) -> set[str]:
    return {
        v for v in ("c", "i1", "i0", "j0") if any(v in part.partition("]")[0] for part in text.split("[")[1:])
    }
