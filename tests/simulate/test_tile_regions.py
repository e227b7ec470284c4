"""Conditions of other kinds in the tile-level simulator: masks inside a chunk and three ranks, where no loop moves them."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.errors import FusemaxError
from fusemax.machine import Machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import mapping_file_of
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of
from tests.simulate.test_tiles import words_of
from tests.walk.walker import walk

OWN = """
title: t
source: s
inputs: {{X: [A, B, C]}}
outputs: [Y]
einsums: |
  Y[a,h] = X[a,b,c]*Z[h] :: sum[b,c] | {condition}
"""


def machine() -> Machine:
    """Return one memory and a row of lanes that do everything."""
    names = ("mac", "mul", "add", "sub", "exp", "div", "max", "softplus", "neg", "pow")
    units = {
        "u": {"shape": {"lanes": 2}, "operations": dict.fromkeys(names, 1), "registers": {"depth": 1 << 20}}
    }
    levels = {"DRAM": {"bandwidth": "8 GB/s"}, "L1": {"size": "1 MiB"}}
    data = {"title": "t", "source": "s", "clock": "1 GHz", "word": "2 B", "levels": levels, "units": units}
    return machine_of(document_of(json.dumps(data)))


def mapped_as(cascade: str, nest: dict[str, Any], tiles: dict[str, int]) -> Mapped:
    """Return *cascade* (a name, or a text) in one *nest* on the machine above."""
    whole = cascade_from_text(cascade) if cascade.startswith("\n") else load_cascade(cascade)
    bind = {"u": [einsum.name for einsum in whole.computed]}
    data = {"title": "t", "source": "s", "cascade": "own", "tiles": tiles, "nests": [nest], "bind": bind}
    document = document_of(json.dumps(data))
    return map_onto(whole, machine(), mapping_file_of(document), document)


@settings(max_examples=25, deadline=None)
@given(
    condition=st.sampled_from(["a < b, b < c", "a + b <= c + 1", "2*a >= b, c < 2", "b >= B - 1"]),
    a=st.integers(1, 5), b=st.integers(1, 5), c=st.integers(1, 5), h=st.integers(1, 5), h0=st.integers(1, 3),
)  # fmt: skip
def test_useful_work_is_counted_point_by_point(
    condition: str, a: int, b: int, c: int, h: int, h0: int
) -> None:
    """In tiles over another rank all is moved, and of the products those that the condition leaves are useful."""
    text = OWN.format(condition=condition).replace("X: [A, B, C]", "X: [A, B, C], Z: [H]")
    mapped = mapped_as(text, {"for": ["h1"], "do": ["Y"]}, {"H0": h0})
    sizes = {"A": a, "B": b, "C": c, "H": h}
    rule = condition.replace(",", " and").replace("B - 1", str(b - 1))
    left = sum(eval(rule, {"a": i, "b": j, "c": k}) for i, j, k in product(range(a), range(b), range(c)))
    if not left:
        with pytest.raises(FusemaxError, match="Y has the condition"):
            simulate(mapped, machine(), sizes)
        return
    run = simulate(mapped, machine(), sizes)

    assert run.utilization["u"] * 2 * run.cycles == pytest.approx(left * h)
    assert words_of(run)[("DRAM", "X", "read")] == a * b * c * -(-h // h0)


@pytest.mark.parametrize(
    ("cascade", "sizes", "chunk"),
    [
        ("linear-attention/lightning", {"N": 12, "B": 2, "H": 1, "E": 3, "F": 2}, 4),
        ("linear-attention/gated-chunked", {"T": 12, "B": 1, "H": 2, "E": 3, "F": 2}, 3),
        ("state-space/mamba-2-chunked", {"T": 8, "B": 2, "H": 1, "D": 3, "N": 2}, 4),
    ],
)
def test_chunked_forms_run(cascade: str, sizes: dict[str, int], chunk: int) -> None:
    """Linear attentions in chunks, one body per chunk: words and useful work are those of a walk."""
    einsums = [einsum.name for einsum in load_cascade(cascade).computed]
    first = ["CG"] if "CG" in einsums else []
    whole = [{"do": [name for name in einsums if name in ("CG", "CL", "DL")]}] if first else []
    rest = [name for name in einsums if not first or name not in ("CG", "CL", "DL")]
    nest = {"do": [*whole, {"for": ["i1"], "do": rest}]}
    nest["keep"] = {"DRAM": [n for n in ("CG", "CL", "DL") if n in einsums]} if first else {}
    mapped = mapped_as(cascade, nest, {"I0": chunk})
    run, walked = simulate(mapped, machine(), sizes), walk(mapped, machine(), sizes)
    moved = {(k.nest, k.level, k.tensor, k.kind): v for k, v in run.words.items() if v}

    assert moved == {key: pytest.approx(value) for key, value in walked.words.items()}
    assert run.utilization["u"] * 2 * run.cycles == pytest.approx(walked.useful["u"])


def test_what_loops_move_is_refused() -> None:
    """A loop over what a condition names, and a rank that ends inside of a chunk that is read by another variable."""
    text = OWN.format(condition="a < b, b < c").replace("X: [A, B, C]", "X: [A, B, C], Z: [H]")
    with pytest.raises(
        FusemaxError, match=r"others run where no\s+loop around the body moves what they name"
    ):
        simulate(
            mapped_as(text, {"for": ["b"], "do": ["Y"]}, {}), machine(), {"A": 3, "B": 3, "C": 3, "H": 1}
        )
    mapped = mapped_as(
        "linear-attention/gated-chunked",
        {
            "keep": {"DRAM": ["CG"]},
            "do": [{"do": ["CG"]}, {"for": ["i1"], "do": ["CL", "A", "OI", "OX", "KV", "S", "AV"]}],
        },
        {"I0": 4},
    )
    with pytest.raises(FusemaxError, match=r"reads CG\[.*\], of which T = 5 leaves a part of the last I0"):
        simulate(mapped, machine(), {"T": 5, "B": 1, "H": 1, "E": 2, "F": 2})
