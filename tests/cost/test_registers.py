"""Energy of register files by hand: reads and writes of a product, with nothing, an input, and a result kept in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.cascade.build import load_cascade
from fusemax.cost.evaluate import Cost, check_tiles, cost
from fusemax.cost.model import derive
from fusemax.cost.point import cost_of
from fusemax.errors import FusemaxError
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import mapping_file_of
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of

READ, WRITE = 2.0, 0.3  #: pJ a word
MACHINE = {
    "title": "t", "source": "s", "clock": "1 GHz", "word": "2 B",
    "levels": {"DRAM": {"bandwidth": "1 GB/s"}, "L1": {"size": "1 GiB"}},
    "units": {
        "pe": {
            "shape": {"rows": 4, "columns": 8}, "operations": {"mac": 1},
            "registers": {"depth": 4096, "energy": {"read": f"{READ} pJ", "write": f"{WRITE} pJ"}},
        },
    },
}  # fmt: skip


def product(
    nest: dict[str, Any], tiles: dict[str, int], memories: dict[str, Any] | None = None, **sizes: int
) -> Cost:
    """Return the cost of Y[r,n] = X[r,k]*W[k,n] under one nest, with *memories* beside the registers."""
    unit = {**MACHINE["units"]["pe"], "memories": memories or {}}
    described = machine_of(document_of(json.dumps({**MACHINE, "units": {"pe": unit}})))
    data = {"title": "t", "source": "s", "cascade": "transformer/linear", "tiles": tiles, "nests": [nest]}
    document = document_of(json.dumps({**data, "bind": {"pe": ["Y"]}}))
    plan = map_onto(load_cascade("transformer/linear"), described, mapping_file_of(document), document)
    return cost(plan, derive(plan, described), sizes)


def registers_pJ(answer: Cost) -> float:  # noqa: N802 - the unit
    """Return the energy of the register file in pJ."""
    return answer.values["energy_J[pe,registers]"] * 1e12


@given(R=st.integers(1, 20), K=st.integers(1, 20), N=st.integers(1, 20))
def test_nothing_kept(R: int, K: int, N: int) -> None:
    """Each mac reads and writes both factors and the sum."""
    answer = product({"spatial": {"pe": {"k": "rows", "n": "columns"}}, "do": ["Y"]}, {}, R=R, K=K, N=N)
    assert registers_pJ(answer) == pytest.approx(3 * R * K * N * (READ + WRITE), rel=1e-12)


@given(R=st.integers(1, 20), K=st.integers(1, 20), N=st.integers(1, 20))
def test_weights_kept(R: int, K: int, N: int) -> None:
    """A tile of W of 4 x 8 is written once, and stays while all rows of X pass."""
    nest = {
        "for": ["k1", "n1"],
        "keep": {"pe": ["W"]},
        "spatial": {"pe": {"k0": "rows", "n0": "columns"}},
        "do": [{"for": ["r"], "do": ["Y"]}],
    }
    answer = product(nest, {"K0": 4, "N0": 8}, R=R, K=K, N=N)
    macs = R * K * N
    assert registers_pJ(answer) == pytest.approx(3 * macs * READ + (2 * macs + K * N) * WRITE, rel=1e-12)


@given(R=st.integers(1, 20), K=st.integers(1, 20), N=st.integers(1, 20))
def test_an_input_kept_in_every_row(R: int, K: int, N: int) -> None:
    """X along the columns is in each of the rows that other columns of W run over: so many words are written."""
    nest = {
        "for": ["k1"],
        "keep": {"pe": ["X"]},
        "spatial": {"pe": {"n0": "rows", "k0": "columns"}},
        "do": [{"for": ["n1"], "do": ["Y"]}],
    }
    answer = product(nest, {"K0": 8, "N0": 4}, R=R, K=K, N=N)
    macs = R * K * N
    assert registers_pJ(answer) == pytest.approx(
        3 * macs * READ + (2 * macs + R * K * min(4, N)) * WRITE, rel=1e-12
    )


def test_a_result_kept_changes_with_every_operation() -> None:
    """An output-stationary sum is read and written for each mac."""
    nest = {
        "for": ["r1", "n1"],
        "keep": {"pe": ["Y"]},
        "spatial": {"pe": {"r0": "rows", "n0": "columns"}},
        "do": [{"for": ["k"], "do": ["Y"]}],
    }
    answer = product(nest, {"R0": 4, "N0": 8}, R=10, K=7, N=9)
    assert registers_pJ(answer) == pytest.approx(3 * 630 * (READ + WRITE), rel=1e-12)


@pytest.mark.parametrize(("H", "E", "ratio"), [(12, 64, 0.882), (16, 128, 0.964)])
def test_fusemax_over_flat(H: int, E: int, ratio: float) -> None:
    """At a million tokens FLAT is weight-stationary; per mac its array reads three words and writes two.

    By hand from the shipped tables (depths 4 and 12, so that an address has 2 and 4 bits): 3*2.1824 + 2*1.8944 = 10.336 pJ
    instead of 12.230 pJ; 2*B*H*M*P*E macs. FuseMax keeps nothing in its array's registers.
    """
    sizes = {"B": 64, "H": H, "E": E, "F": E, "M": 2**20, "P": 2**20}
    fusemax = cost_of("attention/1-pass", "fusemax", "fusemax", sizes)
    flat = cost_of("attention/3-pass", "flat", "weight-stationary", sizes)
    address = 0.000276 + 0.0040197 * 2
    read, write = 2.17408 + address, 1.88608 + address
    macs = 2 * 64 * H * 2**40 * E
    streamed = macs * (3 * read + 2 * write) * 1e-12
    assert flat.values["energy_J[2d,registers]"] == pytest.approx(
        streamed, rel=1e-3
    )  # and K, V once per block of rows
    assert fusemax.energy_J / flat.energy_J == pytest.approx(ratio, abs=5e-4)


@given(R=st.integers(1, 20), K=st.integers(1, 20), N=st.integers(1, 20))
def test_weights_and_sums_in_memories_of_their_own(R: int, K: int, N: int) -> None:
    """Three memories in each lane, as Eyeriss has: inputs pass through the registers, weights and sums stay in theirs."""
    memories = {
        "weights": {"depth": 224, "energy": {"read": "5 pJ", "write": "7 pJ"}},
        "sums": {"depth": 24, "energy": {"read": "11 pJ", "write": "13 pJ"}},
    }
    nest = {
        "for": ["n1"],
        "keep": {"pe.weights": ["W"]},
        "spatial": {"pe": {"k": "rows", "n0": "columns"}},
        "do": [{"for": ["r"], "keep": {"pe.sums": ["Y"]}, "do": ["Y"]}],
    }
    answer = product(nest, {"N0": 8}, memories, R=R, K=K, N=N)
    macs = R * K * N
    assert registers_pJ(answer) == pytest.approx(macs * (READ + WRITE), rel=1e-12)  # X alone
    weights = answer.values["energy_J[pe,weights]"] * 1e12
    assert weights == pytest.approx(macs * 5 + K * N * 7, rel=1e-12)
    sums = answer.values["energy_J[pe,sums]"] * 1e12  # read and written with every mac
    assert sums == pytest.approx(macs * (11 + 13), rel=1e-12)


def test_a_memory_of_lanes_has_room() -> None:
    """Two words in each of 32 lanes hold a tile of W of 8 x 8, and not one of 8 x 16; the simulator says so too."""
    nest = {
        "for": ["n1"],
        "keep": {"pe.weights": ["W"]},
        "spatial": {"pe": {"k": "rows", "n0": "columns"}},
        "do": [{"for": ["r"], "do": ["Y"]}],
    }
    unit = {**MACHINE["units"]["pe"], "memories": {"weights": {"depth": 2}}}
    described = machine_of(document_of(json.dumps({**MACHINE, "units": {"pe": unit}})))
    for tile, fits in ((8, True), (16, False)):
        data = {
            "title": "t",
            "source": "s",
            "cascade": "transformer/linear",
            "tiles": {"N0": tile},
            "nests": [nest],
        }
        document = document_of(json.dumps({**data, "bind": {"pe": ["Y"]}}))
        plan = map_onto(load_cascade("transformer/linear"), described, mapping_file_of(document), document)
        sizes = {"R": 2, "K": 8, "N": 32}
        if fits:
            check_tiles(plan, cost(plan, derive(plan, described), sizes))
            simulate(plan, described, sizes)
            continue
        with pytest.raises(FusemaxError, match=r"pe\.weights is too small .* 256 B needed"):
            check_tiles(plan, cost(plan, derive(plan, described), sizes))
        with pytest.raises(FusemaxError, match=r"pe\.weights is too small .* 256 B needed"):
            simulate(plan, described, sizes)


def test_a_memory_whose_name_is_a_figure() -> None:
    """A memory cannot be called as a dimension of its unit, or what else stands under the unit's name."""
    for name in ("rows", "registers", "energy"):
        unit = {**MACHINE["units"]["pe"], "memories": {name: {"depth": 2}}}
        with pytest.raises(FusemaxError, match=f"'{name}' is taken"):
            machine_of(document_of(json.dumps({**MACHINE, "units": {"pe": unit}})))
