"""Small mappings of the 1-pass cascade, drawn at random: what is kept where, loops, tiles, sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from fusemax.cascade.build import load_cascade
from fusemax.cascade.ir import Cascade
from fusemax.machine import Machine, load_machine
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of

TILE = ["BQK", "LM", "RM", "SLN", "SLD", "SLNV", "PRM", "SPD", "RD", "SPNV", "RNV"]
BIND = {"2d": ["BQK", "LM", "SLN", "SLD", "SLNV"], "1d": ["RM", "PRM", "SPD", "RD", "SPNV", "RNV", "AV"]}
EPOCH = [
    {"2d": ["BQK", "LM"], "1d": ["RD", "RNV", "AV"]},
    {"1d": ["RM"]},
    {"2d": ["SLN", "SLD"], "1d": ["PRM", "SPD"]},
    {"2d": ["SLNV"], "1d": ["SPNV"]},
]


@dataclass(frozen=True)
class Case:
    """One mapping on one machine, with sizes and figures."""

    mapped: Mapped
    machine: Machine
    sizes: dict[str, int]
    figures: dict[str, float]


def _text(value: Any) -> str:
    """Return *value* as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_text(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(entry) for entry in value) + "]"
    return str(value)


def mapped_from(data: dict[str, Any], machine: Machine, cascade: Cascade | None = None) -> Mapped:
    """Return the mapping that *data* describes, of a shipped or the given *cascade*, read as a file would be."""
    document = document_of("\n".join(f"{key}: {_text(value)}" for key, value in data.items()) + "\n")
    file = mapping_file_of(document)
    return map_onto(cascade or load_cascade(file.cascade), machine, file, document)


def attention_mapping(places: dict[str, str], buffers: int, keys_outside: bool, p1: int) -> dict[str, Any]:
    """Return a mapping that keeps each tensor where *places* says: in L3 (for a head, a block, in a loop) or DRAM."""

    def keep(place: str) -> dict[str, Any]:
        kept = [{"tensor": name, "buffers": buffers} for name, where in places.items() if where == place]
        outside = [name for name, where in places.items() if (where, place) == ("DRAM", "head")]
        levels = {"L3": kept, "DRAM": outside}
        return {"keep": {level: found for level, found in levels.items() if found}} if kept or outside else {}

    spatial = {"spatial": {"2d": {"m0": "rows", "p0": "columns"}, "1d": {"p0": "lanes"}}}
    outer, inner = ("m1", "p1") if keys_outside else ("p1", "m1")
    tile = {"for": [inner], **keep("inner"), **spatial, "do": TILE}
    after = {**({"for": ["p1"]} if keys_outside else {}), "spatial": {"1d": {"p0": "lanes"}}, "do": ["AV"]}
    middle = {"for": [outer], **keep("outer")}
    do = [{**middle, "do": [tile]}, after] if keys_outside else [{**middle, "do": [tile, after]}]
    return {
        "title": "small", "source": "drawn", "cascade": "attention/1-pass", "absorb": ["SQ"],
        "tiles": {"M0": "2d.rows", "P0": "2d.columns", "P1": p1},
        "nests": [{"for": ["b", "h"], **keep("head"), "do": [{"for": ["p2"], **keep("block"), "do": do}]}],
        "bind": BIND, "schedule": EPOCH,
    }  # fmt: skip


@st.composite
def attention_cases(draw) -> Case:
    """Return any small mapping of this cascade."""
    anywhere = st.sampled_from(["head", "block", "outer", "inner", "DRAM"])
    state = st.sampled_from(["head", "block", "DRAM"])
    places = {name: draw(anywhere) for name in ("Q", "K", "V")}
    places |= {name: draw(state) for name in ("RM", "RD", "RNV")}
    size = st.integers(1, 4)
    keys_outside, p1 = draw(st.booleans()), draw(st.integers(1, 3))
    data = attention_mapping(places, draw(st.integers(1, 2)), keys_outside, p1)
    sizes = {"B": draw(st.integers(1, 2)), "H": draw(st.integers(1, 2)), "E": draw(size), "F": draw(size)}
    sizes |= {"M": draw(st.integers(1, 13)), "P": draw(st.integers(1, 13))}
    rows, columns = draw(size), draw(size)
    figures = {"2d.rows": rows, "2d.columns": columns, "1d.lanes": columns}
    machine, _ = load_machine("fusemax")
    return Case(mapped_from(data, machine), machine, sizes, {name: float(v) for name, v in figures.items()})
