"""Masks and windows register by register: values against numpy, words against the cost model, times in order."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.ir import Cascade
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.machine import Machine, load_machine
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import load_mapping_file
from fusemax.simulate.array import simulate_array
from fusemax.simulate.pe.attention import run_attention
from fusemax.simulate.pe.result import Inputs, PeResult
from tests.simulate.small_mappings import Case, attention_mapping, mapped_from

CAUSAL = "m1*M0+m0 <= p+M-P"
#: Conditions, and the same as a mask of keys m and queries p in numpy.
CONDITIONS = {
    CAUSAL: lambda m, p, M, P, W: m <= p + M - P,
    "m1*M0+m0 <= p": lambda m, p, M, P, W: m <= p,
    f"{CAUSAL}, m1*M0+m0 > p+M-P-W": lambda m, p, M, P, W: (m <= p + M - P) & (m > p + M - P - W),
    "m1*M0+m0 >= p": lambda m, p, M, P, W: m >= p,
    "p - W < m1*M0+m0, m1*M0+m0 < p + W": lambda m, p, M, P, W: abs(m - p) < W,
    "m1*M0+m0 == p": lambda m, p, M, P, W: m == p,
}
CASCADE = """
title: t
source: s
batch: [B, H]
inputs: {{Q: [E, P], K: [E, M], V: [F, M]}}
{sizes}outputs: [AV]
einsums: |
  SQ[e,p] = Q[e,p]/sqrt(E)
  RM[0,p] = -inf
  RD[0,p] = 0
  RNV[f,0,p] = 0
  loop m1:
    BQK[m1,m0,p]  = SQ[e,p]*K[e,m1*M0+m0] :: sum[e] | {condition}
    LM[m1,p]      = BQK[m1,m0,p] :: max[m0] | {condition}
    RM[m1+1,p]    = max(RM[m1,p], LM[m1,p])
    SLN[m1,m0,p]  = exp(BQK[m1,m0,p] - RM[m1+1,p]) | {condition}
    SLD[m1,p]     = SLN[m1,m0,p] :: sum[m0] | {condition}
    SLNV[f,m1,p]  = SLN[m1,m0,p]*V[f,m1*M0+m0] :: sum[m0] | {condition}
    PRM[m1,p]     = {factor}
    SPD[m1,p]     = RD[m1,p]*PRM[m1,p]
    RD[m1+1,p]    = SLD[m1,p] + SPD[m1,p]
    SPNV[f,m1,p]  = RNV[f,m1,p]*PRM[m1,p]
    RNV[f,m1+1,p] = SLNV[f,m1,p] + SPNV[f,m1,p]
  AV[f,p] = RNV[f,M1,p]/RD[M1,p]
"""
PLAIN = "exp(RM[m1,p] - RM[m1+1,p])"
GUARDED = f"where(eq(RM[m1+1,p], -inf), 1, {PLAIN})"
STATE = dict.fromkeys(("RM", "RD", "RNV"), "DRAM")
ARRAY = {
    "2d.rows": 4.0,
    "2d.columns": 4.0,
    "1d.lanes": 4.0,
    "2d.registers.depth": 40.0,
    "1d.registers.depth": 60.0,
}


@cache
def machine() -> Machine:
    """Return FuseMax's chip, whose lanes compare and select in a cycle each."""
    return load_machine("fusemax")[0]


