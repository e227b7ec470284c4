"""Tiles that a rule finds, against a slow try of every size that the rule allows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from tests.walk.compare import Difference
from tests.walk.design import Design

RULE = re.compile(r"fit\((\w+)(?:, (\w+))?\)")
ROOMY = "8 GiB"
ALLOWED: Mapping[str | None, Callable[[int, int], bool]] = {
    None: lambda size, most: True,
    "divisors": lambda size, most: most % size == 0,
    "power_of_two": lambda size, most: size & (size - 1) == 0,
}


def wrong_fits(design: Design) -> list[Difference]:
    """Return each tile by a rule that has no room, or beside which a larger one has it; of designs with one such tile."""
    rules = {
        name: found
        for name, rule in design.mapping.get("tiles", {}).items()
        if (found := RULE.match(str(rule)))
    }
    if len(rules) != 1:
        return []
    ((name, found),) = rules.items()
    return list(_wrong(design, name, *found.groups()))


def _wrong(design: Design, name: str, level: str, kind: str | None) -> Iterator[Difference]:
    chosen = _answer(design, design.sizes)
    if chosen is None or not _bytes(design, level):
        return
    roomy = {
        key: {**value, "size": ROOMY} if "size" in value else value
        for key, value in design.machine["levels"].items()
    }
    mapping = {**design.mapping, "tiles": {**design.mapping["tiles"], name: name}}  # given with the sizes
    free = Design(design.cascade, {**design.machine, "levels": roomy}, mapping, design.sizes)
    for nest, tile in {k.nest: int(v) for k, v in chosen.table("tile").items() if k.tensor == name}.items():
        most = _tiles_of(chosen, design, name)
        sizes = [size for size in range(1, most + 1) if ALLOWED[kind](size, most)]
        answers = [_answer(free, {**design.sizes, name: size}) for size in sizes]
        if None in answers:  # refused for another reason
            return
        needed = [
            sum(v for k, v in answer.table("occupancy").items() if (k.nest, k.level) == (nest, level))
            for answer in answers
        ]
        room = _bytes(design, level)
        best = max((size for size, one in zip(sizes, needed, strict=True) if one <= room), default=1)
        if tile != best:
            yield Difference(f"tile {name} of {nest} by fit({level}, {kind})", {"cost": tile, "tried": best})


def _tiles_of(chosen: Any, design: Design, name: str) -> int:
    """Return how many tiles there are of what is inside *name*: the most that a tile can take."""
    rank, place = name[:-1], int(name[-1])
    sizes = {k.tensor: int(v) for k, v in chosen.table("tile").items()}
    inner = 1
    for number in range(place):
        inner *= sizes[f"{rank}{number}"]
    return -(-int(design.sizes[rank]) // inner)


def _bytes(design: Design, level: str) -> int:
    number, _, unit = str(design.machine["levels"][level].get("size", "0 B")).partition(" ")
    return int(number) if unit == "B" else 0


def _answer(design: Design, sizes: Mapping[str, int]) -> Any:
    try:
        mapped, machine = design.loaded()
        return cost(mapped, derive(mapped, machine), sizes)
    except FusemaxError:
        return None
