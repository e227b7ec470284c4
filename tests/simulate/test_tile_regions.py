"""Conditions of other kinds, cut chunks, digits without loops and gathers in the tile-level simulator."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from fusemax.simulate.tile.result import Simulation
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
    names = ("mac", "mul", "add", "sub", "exp", "div", "max", "softplus", "neg", "pow", "topk")
    units = {
        "u": {"shape": {"lanes": 2}, "operations": dict.fromkeys(names, 1), "registers": {"depth": 1 << 20}}
    }
    levels = {"DRAM": {"bandwidth": "8 GB/s"}, "L1": {"size": "1 MiB"}}
    data = {"title": "t", "source": "s", "clock": "1 GHz", "word": "2 B", "levels": levels, "units": units}
    return machine_of(document_of(json.dumps(data)))


def mapped_as(
    cascade: str, nest: dict[str, Any], tiles: dict[str, int], absorb: Sequence[str] = ()
) -> Mapped:
    """Return *cascade* (a name, or a text) in one *nest* on the machine above."""
    whole = cascade_from_text(cascade) if cascade.startswith("\n") else load_cascade(cascade)
    bind = {"u": [einsum.name for einsum in whole.computed if einsum.name not in absorb]}
    data = {
        "title": "t", "source": "s", "cascade": "own", "absorb": list(absorb), "tiles": tiles, "nests": [nest], "bind": bind,
    }  # fmt: skip
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
    run = simulate(mapped, machine(), sizes)

    assert run.utilization["u"] * 2 * run.cycles == pytest.approx(left * h)
    assert words_of(run).get(("DRAM", "X", "read"), 0) == (a * b * c * -(-h // h0) if left else 0)


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


def moved_of(run: Simulation) -> dict[tuple[str, str, str, str], float]:
    """Return the words of a run by nest, level, tensor and kind, as a walk has them."""
    return {(k.nest, k.level, k.tensor, k.kind): pytest.approx(v) for k, v in run.words.items() if v}


@pytest.mark.parametrize("loops", [["b"], ["a", "b"], ["c", "a"], ["b", "a", "c"], ["h", "b", "c"]])
@pytest.mark.parametrize(
    "condition", ["a < b, b < c", "a + b <= c + 1", "2*a >= b, c < 2", "b >= B - 1", "a > 9"]
)
def test_conditions_whose_ranks_are_looped_over(condition: str, loops: list[str]) -> None:
    """Iterations without a point are passed over; words, useful work and what is kept are those of a walk."""
    text = OWN.format(condition=condition).replace("X: [A, B, C]", "X: [A, B, C], Z: [H]")
    inner = {"for": loops[-1:], "do": ["Y"]}
    nest = {"keep": {"DRAM": ["Y"]}, "do": [{"for": loops[:-1], "keep": {"L1": ["X", "Y"]}, "do": [inner]}]}
    mapped, sizes = mapped_as(text, nest, {}), {"A": 3, "B": 4, "C": 3, "H": 2}
    run, walked = simulate(mapped, machine(), sizes), walk(mapped, machine(), sizes)

    assert moved_of(run) == dict(walked.words)
    assert run.utilization["u"] * 2 * run.cycles == pytest.approx(walked.useful.get("u", 0.0))


def test_a_chunk_that_is_cut_by_hand() -> None:
    """T = 5 in chunks of 4: of the last, one element; CG[i1,j0] means 4 elements, then 1, for each of two e."""
    rest = ["CL", "A", "OI", "OX", "KV", "S", "AV"]
    nest = {"keep": {"DRAM": ["CG"]}, "do": [{"do": ["CG"]}, {"for": ["i1"], "do": rest}]}
    mapped = mapped_as("linear-attention/gated-chunked", nest, {"I0": 4})
    sizes = {"T": 5, "B": 1, "H": 1, "E": 2, "F": 2}
    run, walked = simulate(mapped, machine(), sizes), walk(mapped, machine(), sizes)

    assert words_of(run)[("DRAM", "CG", "read")] == 2 * (4 + 1)
    assert moved_of(run) == dict(walked.words)


def test_a_digit_without_a_loop_between_two_that_have_one() -> None:
    """M = 11 in tiles of 2*3: inside m2 = 1 lie 5 keys, so m0 = 0 and 1 have two of them, m0 = 2 has one."""
    nest = {"keep": {"DRAM": ["Y"]}, "do": [{"for": ["k2", "k0"], "do": ["Y"]}]}
    mapped = mapped_as("transformer/linear", nest, {"K0": 3, "K1": 2})
    sizes = {"R": 1, "K": 11, "N": 1}
    run, walked = simulate(mapped, machine(), sizes), walk(mapped, machine(), sizes)

    assert words_of(run)[("DRAM", "X", "read")] == 11
    assert words_of(run)[("DRAM", "Y", "write")] == 6
    assert run.phases[0].busy_cycles["u"] == 11
    assert moved_of(run) == dict(walked.words)


def test_elements_that_another_tensor_names() -> None:
    """V[f,TI[p,j]] is another element for each p and j: F*P*J words, once for each of two tiles of j as for one."""
    nest = {"keep": {"DRAM": ["SN", "SNV"]}, "do": [
        {"do": ["QK", "TI", "GM", "SN", "SD"]}, {"for": ["j1"], "do": ["SNV"]}, {"do": ["AV"]},
    ]}  # fmt: skip
    nest["keep"]["DRAM"] += ["TI", "SD"]
    mapped = mapped_as("sparse/top-k", nest, {"J0": 2}, absorb=["SQ"])
    sizes = {"B": 1, "H": 1, "E": 2, "F": 3, "M": 6, "P": 4, "J": 3}
    run, walked = simulate(mapped, machine(), sizes), walk(mapped, machine(), sizes)

    assert words_of(run)[("DRAM", "V", "read")] == 3 * 4 * 3
    assert moved_of(run) == dict(walked.words)


def test_room_of_a_tensor_read_under_two_names() -> None:
    """X[a] and X[z] of one tensor of 8 words take the room of both ranges at most, not of all their pairs."""
    text = "\ntitle: t\nsource: s\ninputs: {X: [A]}\nranks: {Z: A}\noutputs: [Y]\neinsums: |\n  Y[] = X[a]*X[z] :: sum[a,z]\n"
    mapped = mapped_as(text, {"keep": {"L1": ["X"]}, "do": ["Y"]}, {})
    (kept,) = simulate(mapped, machine(), {"A": 8}).buffers

    assert kept.tensor == "X"
    assert kept.high_water_B <= 2 * (8 + 8)


def test_what_is_no_sum_of_ranks_is_refused() -> None:
    """A condition on data, which sizes do not tell, is named."""
    text = OWN.format(condition="a*b <= c").replace("X: [A, B, C]", "X: [A, B, C], Z: [H]")
    with pytest.raises(FusemaxError, match=r"a\*b <= c|sum"):
        simulate(mapped_as(text, {"do": ["Y"]}, {}), machine(), {"A": 3, "B": 3, "C": 3, "H": 1})
