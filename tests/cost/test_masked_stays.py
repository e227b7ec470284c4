"""Kept tiles under a mask whose loops turn but once, are ragged, or leave a tile alone: words by hand."""

from __future__ import annotations

import pytest

from fusemax.cascade.build import cascade_from_text
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of

CASCADE = """
title: t
source: s
inputs: {{X: [R, P], Y: [H, M]}}
outputs: [Z, U]
einsums: |
  Z[r,h,p] = X[r,p]*Y[h,m] :: sum[m] | {condition}
  U[r,h,p] = 2*Z[r,h,p]
"""
MACHINE = """
title: t
source: s
clock: 1 Hz
word: 1 B
levels: {DRAM: {}, L1: {}}
units: {u: {shape: {lanes: 1}, operations: {mac: 1, mul: 1}}}
"""
MAPPING = """
title: t
source: s
cascade: none
tiles: {tiles}
nests:
{nests}
bind: {{u: [Z, U]}}
schedule: overlapped
"""
KEPT = """
- for: [{loops}]
  keep: {{L1: [Y]}}
  do: [{{for: [{inside}], do: [Z]}}]
- do: [U]
"""
MADE = """
- for: [{loops}]
  keep: {{L1: [Z]}}
  do: [{{for: [{inside}], do: [Z]}}, {{do: [U]}}]
"""


def words(
    nests: str, loops: str, inside: str, tiles: str, sizes: dict[str, int], condition: str = "m <= p"
) -> dict[tuple[str, str, str], float]:
    """Return the words by tensor, level and kind."""
    cascade = cascade_from_text(CASCADE.format(condition=condition))
    machine = machine_of(document_of(MACHINE))
    text = MAPPING.format(tiles=tiles, nests=nests.format(loops=loops, inside=inside))
    document = document_of(text)
    mapped = map_onto(cascade, machine, mapping_file_of(document), document)
    table = cost(mapped, derive(mapped, machine), sizes).table("words")
    found: dict[tuple[str, str, str], float] = {}
    for label, value in table.items():
        key = label.tensor, label.level, label.action
        found[key] = found.get(key, 0) + value
    return found


@pytest.mark.parametrize(
    ("loops", "inside", "tiles", "sizes", "expected"),
    [
        # one key: a block of heads comes once and stays for all seven queries, whose outermost loop turns once
        ("p2, h1, p1, p0, m", "r", "{H0: 4, P0: 4, P1: 3}", {"P": 7, "M": 1, "H": 12, "R": 1}, 12),
        # two heads take turns for each of three queries and ten rows, the last block of rows being short
        ("r1, r0, p, h", "m", "{R0: 4}", {"P": 3, "M": 1, "H": 2, "R": 10}, 10 * 3 * 2),
        # one tile of four keys stays for all queries; each key comes once, when it is first wanted
        ("p, m1", "m0, r", "{M0: 4}", {"P": 13, "M": 4, "H": 5, "R": 1}, 4 * 5),
        # each of three blocks of two keys stays for all rows and queries: the loop inside them turns once
        ("m2, r, p, m1", "h", "{M0: 2, M1: 1}", {"P": 6, "M": 6, "H": 5, "R": 3}, 6 * 5),
        # keys of queries 0, 1, 2 in two blocks of rows each: 0 | 0 | 0 1 | 0 1 | 0 1 2 | 0 1 2, of which the first three stay
        (
            "p, r1, m2, r0, m1",
            "h",
            "{R0: 3, M0: 1, M1: 1}",
            {"P": 3, "M": 3, "H": 5, "R": 4},
            ((1 + 2 + 3) * 2 - 2) * 5,
        ),
        # one head and one block of keys: no loop changes the tile
        ("r, p, h, m1", "m0", "{M0: 4}", {"P": 4, "M": 4, "H": 1, "R": 3}, 4),
    ],
)
def test_a_tile_that_is_wanted_again_at_once_stays(
    loops: str, inside: str, tiles: str, sizes: dict[str, int], expected: int
) -> None:
    """Words of Y that are brought in, for each of the reasons why they stay."""
    assert words(KEPT, loops, inside, tiles, sizes)["Y", "L1", "fill"] == expected


def test_what_nobody_makes_does_not_leave() -> None:
    """Queries 0..4 of six have a key that is not before them: only these are made, and leave; five of two rows and heads."""
    sizes = {"P": 6, "M": 5, "H": 2, "R": 2}
    found = words(MADE, "p", "m", "{}", sizes, "p <= m")

    assert found["Z", "L1", "drain"] == 5 * 2 * 2
    # U, without the condition, reads all; of 5+4+3+2+1 partial sums all but the first of a query are read back
    assert found["Z", "L1", "read"] == (6 + 15 - 5) * 2 * 2
