"""Room: what is there at once, counted by hand from the rules of docs/mappings.md; cost and simulate refuse alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_of, load_cascade
from fusemax.cost.evaluate import Cost, cost, costs
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.machine import Machine, load_machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import load_mapping_file, mapping_file_of, with_changes
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of

ALL = {name: 1 for name in ("mac", "mul", "add", "sub", "max", "exp", "div")}


def machine(**changes: Any) -> Machine:
    """Return two units of 4 lanes with registers for a long time, and a scratchpad."""
    units = {name: {"shape": {"lanes": 4}, "operations": ALL, "registers": {"depth": 1000}} for name in "ab"}
    levels = {"DRAM": {"bandwidth": "1 GB/s"}, "SPM": {"size": "1 MiB"}}
    data = {"title": "t", "source": "s", "clock": "1 GHz", "word": "2 B", "levels": levels, "units": units}
    return machine_of(document_of(json.dumps({**data, **changes})))


def mapped(
    einsums: str, inputs: Mapping[str, list[str]], outputs: Sequence[str], on: Machine, **data: Any
) -> Mapped:
    """Return a mapping of a cascade written here."""
    text = {
        "title": "t",
        "source": "s",
        "inputs": inputs,
        "outputs": list(outputs),
        "einsums": einsums,
    }
    cascade = cascade_of(document_of(json.dumps(text)), "mine")
    document = document_of(json.dumps({"title": "t", "source": "s", "cascade": "mine", **data}))
    return map_onto(cascade, on, mapping_file_of(document), document)


def answered(plan: Mapped, on: Machine, **sizes: int) -> Cost:
    """Return the cost, whether what is kept fits or not."""
    (answer,) = costs(plan, derive(plan, on), [(sizes, {})])
    return answer


def occupied(plan: Mapped, on: Machine, place: str, **sizes: int) -> float:
    """Return the bytes that are needed in *place*."""
    found = answered(plan, on, **sizes).table("occupancy")
    return sum(value for label, value in found.items() if label.level == place)


SOFTMAX = """
G[p] = X[p,m] :: max[m]
N[p,m] = exp(X[p,m] - G[p])
S[p] = N[p,m] :: sum[m]
A[p,m] = N[p,m]/S[p]
"""
X, PM = {"X": ["P", "M"]}, {"P": 8, "M": 32}


@pytest.mark.parametrize(
    ("schedule", "bind", "words"),
    [
        # one body for a row of 32: N waits for S, its own sum; G and S are read for every m
        ("serial", {"a": ["G", "N", "S", "A"]}, 1 + 32),  # the most while N is made: G and N; S and N while A is
        ("overlapped", {"a": ["G", "N", "S", "A"]}, 1 + 32 + 1),  # one unit: one of each
        ("overlapped", {"a": ["G", "N"], "b": ["S", "A"]}, 1 + 2 * 32),  # N is made anew while b reads: two; S is in b
        ([{"a": ["G"]}, {"a": ["N"]}, {"a": ["S"]}, {"a": ["A"]}], {"a": ["G", "N", "S", "A"]}, 33),
        ([{"a": ["N"], "b": ["A"]}, {"a": ["G"], "b": ["S"]}], {"a": ["G", "N"], "b": ["S", "A"]}, 1 + 2 * 32),
    ],
)  # fmt: skip
def test_values_inside_a_body(schedule: Any, bind: dict[str, list[str]], words: int) -> None:
    """Room in the registers of unit a, in words of two bytes.

    The last schedule makes N an epoch after G, sums it in the same epoch and divides in the next: two of N are there in its
    first step, one that is made and one that is divided. G is there in the second step and in the first of the next epoch.
    """
    on = machine()
    plan = mapped(
        SOFTMAX,
        X,
        ["A"],
        on,
        nests=[{"for": ["p"], "do": ["G", "N", "S", "A"]}],
        bind=bind,
        schedule=schedule,
    )
    assert 2 * words == occupied(plan, on, "a", **PM)


def test_what_is_handed_on_takes_no_room() -> None:
    """Products and their sums, point by point: no element waits for another."""
    on = machine()
    einsums = "T[p,m] = X[p,m]*X[p,m]\nU[p,m] = exp(T[p,m])\nZ[p] = U[p,m] :: sum[m]\n"
    plan = mapped(einsums, X, ["Z"], on, nests=[{"do": ["T", "U", "Z"]}], bind={"a": ["T", "U"], "b": ["Z"]})
    assert occupied(plan, on, "a", **PM) == 0


def test_a_unit_without_registers_uses_the_innermost_level() -> None:
    """Then its values lie with what is kept there: X of 32 words, N of 32, G and S."""
    units = {"a": {"shape": {"lanes": 4}, "operations": ALL}}
    on = machine(units=units)
    nest = {"for": ["p"], "keep": {"SPM": ["X"]}, "do": ["G", "N", "S", "A"]}
    plan = mapped(SOFTMAX, X, ["A"], on, nests=[nest], bind={"a": ["G", "N", "S", "A"]})
    assert 2 * (32 + 1 + 32 + 1) == occupied(plan, on, "SPM", **PM)


def test_values_that_share_a_place() -> None:
    """``in_place`` holds for values inside bodies too: the larger of both."""
    on = machine()
    plan = mapped(
        SOFTMAX, X, ["A"], on, nests=[{"for": ["p"], "do": ["G", "N", "S", "A"]}], bind={"a": ["G", "N", "S", "A"]},
        in_place=[["G", "N"]],
    )  # fmt: skip
    assert 2 * (32 + 1) == occupied(plan, on, "a", **PM)


CHAIN = "U[h,m] = X[h,k]*V[k,m] :: sum[k]\nY[h,n] = U[h,m]*W[m,n] :: sum[m]\n"
OPERANDS = {"X": ["H", "K"], "V": ["K", "M"], "W": ["M", "N"]}


def siblings(schedule: str, loops: list[str]) -> tuple[Mapped, Machine]:
    """Return two products in a row, each with its weights in the scratchpad, U between them."""
    on = machine()
    nodes = [{"keep": {"SPM": ["V"]}, "do": ["U"]}, {"keep": {"SPM": ["W"]}, "do": ["Y"]}]
    nest = {"for": loops, "keep": {"SPM": ["U"]}, "do": nodes}
    return mapped(CHAIN, OPERANDS, ["Y"], on, nests=[nest], bind={"a": ["U", "Y"]}, schedule=schedule), on


@pytest.mark.parametrize(
    ("schedule", "loops", "H", "words"),
    [
        (
            "serial",
            [],
            2,
            2 * 8 + 10 * 8,
        ),  # V and W take turns: U of 2 x 8, and the larger of 5 x 8 and 8 x 10
        ("overlapped", [], 2, 2 * 8 + 5 * 8 + 8 * 10),  # both may be there
        (
            "serial",
            ["h"],
            2,
            8 + 5 * 8 + 8 * 10,
        ),  # no loop changes them: they stay from row to row, counted once
    ],
)
def test_siblings(schedule: str, loops: list[str], H: int, words: int) -> None:
    """Tiles that are never there together are not added up."""
    plan, on = siblings(schedule, loops)
    assert 2 * words == occupied(plan, on, "SPM", H=H, K=5, M=8, N=10)


def test_siblings_that_move_on() -> None:
    """Weights of each h leave before those of the sibling come."""
    on = machine()
    einsums = "U[h,m] = X[h,k]*V[h,k,m] :: sum[k]\nY[h,n] = U[h,m]*W[h,m,n] :: sum[m]\n"
    inputs = {"X": ["H", "K"], "V": ["H", "K", "M"], "W": ["H", "M", "N"]}
    nodes = [{"keep": {"SPM": ["V"]}, "do": ["U"]}, {"keep": {"SPM": ["W"]}, "do": ["Y"]}]
    nest = {"for": ["h"], "keep": {"SPM": ["U"]}, "do": nodes}
    plan = mapped(einsums, inputs, ["Y"], on, nests=[nest], bind={"a": ["U", "Y"]}, schedule="serial")
    assert 2 * (8 + 8 * 10) == occupied(plan, on, "SPM", H=3, K=5, M=8, N=10)


@cache
def many_scores(schedule: str) -> tuple[Mapped, Machine, Program]:
    """Return FuseMax's mapping with M0 left to be given, under *schedule*."""
    described, path = load_machine("fusemax")
    file, document = load_mapping_file("fusemax", path)
    changes: dict[str, Any] = {"tiles.M0": "M0", **({} if schedule == "steps" else {"schedule": schedule})}
    file = mapping_file_of(with_changes(document, changes))
    plan = map_onto(load_cascade(file.cascade), described, file, document)
    return plan, described, derive(plan, described)


