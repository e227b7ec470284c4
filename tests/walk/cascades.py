"""Random small cascades: products, sums, maxima, aliases of one rank, masks and windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

#: What rank D is as long as, and the places in it that an Einsum may read.
SHIFTS = (
    ("2*A", ("a", "a+A")), ("A+2", ("a", "a+1", "a+2")), ("A+4", ("a", "a+4")), ("2*A", ("2*a", "2*a+1")),
    ("2*A+2", ("2*a", "2*a+2")), ("3*A", ("a", "a+A", "a+2*A")),
)  # fmt: skip
RANKS = ("A", "B", "C")
OPERATORS = ("+", "*", "-")


@dataclass
class _Known:
    """The tensors so far, by name, with their ranks."""

    ranks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    places: tuple[str, ...] = ("a",)


BANDS = ("a <= b", "a >= b", "a < b", "a <= b + A - B", "a > b - 2, a <= b", "a + 1 > b")
REGIONS = (
    "a >= A - 2", "a < 2", "2*a <= b", "a + 2 >= 2*b", "3*a <= 2*b", "a <= b, a + b >= 2", "a <= b, b < 3", "a + c <= b",
    "a <= b, b <= c", "a <= b, c < 2", "a < c, c < b", "a + b >= 1, a + b < A", "a + c >= 1, b + c >= 1, a <= b", "a == b",
    "a + c == b", "a + 2*b >= 2, a + 2*b < A + 2",
)  # fmt: skip


def draw_cascade(
    random: Random, alias: bool = False, mask: bool = False, region: bool = False, shift: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Return the data of a cascade file of one to four Einsums over three ranks.

    With *alias* a fourth rank ``Z`` is another name of ``A``; with *mask* every Einsum over the variables of a condition has
    that condition, one between ``a`` and ``b``, or with *region* any. With *shift* inputs have a longer rank ``D`` instead of
    ``A``: two halves of it, or some elements more, are read by an Einsum, or every other element.
    """
    known = _Known()
    for number in range(random.randint(1, 3)):
        ranks = _some(random, RANKS, random.randint(1, 3))
        known.ranks[f"X{number}"] = tuple("D" if shift and rank == "A" else rank for rank in ranks)
    inputs = dict(known.ranks)
    places, known.places = random.choice(SHIFTS) if shift else ("", ("a",))
    rows = [_row(random, known, f"T{number}", alias) for number in range(random.randint(1, 4))]
    text = "\n".join(rows)
    used = {name: list(ranks) for name, ranks in inputs.items() if f"{name}[" in text}
    data: dict[str, Any] = {"title": "t", "source": "s", "inputs": used, "einsums": text + "\n"}
    if "z" in text.lower().replace("size", ""):
        data["ranks"] = {"Z": "A"}
    if any("D" in ranks for ranks in used.values()):
        data["ranks"] = {"D": places}
    if mask:
        condition = random.choice(REGIONS if region else BANDS)
        data["einsums"] = "\n".join(_masked(row, condition) for row in rows) + "\n"
    last_read = [name for name in known.made if sum(f"{name}[" in row for row in rows) == 1]
    data["outputs"] = list(dict.fromkeys([*last_read, *(n for n in known.made if random.randint(0, 5) == 0)]))
    return data


def _masked(row: str, condition: str) -> str:
    left, _, right = row.partition("=")
    needed = {c for c in condition if c.islower()}
    return f"{row} | {condition}" if needed <= set(_variables(left + right)) else row


def _variables(text: str) -> list[str]:
    return [c for inside in text.split("[")[1:] for c in inside.partition("]")[0] if c.islower()]


def _some(random: Random, entries: tuple[str, ...], count: int) -> tuple[str, ...]:
    left = list(entries)
    return tuple(left.pop(random.randint(0, len(left) - 1)) for _ in range(min(count, len(left))))


def _row(random: Random, known: _Known, name: str, alias: bool) -> str:
    operands = [_newest_or_any(random, known) for _ in range(random.randint(1, 3))]
    texts: list[str] = []
    variables: list[str] = []
    for tensor in operands:
        places = {"D": random.choice(known.places)} if "D" in known.ranks[tensor] else {}
        indices = [places.get(rank, rank.lower()) for rank in known.ranks[tensor]]
        if alias and "a" in indices and random.randint(0, 1):
            indices[indices.index("a")] = "z"
        texts.append(f"{tensor}[{','.join(indices)}]")
        found = ["a" if places and index == places["D"] else index for index in indices]
        variables += [v for v in found if v not in variables]
    expression = texts[0] if len(texts) > 1 else f"exp({texts[0]})"
    for text in texts[1:]:
        expression += f" {random.choice(OPERATORS)} {text}"
    reduced = [v for v in variables if random.randint(0, 2) == 0 or (v == "z" and "a" in variables)]
    left = [v for v in variables if v not in reduced]
    if "z" in left:
        left[left.index("z")] = "z"
    known.ranks[name] = tuple(v.upper() if v != "z" else "A" for v in left)
    known.made.append(name)
    action = f" :: {random.choice(['sum', 'max'])}[{','.join(reduced)}]" if reduced else ""
    return f"{name}[{','.join(left)}] = {expression}{action}"


def _newest_or_any(random: Random, known: _Known) -> str:
    names = list(known.ranks)
    return names[-1] if known.made and random.randint(0, 1) else random.choice(names)