def cascade_under(condition: str, factor: str = GUARDED) -> Cascade:
    """Return the 1-pass cascade under *condition*."""
    sizes = "sizes: [W]\n" if "W" in condition else ""
    return cascade_from_text(CASCADE.format(condition=condition, factor=factor, sizes=sizes))


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A small mapping under a condition, as data."""

    condition: str
    data: dict[str, Any]
    sizes: dict[str, int]
    figures: dict[str, float]

    def case(self) -> Case:
        """Return it on the machine above."""
        mapped = mapped_from(self.data, machine(), cascade_under(self.condition))
        sizes = {name: size for name, size in self.sizes.items() if name != "W" or "W" in self.condition}
        return Case(mapped, machine(), sizes, self.figures)


@st.composite
def masked_cases(draw: st.DrawFn) -> Drawn:
    """Draw a condition, loops, what is kept where, and sizes with P below, at and above M, ragged tiles among them."""
    places = {
        name: draw(st.sampled_from(["head", "block", "outer", "inner", "DRAM"])) for name in ("Q", "K", "V")
    }
    places |= {
        name: draw(st.sampled_from(["head", "block", "outer", "DRAM"])) for name in ("RM", "RD", "RNV")
    }
    keys_outside = draw(st.booleans())
    if keys_outside:
        places |= {name: "block" for name in ("RM", "RD", "RNV") if places[name] == "outer"}
    data = attention_mapping(places, draw(st.integers(1, 2)), keys_outside, draw(st.integers(1, 3)))
    sizes = {name: draw(st.integers(1, 2)) for name in ("B", "H")}
    sizes |= {name: draw(st.integers(1, 3)) for name in ("E", "F")}
    sizes |= {"M": draw(st.integers(1, 17)), "P": draw(st.integers(1, 17)), "W": draw(st.integers(1, 7))}
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    figures = ARRAY | {"2d.rows": float(rows), "2d.columns": float(columns), "1d.lanes": float(columns)}
    return Drawn(draw(st.sampled_from(list(CONDITIONS))), data | {"cascade": "own"}, sizes, figures)


def seen(drawn: Drawn) -> np.ndarray:
    """Return which keys each query sees, bool[M, P], by numpy."""
    keys, queries = np.arange(drawn.sizes["M"])[:, None], np.arange(drawn.sizes["P"])[None, :]
    rule = CONDITIONS[drawn.condition]
    return np.asarray(rule(keys, queries, drawn.sizes["M"], drawn.sizes["P"], drawn.sizes["W"]))


def attention(inputs: Inputs, mask: np.ndarray) -> np.ndarray:
    """Return masked softmax attention query by query, [batch, F, P]; NaN where a query sees nothing."""
    found = np.full((inputs.Q.shape[0], inputs.V.shape[1], inputs.Q.shape[2]), np.nan)
    for g, p in np.ndindex(found.shape[0], found.shape[2]):
        keys = np.flatnonzero(mask[:, p])
        if keys.size:
            scores = np.exp(inputs.K[g][:, keys].T @ inputs.Q[g][:, p])
            found[g, :, p] = inputs.V[g][:, keys] @ (scores / scores.sum())
    return found


@given(masked_cases())
def test_the_result_is_masked_attention(drawn: Drawn) -> None:
    """Values are those of numpy, and NaN exactly for queries that see no key."""
    case = drawn.case()
    inputs = Inputs.drawn(drawn.sizes, (drawn.sizes["B"], drawn.sizes["H"]), seed=5)
    result = run_attention(case.mapped, case.machine, case.sizes, case.figures, inputs=inputs)

    np.testing.assert_allclose(result.output, attention(inputs, seen(drawn)), rtol=1e-11, atol=1e-12)
    assert result.error() < 1e-12


@given(masked_cases())
def test_words_are_those_of_the_cost_model(drawn: Drawn) -> None:
    """Words are equal tensor by tensor, level by level, direction by direction."""
    case = drawn.case()
    result = simulate_array(case.mapped, case.machine, case.sizes, case.figures)
    answer = cost(case.mapped, derive(case.mapped, case.machine, case.figures), case.sizes, case.figures)
    counted: dict[tuple[str, str, str], float] = {}
    for label, value in answer.table("words").items():
        key = (label.level, label.action, label.tensor)
        counted[key] = counted.get(key, 0.0) + value

    moved = {key: value for key, value in result.words.items() if value}
    assert moved == {key: pytest.approx(value) for key, value in counted.items() if value}


@settings(max_examples=20)
@given(masked_cases())
def test_times_are_ordered_and_work_is_useful(drawn: Drawn) -> None:
    """bound <= schedule <= simulate; the cycles have their causes; elements are busy for what the mask leaves alone."""
    case = drawn.case()
    result = simulate_array(case.mapped, case.machine, case.sizes, case.figures)
    answer = cost(case.mapped, derive(case.mapped, case.machine, case.figures), case.sizes, case.figures)
    points = int(seen(drawn).sum()) * drawn.sizes["B"] * drawn.sizes["H"]

    assert answer.bound_s <= answer.latency_s * (1 + 1e-12) <= result.latency_s * (1 + 2e-12)
    assert sum(result.parts.values()) == result.cycles
    busy = {einsum: cycles for (unit, einsum), cycles in result.busy.items() if unit == "2d"}
    assert busy == {
        "BQK": points * drawn.sizes["E"], "SLNV": points * drawn.sizes["F"], "LM": points, "SLN": 7 * points, "SLD": points,
    }  # fmt: skip


def run_shipped(cascade: str, sizes: dict[str, int], number_format: str = "float64") -> PeResult:
    """Return the run of a shipped cascade on FuseMax's own mapping, on 4 x 4 elements."""
    _, path = load_machine("fusemax")
    file, document = load_mapping_file("fusemax", path)
    mapped = map_onto(load_cascade(cascade), machine(), file, document)
    return run_attention(mapped, machine(), sizes, ARRAY, number_format)


