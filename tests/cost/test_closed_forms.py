"""The engine against closed forms written by hand, at shapes and machines that are in no published table."""

from __future__ import annotations

from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.cost.evaluate import CapacityError, Cost, cost
from fusemax.cost.model import derive
from fusemax.machine import load_machine
from tests.cost import formulas
from tests.cost.formulas import Array, Shape
from tests.mappings import load_mapping

shapes = st.builds(
    Shape,
    B=st.integers(1, 4),
    H=st.integers(1, 3),
    M=st.integers(1, 5000),
    P=st.integers(1, 5000),
    E=st.integers(1, 300),
    F=st.integers(1, 300),
)
arrays = st.builds(
    Array,
    rows=st.sampled_from([16, 64, 128, 200, 256]),
    columns=st.sampled_from([16, 64, 96, 256]),
    lanes=st.sampled_from([16, 64, 256, 300]),
    buffer_bytes=st.sampled_from([2.0**16, 2.0**18, 2.0**20, 2.0**24, 3.5 * 2**20]),
    bandwidth=st.sampled_from([1e9, 4e11, 400 * 2.0**30]),
    clock=st.sampled_from([5e8, 940e6]),
    exponential=st.integers(1, 9),
    division=st.integers(1, 8),
)


@lru_cache
def derived(machine: str, mapping: str):
    """Return the mapped cascade and its program."""
    described, path = load_machine(machine)
    mapped = load_mapping(mapping, described, path)
    return mapped, derive(mapped, described, ["2d.operations.sub_exp", "1d.operations.sub_exp"])


def evaluated(machine: str, mapping: str, shape: Shape, array: Array) -> Cost:
    """Return the engine's cost of *shape* on *array*."""
    mapped, program = derived(machine, mapping)
    figures = {
        "2d.rows": array.rows, "2d.columns": array.columns, "1d.lanes": array.lanes, "L3.size": array.buffer_bytes,
        "DRAM.bandwidth": array.bandwidth, "clock": array.clock, "1d.operations.div": array.division,
        "2d.operations.sub_exp": array.exponential, "1d.operations.sub_exp": array.exponential,
    }  # fmt: skip
    figures = {name: value for name, value in figures.items() if name in program.parameters}
    sizes = {name: getattr(shape, name) for name in ("B", "H", "M", "P", "E", "F")}
    return cost(mapped, program, sizes, figures)


@given(shapes, arrays)
def test_fusemax_binding(shape: Shape, array: Array) -> None:
    """Latency, traffic and L3 words of FuseMax's mapping; what does not fit is refused."""
    if formulas.fused_tiles(shape, array) is None:
        with pytest.raises(CapacityError):
            evaluated("fusemax", "fusemax", shape, array)
        return
    answer = evaluated("fusemax", "fusemax", shape, array)
    expected = formulas.fused_counts(shape, array)
    words = {kind: 0.0 for kind in ("read", "write", "fill")}
    for label, value in answer.table("words").items():
        if label.level == "L3":
            words[label.action] += value

    assert formulas.pipelined_seconds(shape, array) == pytest.approx(answer.latency_s, rel=1e-12)
    assert expected["traffic"] == answer.traffic_B
    assert {"read": expected["l3_read"], "write": expected["l3_write"], "fill": expected["l3_fill"]} == words


@given(shapes, arrays)
def test_one_tile_after_the_other(shape: Shape, array: Array) -> None:
    """FuseMax's array without its binding."""
    if formulas.fused_tiles(shape, array) is not None:
        answer = evaluated("fusemax", "one-tile", shape, array)

        assert formulas.one_tile_seconds(shape, array) == pytest.approx(answer.latency_s, rel=1e-12)


@given(shapes, arrays)
def test_unfused(shape: Shape, array: Array) -> None:
    """Three phases through DRAM, where every phase's tiles fit."""
    try:
        answer = evaluated(
            "flat", "unfused", shape, Array(**{**vars(array), "exponential": 1, "division": 1})
        )
    except CapacityError:
        return
    seconds, traffic = formulas.unfused_seconds_and_bytes(
        shape, Array(**{**vars(array), "exponential": 1, "division": 1})
    )

    assert traffic == answer.traffic_B
    assert seconds == pytest.approx(answer.latency_s, rel=1e-12)


@given(shapes, arrays)
def test_cascade_on_flat(shape: Shape, array: Array) -> None:
    """The 1-pass cascade on FLAT's machine."""
    if formulas.fused_tiles(shape, array, scores=True) is None:
        return
    try:
        answer = evaluated("flat", "fused-1-pass", shape, array)
    except CapacityError:  # two running values per lane do not fit when few lanes serve many columns
        return

    assert formulas.fused_counts(shape, array, scores=True)["traffic"] == answer.traffic_B
    assert formulas.cascade_seconds(shape, array) == pytest.approx(answer.latency_s, rel=1e-12)


@given(st.integers(1, 20000), st.integers(1, 4000), st.integers(1, 4000), arrays)
def test_linear_layer(rows: int, K: int, N: int, array: Array) -> None:
    """The better of both mappings of a linear layer moves what the closed form says."""
    best = []
    for mapping in ("linear-weights", "linear-rows"):
        mapped, program = derived("flat", mapping)
        figures = {"2d.rows": array.rows, "2d.columns": array.columns, "L3.size": array.buffer_bytes}
        try:
            best.append(cost(mapped, program, {"R": rows, "K": K, "N": N}, figures).traffic_B)
        except CapacityError:
            continue
    if best:
        assert formulas.linear_bytes(rows, K, N, array) == min(best)


def test_decode_uses_one_column() -> None:
    """One query: one column of the array works, and the bound is what the keys and values weigh."""
    answer = evaluated("fusemax", "fusemax", Shape(1, 1, 4096, 1, 64, 64), Array())

    assert 2 * (64 + 64 + 4096 * 128) == answer.traffic_B
    assert answer.utilization()["2d"] < 1 / 256


def test_a_window_touches_its_sum_not_its_product(tmp_path) -> None:
    """Tiles of 256 queries with windows of 64 keys read 256 + 63 keys each."""
    mapping = tmp_path / "window.yaml"
    mapping.write_text(
        "title: t\nsource: test\ncascade: sparse/neighbourhood\ntiles: {P0: 2d.columns}\nabsorb: [SQ]\n"
        "nests:\n- for: [b, h, p1]\n  keep: {L3: [K, V, Q, QK, GM, SN, SD, A]}\n"
        "  spatial: {2d: {p0: columns}, 1d: {p0: lanes}}\n"
        "  do:\n  - do: [QK]\n  - do: [GM]\n  - do: [SN]\n  - do: [SD]\n  - do: [A]\n  - do: [AV]\n"
        "bind: {2d: [QK, AV], 1d: [GM, SN, SD, A]}\n"
    )
    described, path = load_machine("flat")
    mapped = load_mapping(str(mapping), described, path)
    answer = cost(mapped, derive(mapped, described), {"B": 2, "H": 3, "P": 1024, "W": 64, "E": 16, "F": 32})
    fills = {
        lab.tensor: v
        for lab, v in answer.table("words").items()
        if lab.level == "L3" and lab.action == "fill"
    }

    assert 6 * 4 * (256 + 63) * 16 == fills["K"]
    assert 6 * 4 * (256 + 63) * 32 == fills["V"]
