"""Tiles that fill a level: ragged by default, divisors where a mapping says so, quick for any number."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.cost.evaluate import evaluate_lines
from fusemax.cost.point import cost_of
from fusemax.cost.program import FitRule, Label, Line, Program
from fusemax.cost.symbols import repeated, symbol
from fusemax.errors import FusemaxError
from fusemax.mapping.spec import Fit, MappingFile
from fusemax.simulate.tile.room import _largest_divisor

TILE, N, ROOM = symbol("T"), symbol("N"), symbol("ROOM")
PRIMES = (2, 3, 5, 7, 11, 13, 9973, 1_000_003)


def found(number: int, room: int, footprint=TILE) -> float:
    """Return the divisor of *number* that the cost program finds."""
    program = Program(
        parameters={"N": None, "ROOM": None}, lines=(Line("T", FitRule(TILE, N, footprint, ROOM, "divisors"), Label("tile")),)
    )  # fmt: skip
    return evaluate_lines(program, program.lines, [{"N": float(number), "ROOM": float(room)}])[0][0]


@given(
    powers=st.tuples(
        *(st.integers(0, most) for most in (20, 8, 4, 3, 2, 2, 1, 1)),
    ),
    room=st.integers(1, 200_000),
)
def test_the_largest_divisor(powers: tuple[int, ...], room: int) -> None:
    """Against all products of a number's prime factors, beyond what can be tried one by one."""
    kept = list(powers)
    while math.prod(p**k for p, k in zip(PRIMES, kept, strict=True)) >= 2**53:
        kept[kept.index(max(kept))] -= 1
    number = math.prod(p**k for p, k in zip(PRIMES, kept, strict=True))
    ways = [[p**e for e in range(k + 1)] for p, k in zip(PRIMES, kept, strict=True)]
    expected = max(d for d in (math.prod(way) for way in itertools.product(*ways)) if d <= room)
    assert expected == found(number, room)
    assert expected == _largest_divisor(number, room)
    assert expected == found(number, room, repeated(TILE, TILE, 1))  # not known to rise with the tile


@pytest.mark.parametrize("tiles", [256, 257])
def test_ragged_by_default(tiles: int) -> None:
    """By hand: K and V come once for each block of queries, and 251 tiles fit beside them in 16 MiB (E = F = 64).

    A tile of 256 queries takes 256*(64 + 64 + 2)*2 B, K and V together 256*128*2 B. With 257 tiles, a prime, ``divisors``
    leaves blocks of one tile, and the keys come 257 times.
    """
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "M": 256 * tiles, "P": 256 * tiles}
    assert (2**24 - 256 * 128 * 2) // (256 * 130 * 2) == 251
    keys, ends = 2 * 64 * 256 * tiles, 2 * 64 * 256 * tiles
    for mapping, blocks in (("auto", 2), ("fusemax", {256: 2, 257: 257}[tiles])):
        answer = cost_of("attention/1-pass", "fusemax", mapping, sizes)
        assert 2 * (ends + blocks * keys) == answer.traffic_B


def test_names_of_the_kinds() -> None:
    """``divisor`` is the name that ``divisors`` had."""
    nests = [{"do": ["Y"]}]
    data = {"title": "t", "source": "s", "cascade": "c", "nests": nests, "bind": {"u": ["Y"]}}
    rules = {"A0": "fit(L)", "B0": "fit(L, divisors)", "C0": "fit(L, divisor)", "D0": "fit(L, power_of_two)"}
    kinds = [
        rule.kind
        for rule in MappingFile.model_validate({**data, "tiles": rules}).tiles.values()
        if isinstance(rule, Fit)
    ]
    assert ["any", "divisors", "divisors", "power_of_two"] == kinds
    with pytest.raises((ValueError, FusemaxError), match=r"any \| divisors \| power_of_two"):
        MappingFile.model_validate({**data, "tiles": {"A0": "fit(L, half)"}})