@settings(deadline=None, max_examples=20)
@given(
    scores=st.integers(1, 12),
    depth=st.integers(1, 24),
    schedule=st.sampled_from(["overlapped", "serial", "steps"]),
)
def test_scores_of_a_processing_element(scores: int, depth: int, schedule: str) -> None:
    """FuseMax with several scores a PE: in steps, and in series, a score and its exponential are there at once.

    Overlapped, the next score is made before its maximum is back from the other array: three words each. On the 1D array (256
    lanes of 32 words) PRM waits, one word a lane; the rest passes.
    """
    plan, described, program = many_scores(schedule)
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "M": 256 * scores, "P": 256, "M0": 256 * scores}
    figures = {"2d.registers.depth": float(depth)}
    fits = scores * (3 if schedule == "overlapped" else 2) <= depth
    for run in (
        lambda: cost(plan, program, sizes, figures),
        lambda: simulate(plan, described, sizes, figures),
    ):
        refused = "" if fits else r"2d is too small .*needed \(BQK.*there"
        with pytest.raises(FusemaxError, match=refused) if refused else nullcontext():
            run()


def outermost(size: str) -> Machine:
    """Return a machine whose outermost level has a size."""
    return machine(levels={"DRAM": {"bandwidth": "1 GB/s", "size": size}, "SPM": {"size": "1 MiB"}})