@pytest.mark.parametrize(
    ("cascade", "sizes"),
    [
        ("causal/1-pass", {"M": 30, "P": 30}),
        ("grouped/causal", {"R": 1, "M": 30, "P": 9}),
        ("grouped/window", {"R": 1, "M": 30, "P": 30, "W": 6}),
        ("grouped/window", {"R": 1, "M": 30, "P": 1, "W": 6}),
    ],
)
def test_shipped_masks_run(cascade: str, sizes: dict[str, int]) -> None:
    """Causal attention, and windows with a chunk of queries or one."""
    assert run_shipped(cascade, {"B": 1, "H": 2, "E": 4, "F": 4, **sizes}).error() < 1e-12


def test_heads_of_a_group_share_their_keys() -> None:
    """Three heads with one K and V, kept for all of them: brought once, and each head attends to the same keys."""
    data = attention_mapping({"K": "head", "V": "head"} | STATE, 1, False, 1) | {"cascade": "grouped/causal"}
    (nest,) = data["nests"]
    data["nests"] = [{**nest, "do": [{"for": ["r"], "do": nest["do"]}]}]
    mapped = mapped_from(data, machine())
    sizes = {"B": 1, "H": 2, "R": 3, "E": 2, "F": 2, "M": 9, "P": 9}
    result = run_attention(mapped, machine(), sizes, ARRAY)
    first = result.output[:, :, 0].reshape(2, 3, 2)  # the first query sees the first key alone: AV is its V

    assert result.error() < 1e-12
    assert result.words["L3", "fill", "K"] == 2 * 2 * 9
    np.testing.assert_allclose(first, np.broadcast_to(first[:, :1], first.shape))


def test_a_mask_in_narrow_formats() -> None:
    """What a mask leaves out does not come back as a rounding error: no NaN, errors as without it."""
    result = run_shipped(
        "grouped/window", {"B": 1, "H": 2, "E": 8, "F": 8, "M": 40, "P": 40, "W": 7}, "fp16 throughout"
    )

    assert np.isfinite(result.output).all()
    assert 0 < result.relative_error() < 2.0**-7


def test_half_the_pairs_take_half_the_time() -> None:
    """Of n x n tiles a causal mask leaves n (n + 1) / 2, each an epoch of E + F + 10 cycles (14 with its lanes' choice)."""
    sizes = {"B": 1, "H": 1, "E": 4, "F": 4, "M": 40, "P": 40}

    assert run_shipped("causal/1-pass", sizes).parts["epochs of tiles"] == 55 * 18


def test_a_factor_without_a_guard_is_told() -> None:
    """Under a window exp(-inf - -inf) is no number: the query that gets it is named."""
    drawn = Drawn("p - W < m1*M0+m0, m1*M0+m0 < p + W", {}, {}, {})
    data = attention_mapping(STATE, 1, False, 1) | {"cascade": "own"}
    mapped = mapped_from(data, machine(), cascade_under(drawn.condition, PLAIN))
    sizes = {"B": 1, "H": 1, "E": 2, "F": 2, "M": 12, "P": 12, "W": 2}
    with pytest.raises(FusemaxError, match=re.escape("query 5 gets no number")):
        simulate_array(mapped, machine(), sizes, ARRAY)


def test_what_is_no_mask_of_both_is_refused() -> None:
    """A condition on the sum of key and query is named; so are running values that begin elsewhere."""
    mapped = mapped_from(
        attention_mapping(STATE, 1, False, 1) | {"cascade": "own"},
        machine(),
        cascade_under("m1*M0+m0 + p >= P"),
    )
    sizes = {"B": 1, "H": 1, "E": 2, "F": 2, "M": 12, "P": 12}
    with pytest.raises(
        FusemaxError, match=r"ties keys m and queries p by their difference; BQK has m1\*M0 \+ m0 \+ p >= P"
    ):
        simulate_array(mapped, machine(), sizes, ARRAY)
    with pytest.raises(FusemaxError, match=r"RM\[b,h,0,p\] = 0, instead of -inf"):
        run_shipped("variants/softmax-1-online", sizes)
