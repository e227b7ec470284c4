"""Small machines and mappings drawn at random, for the laws of the tile-level simulator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from fusemax.cascade.build import load_cascade
from fusemax.machine import Machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of

SCHEDULES = ("overlapped", "serial", "auto", "steps")
EPOCHS = [
    {"2d": ["BQK", "LM"], "1d": ["RD", "RNV", "AV"]},
    {"1d": ["RM"]},
    {"2d": ["SLN", "SLD"], "1d": ["PRM", "SPD"]},
    {"2d": ["SLNV"], "1d": ["SPNV"]},
]


@dataclass(frozen=True)
class Case:
    """A mapping on a machine, and the sizes of its ranks."""

    mapped: Mapped
    machine: Machine
    sizes: Mapping[str, int]


def mapped_from(data: Mapping[str, Any], machine: Machine) -> Mapped:
    """Return the mapping that *data* (as of a mapping's file) describes, on *machine*."""
    document = document_of(json.dumps({"title": "t", "source": "s", **data}))
    return map_onto(load_cascade(data["cascade"]), machine, mapping_file_of(document), document)


@st.composite
def machines(draw: st.DrawFn, replicas: bool = False) -> Machine:
    """Draw a machine of two levels, a 2D and a 1D array, with or without ports, latencies and several cores."""
    memory: dict[str, Any] = {"size": "1 GiB", "line": "8 B"}
    if draw(st.booleans()):
        memory["ports"] = draw(st.integers(1, 4))
    two: dict[str, Any] = {
        "shape": {"rows": draw(st.integers(1, 4)), "columns": draw(st.integers(1, 4))},
        "operations": {"mac": 1, "mul": 1, "add": 1, "max": 1, "sub_exp": draw(st.integers(1, 7))},
    }
    if draw(st.booleans()):
        two |= {"fill": draw(st.integers(0, 90)), "drain": draw(st.integers(0, 5))}
    two["registers"] = {"depth": 1 << 20}
    inner: dict[str, Any] = {"size": "1 GiB"}
    if draw(st.booleans()):
        inner["bandwidth"] = f"{draw(st.sampled_from([2, 5, 32]))} GB/s"
    one = {
        "shape": {"lanes": draw(st.integers(1, 4))},
        "operations": {"mac": 1, "mul": 1, "add": 1, "max": 1, "div": draw(st.integers(1, 4)), "sub_exp": 3},
    }
    data = {
        "title": "t", "source": "s", "clock": "1 GHz", "word": "2 B",
        "levels": {
            "DRAM": {"bandwidth": f"{draw(st.sampled_from([1, 3, 7, 64]))} GB/s"},
            "L3": memory,
            "L1": inner,
        },
        "units": {"2d": two, "1d": one},
    }  # fmt: skip
    if replicas:
        data["replicas"] = draw(st.integers(1, 4))
    return machine_of(document_of(json.dumps(data)))


def _some(draw: st.DrawFn, tensors: tuple[str, ...], buffers: int) -> list[dict[str, Any]]:
    chosen = [t for t in tensors if draw(st.booleans())]
    return [{"tensor": t, "buffers": draw(st.integers(1, buffers))} for t in chosen]


def _anywhere(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Draw what one node keeps, a tensor at several levels too."""
    places = ["L3", *(place for place in ("L1", "2d") if draw(st.integers(0, 3)) == 0)]
    return {place: _some(draw, ("X", "W", "Y"), 3) for place in places}


@st.composite
def attention(draw: st.DrawFn, schedules: tuple[str, ...] = SCHEDULES, buffers: int = 3) -> Case:
    """Draw FuseMax's nest with other tiles, other residences, other loop orders and any schedule."""
    machine = draw(machines())
    two = machine.units["2d"].shape
    rows, columns = int(two["rows"].value), int(two["columns"].value)
    schedule = draw(st.sampled_from(schedules))
    data = {
        "cascade": "attention/1-pass",
        "absorb": ["SQ"],
        "tiles": {
            "M0": draw(st.integers(1, 2 * rows)), "P0": draw(st.integers(1, 2 * columns)), "P1": draw(st.integers(1, 3)),
        },
        "nests": [
            {
                "for": draw(st.sampled_from([["b", "h", "p2"], ["h", "b", "p2"], ["p2", "b", "h"]])),
                "keep": {"L3": [*_some(draw, ("Q",), buffers), *_some(draw, ("RM", "RD", "RNV"), buffers)]},
                "do": [
                    {
                        "for": ["m1"],
                        "keep": {"L3": _some(draw, ("K", "V"), buffers)},
                        "do": [
                            {
                                "for": ["p1"],
                                "spatial": {"2d": {"m0": "rows", "p0": "columns"}, "1d": {"p0": "lanes"}},
                                "do": [
                                    "BQK", "LM", "RM", "SLN", "SLD", "SLNV", "PRM", "SPD", "RD", "SPNV", "RNV",
                                ],
                            }
                        ],
                    },
                    {"for": ["p1"], "spatial": {"1d": {"p0": "lanes"}}, "do": ["AV"]},
                ],
            }
        ],
        "bind": {
            "2d": ["BQK", "LM", "SLN", "SLD", "SLNV"],
            "1d": ["RM", "PRM", "SPD", "RD", "SPNV", "RNV", "AV"],
        },
        "schedule": EPOCHS if schedule == "steps" else schedule,
    }  # fmt: skip
    _keep_what_leaves(data)
    sizes = {name: draw(st.integers(1, 3)) for name in ("B", "H", "E", "F")}
    sizes |= {name: draw(st.integers(1, 14)) for name in ("M", "P")}
    return Case(mapped_from(data, machine), machine, sizes)


def _keep_what_leaves(data: dict[str, Any]) -> None:
    """Keep RD and RNV, which leave their body for that of AV: a mapping without that is not legal."""
    kept = data["nests"][0]["keep"]["L3"]
    have = {entry["tensor"] for entry in kept}
    kept += [{"tensor": t, "buffers": 1} for t in ("RD", "RNV") if t not in have]


@st.composite
def product(draw: st.DrawFn, schedules: tuple[str, ...] = ("overlapped", "serial", "auto")) -> Case:
    """Draw a matrix product with its three ranks cut at random, loops in any legal order, tensors kept anywhere."""
    machine = draw(machines())
    cuts = {rank: draw(st.integers(0, 2)) for rank in "RNK"}
    tiles = {f"{rank}{k}": draw(st.integers(1, 3)) for rank, n in cuts.items() for k in range(n)}
    two = machine.units["2d"].shape
    for rank, dimension in (("R", "rows"), ("N", "columns")):
        if cuts[rank]:
            tiles[f"{rank}0"] = draw(st.integers(1, 2 * int(two[dimension].value)))
    digits = {r: [f"{r.lower()}{k}" for k in range(n, 0, -1)] if n else [] for r, n in cuts.items()}
    order: list[str] = []
    left = {r: list(d) for r, d in digits.items()}
    while any(left.values()):
        rank = draw(st.sampled_from([r for r, d in left.items() if d]))
        order.append(left[rank].pop(0))
    spatial = {d: dim for d, dim in (("r0", "rows"), ("n0", "columns")) if d[0].upper() in tiles_cut(cuts)}
    node: dict[str, Any] = {"spatial": {"2d": spatial}, "do": ["Y"], "keep": _anywhere(draw)}
    while order:
        take = draw(st.integers(1, len(order)))
        loops, order = order[-take:], order[:-take]
        node["for"] = loops
        if order:
            node = {"do": [node], "keep": _anywhere(draw)}
    data = {
        "cascade": "transformer/linear",
        "tiles": tiles,
        "nests": [node],
        "bind": {"2d": ["Y"]},
        "schedule": draw(st.sampled_from(schedules)),
    }
    sizes = {rank: draw(st.integers(1, 13)) for rank in "RNK"}
    return Case(mapped_from(data, machine), machine, sizes)


def tiles_cut(cuts: Mapping[str, int]) -> set[str]:
    """Return the ranks that are cut at all."""
    return {rank for rank, count in cuts.items() if count}