def test_whole_tensors_in_the_outermost_level() -> None:
    """Inputs X, V, W and output Y always; U while it is made in one nest for the next; a nest that needs only U keeps all."""
    on = outermost("1 GB")
    nests = [{"name": "one", "do": ["U"]}, {"name": "two", "do": ["Y"]}]
    plan = mapped(CHAIN, OPERANDS, ["Y"], on, nests=nests, bind={"a": ["U", "Y"]})
    H, K, M, N = 2, 5, 8, 10
    found = answered(plan, on, H=H, K=K, M=M, N=N).table("occupancy")
    ends = H * K + K * M + M * N + H * N
    assert [2 * (ends + H * M)] * 2 == [value for label, value in found.items() if label.level == "DRAM"]


@pytest.mark.parametrize(("kept", "running"), [({"SPM": ["R"]}, 0), ({}, 3)])
def test_running_values_in_the_outermost_level(kept: dict[str, list[str]], running: int) -> None:
    """A running sum of three that no level keeps through its loop is in DRAM: one generation of it."""
    on = outermost("1 GB")
    einsums = "R[0,p] = 0\nloop m:\n  T[m,p] = X[m,p]*X[m,p]\n  R[m+1,p] = R[m,p] + T[m,p]\nZ[p] = R[M,p]\n"
    nests = [{"for": ["p"], "do": [{"for": ["m"], "do": ["T", "R"]}, {"do": ["Z"]}], "keep": kept}]
    nests = nests if kept else [{"for": ["m"], "do": ["T", "R"], "name": "r"}, {"name": "z", "do": ["Z"]}]
    plan = mapped(einsums, {"X": ["M", "P"]}, ["Z"], on, nests=nests, bind={"a": ["T", "R", "Z"]})
    found = {
        label: v
        for label, v in answered(plan, on, M=4, P=3).table("occupancy").items()
        if label.level == "DRAM"
    }
    assert 2 * (4 * 3 + 3 + running) == next(iter(found.values()))


@pytest.mark.parametrize("missing", [0, 1])
def test_cost_and_simulate_refuse_a_small_memory(missing: int) -> None:
    """X of 16 x 8, V of 8 x 16, W and Y of 16 x 2 words of two bytes; U stays in the scratchpad."""
    needed = 2 * (16 * 8 + 8 * 16 + 16 * 2 + 16 * 2)
    on = outermost(f"{needed - missing} B")
    nests = [{"keep": {"SPM": ["U"]}, "do": [{"do": ["U"]}, {"do": ["Y"]}]}]
    plan = mapped(CHAIN, OPERANDS, ["Y"], on, nests=nests, bind={"a": ["U", "Y"]})
    sizes = {"H": 16, "K": 8, "M": 16, "N": 2}
    said = r"(?s)DRAM is too small.*640 B needed.*X.*there as a whole"
    for run in (lambda: cost(plan, derive(plan, on), sizes), lambda: simulate(plan, on, sizes)):
        with pytest.raises(FusemaxError, match=said) if missing else nullcontext():
            run()
