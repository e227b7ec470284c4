"""Keys of real machines, each with its effect by hand: Y[r,n] = X[r,k]*W[k,n] for R, K, N = 8, 4, 4, all kept in SPM."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.machine import Machine, figures, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import mapping_file_of
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of

SIZES = {"R": 8, "K": 4, "N": 4}
READ = (4 * 4 + 8 * 4) + 8 * 4  #: words that leave SPM: W, X into the array, Y to DRAM
WRITTEN = READ  #: words that come in: W and X from DRAM, Y from the array
OUTSIDE = 4 * 4 + 8 * 4 + 8 * 4  #: words at DRAM's border


def machine(dram: dict[str, Any], spm: dict[str, Any], mxu: dict[str, Any], **more: Any) -> Machine:
    """Return a machine with these keys beside the plain ones."""
    unit = {"shape": {"rows": 4, "columns": 4}, "operations": {"mac": 1}, "energy": {"mac": "1 pJ"}, **mxu}
    line = {"line": "8 B", "energy": {"read": "1 pJ", "write": "1 pJ"}}
    levels = {"DRAM": {**line, **dram}, "SPM": {"size": "1 MiB", **line, **spm}}
    data = {
        "title": "t",
        "source": "s",
        "clock": "1 GHz",
        "word": "2 B",
        "levels": levels,
        "units": {"mxu": unit},
    }
    return machine_of(document_of(json.dumps({**data, **more})))


def mapped(on: Machine, more: dict[str, Any] | None = None) -> Mapped:
    """Return the product on *on*, with *more* keys of the mapping."""
    spatial = {unit: {"k": "rows", "n": "columns"} for unit in on.units}
    nest = {"keep": {"SPM": ["X", "W", "Y"]}, "spatial": spatial, "do": ["Y"]}
    data = {
        "title": "t",
        "source": "s",
        "cascade": "transformer/linear",
        "nests": [nest],
        "bind": {"mxu": ["Y"]},
        **(more or {}),
    }
    document = document_of(json.dumps(data))
    return map_onto(load_cascade("transformer/linear"), on, mapping_file_of(document), document)


def answer(on: Machine) -> Cost:
    """Return the cost of the product."""
    plan = mapped(on)
    return cost(plan, derive(plan, on), SIZES)


@pytest.mark.parametrize(
    ("ways", "seconds"),
    [
        ({"bandwidth": {"read": "2 GB/s", "write": "1 GB/s"}}, 2 * WRITTEN / 1e9),
        ({"bandwidth": {"read": "1 GB/s", "write": "4 GB/s"}}, 2 * READ / 1e9),
        ({"read_bandwidth": "1 GB/s"}, 2 * READ / 1e9),
        ({"write_bandwidth": "2 GB/s", "bandwidth": "1 GB/s"}, 2 * (READ + WRITTEN) / 1e9),
    ],
)
def test_reads_and_writes_apart(ways: dict[str, Any], seconds: float) -> None:
    """Each way has its own time, what is pooled beside them counts all words; in the simulator each is a channel."""
    on = machine({}, ways, {})
    found = {label.level: value for label, value in answer(on).table("time").items() if label.level}
    assert found == {"SPM": pytest.approx(seconds, rel=1e-12)}
    (phase,) = simulate(mapped(on), on, SIZES).phases
    busy = {name: cycles for name, cycles in phase.busy_cycles.items() if name.startswith("SPM")}
    assert max(busy.values()) == pytest.approx(seconds * 1e9)
    assert len(busy) == len(ways.get("bandwidth", "") if "bandwidth" in ways and len(ways) == 1 else ways)


def test_latency_once_a_phase() -> None:
    """The first word waits for all levels that the nest uses, in cost and simulation."""
    slow, quick = (
        machine({"latency": one}, {"latency": two}, {}) for one, two in (("100 ns", "7 ns"), ("0 s", "0 s"))
    )
    assert answer(slow).latency_s - answer(quick).latency_s == pytest.approx(107e-9, rel=1e-9)
    assert answer(slow).bound_s == answer(quick).bound_s
    times = [simulate(mapped(on), on, SIZES).latency_s for on in (slow, quick)]
    assert times[0] - times[1] == pytest.approx(107e-9, rel=1e-9)


def test_a_clock_of_a_unit() -> None:
    """Eight rows through a full array: eight of its cycles, four of the machine's when it is twice as fast."""
    plain, fast = machine({}, {}, {}), machine({}, {}, {"clock": "2 GHz", "fill": 6})
    assert (8e-9, 4e-9) == pytest.approx((answer(plain).latency_s, answer(fast).latency_s))
    assert answer(plain).energy_J == answer(fast).energy_J
    assert answer(fast).utilization() == pytest.approx({"mxu": 1.0})
    assert 8 == simulate(mapped(plain), plain, SIZES).cycles
    assert 4 + 3 == simulate(mapped(fast), fast, SIZES).cycles


@pytest.mark.parametrize(("replicas", "per_core"), [(1, False), (3, False), (3, True)])
def test_leakage(replicas: int, per_core: bool) -> None:
    """Power times time: of every core's unit and own memory, and of a shared memory once."""
    memory = {"leakage": "10 mW", "per_core": per_core}
    on = machine({}, memory, {"leakage": "1 W"}, replicas=replicas)
    found = answer(on)
    leaked = {
        f"{lab.unit}{lab.level}": v
        for lab, v in found.table("component_energy").items()
        if lab.action == "leakage"
    }
    memories = replicas if per_core else 1
    assert leaked == pytest.approx(
        {"mxu": replicas * found.latency_s, "SPM": 0.01 * memories * found.latency_s}
    )
    rest = sum(v for lab, v in found.table("component_energy").items() if lab.action != "leakage")
    assert found.energy_J == pytest.approx(rest + sum(leaked.values()), rel=1e-12)
    assert rest == pytest.approx((128 + 2 * (OUTSIDE + READ + WRITTEN) / 8) * 1e-12, rel=1e-12)


@pytest.mark.parametrize("text", ["64 bit * clock", "8 B * clock", "clock * 8 B", "8 * clock", "8 B * 1 GHz"])
def test_a_bandwidth_of_bits_a_cycle(text: str) -> None:
    """Bytes times a frequency are a bandwidth."""
    on = machine({"bandwidth": text}, {}, {})
    assert answer(on).table("time")
    assert answer(on).latency_s == pytest.approx(2 * OUTSIDE / 8e9)


@pytest.mark.parametrize(
    "more",
    [
        {"clock": "mxu.rows * 0.25 GHz"}, {"clock": "0.5 * 2 GHz"}, {"word": "mxu.rows * 4 bit"},
        {"replicas": "mxu.rows / 4"}, {"launch": "0 / clock"},
    ],
)  # fmt: skip
def test_figures_of_the_machine_itself_may_be_formulas(more: dict[str, str]) -> None:
    """A formula of the same value gives the same cost; its clock is told with it."""
    plain, found = (answer(machine({"bandwidth": "8 GB/s"}, {}, {}, **keys)) for keys in ({}, more))
    for name in ("latency_s", "traffic_B", "energy_J", "full_clock_Hz", "clock_Hz"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=1e-12)


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ({"bandwidth": "64 bit"}, "expected a quantity in B/s"),
        ({"bandwidth": "64 bit + clock"}, "64 bit"),
        ({"bandwidth": {"reed": "1 GB/s"}}, "bandwidth: expected 'read' and 'write', got reed"),
        ({"bandwidth": {}}, "got nothing"),
        ({"leakage": "3"}, "expected a quantity in W"),
        ({"latency": "3 GB"}, "expected a quantity in s"),
    ],
)
def test_what_cannot_be_read(level: dict[str, Any], said: str) -> None:
    """Units are required."""
    with pytest.raises(FusemaxError) as caught:
        machine({}, level, {})
    assert said in str(caught.value)


def test_figures_of_the_keys() -> None:
    """Each is a figure that a study can sweep."""
    on = machine(
        {"latency": "1 ns"}, {"bandwidth": {"read": "2 GB/s"}, "leakage": "1 mW"}, {"clock": "2 GHz"}
    )
    names = {"DRAM.latency", "SPM.read_bandwidth", "SPM.leakage", "mxu.clock"}
    assert names <= set(figures(on))
    assert "1000000000" == str(figures(on.with_("mxu.clock", "1 GHz"))["mxu.clock"])


@pytest.mark.parametrize(
    ("schedule", "apart", "together"),
    [
        ("overlapped", 4, 8),  # half of the eight steps under each name
        ("serial", 8, 8),
        ("auto", 4, 8),
        ([{"mxu": ["Y"], "cold": ["Y"]}], 4, 8),
        ({"overlap": 1}, 8, 8),  # the only epoch is a serial one
    ],
)
def test_two_names_of_one_unit_take_turns(schedule: Any, apart: int, together: int) -> None:
    """Half of a product under a second name comes after the other half; on a second unit, beside it."""
    cold = {"shape": {"rows": 4, "columns": 4}, "operations": {"mac": 1}}
    for shares, cycles in (({}, apart), ({"shares": "mxu"}, together)):
        units = {
            "mxu": {"shape": {"rows": 4, "columns": 4}, "operations": {"mac": 1}},
            "cold": {**cold, **shares},
        }
        on = machine({}, {}, {}, units=units)
        plan = mapped(on, {"offload": {"Y.mac": {"cold": "1/2"}}, "schedule": schedule})
        found = cost(plan, derive(plan, on), SIZES)
        assert found.latency_s == pytest.approx(cycles / 1e9)
        assert found.bound_s == pytest.approx((8 if shares else 4) / 1e9)
        if not isinstance(schedule, list | dict):
            assert simulate(plan, on, SIZES).latency_s == pytest.approx(cycles / 1e9)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ({"a": {"shares": "b"}}, "'b' is no other unit of this machine"),
        ({"a": {"shares": "a"}}, "'a' is no other unit of this machine"),
        ({"a": {}, "b": {"shares": "a"}, "c": {"shares": "b"}}, "'b' is itself another name of 'a'"),
        ({"a": {}, "b": {"shares": "a", "leakage": "1 W"}}, "b shares the lanes of a and has no leakage"),
        ({"a": {}, "b": {"shares": "a", "registers": {"depth": 2}}}, "has no registers of its own"),
    ],
)
def test_what_cannot_be_shared(units: dict[str, Any], said: str) -> None:
    """A second name is one of a unit that is there, and has nothing that the unit has once."""
    whole = {name: {"shape": {"lanes": 4}, "operations": {"mac": 1}, **more} for name, more in units.items()}
    with pytest.raises(FusemaxError, match=said):
        machine({}, {}, {}, units=whole)


@pytest.mark.parametrize(("rows", "steps"), [(8, 4), (7, 4), (9, 8), (16, 8)])
def test_one_digit_over_two_dimensions(rows: int, steps: int) -> None:
    """Two arrays of four rows take eight rows of X in one step; the four of K run in time, one column of each for N."""
    shape = {"arrays": 2, "rows": 4, "columns": 4}
    on = machine({}, {}, {}, units={"mxu": {"shape": shape, "operations": {"mac": 1}}})
    spatial = {"mxu": {"r": ["arrays", "rows"], "n": "columns"}}
    nest = {"keep": {"SPM": ["X", "W", "Y"]}, "spatial": spatial, "do": ["Y"]}
    plan = mapped(on, {"nests": [nest]})
    found = cost(plan, derive(plan, on), {**SIZES, "R": rows})
    assert found.values["cycles[mxu,Y]"] == steps
    assert found.utilization()["mxu"] == pytest.approx(rows * 4 * 4 / (steps * 32))
    assert simulate(plan, on, {**SIZES, "R": rows}).latency_s == pytest.approx(steps / 1e9)


@pytest.mark.parametrize(
    ("digits", "said"),
    [
        ({"r": ["arrays", "rows"], "n": "rows"}, "rows of mxu is taken by r together with other dimensions"),
        ({"r": ["rows", "rows"]}, "r runs over one dimension of mxu twice"),
        ({"r": ["rows", "lines"]}, "'lines' is no dimension of unit mxu"),
        ({"r": []}, "expected a dimension such as rows"),
    ],
)
def test_what_no_digit_runs_over(digits: dict[str, Any], said: str) -> None:
    """A dimension is there once for a digit, and taken in one way."""
    shape = {"arrays": 2, "rows": 4, "columns": 4}
    on = machine({}, {}, {}, units={"mxu": {"shape": shape, "operations": {"mac": 1}}})
    with pytest.raises(FusemaxError, match=said):
        mapped(on, {"nests": [{"keep": {"SPM": ["X"]}, "spatial": {"mxu": digits}, "do": ["Y"]}]})


def test_what_is_done_now_and_then() -> None:
    """An Einsum of a quarter of its iterations takes a quarter of the cycles and of the operations; words stay."""
    on = machine({}, {}, {"energy": {"mac": "1 pJ"}})
    always, seldom = mapped(on), mapped(on, {"when": {"Y": "1/4"}})
    one, other = cost(always, derive(always, on), SIZES), cost(seldom, derive(seldom, on), SIZES)
    assert (one.values["cycles[mxu,Y]"], other.values["cycles[mxu,Y]"]) == (8, 2)
    assert other.values["energy_J[mxu,mac]"] == pytest.approx(one.values["energy_J[mxu,mac]"] / 4)
    assert other.table("words") == one.table("words")
    assert simulate(seldom, on, SIZES).latency_s == pytest.approx(2e-9)
    with pytest.raises(FusemaxError, match=r"Y is done in 2 of its iterations"):
        mapped(on, {"when": {"Y": 2}})
    with pytest.raises(FusemaxError, match="'Z' is no Einsum"):
        mapped(on, {"when": {"Z": 1}})


@pytest.mark.parametrize(
    ("schedule", "wait"),
    [
        ("overlapped", 0),
        ("serial", 0),
        ([{"mxu": ["Y"]}, {"stall": 5}], 5e-9),
        ({"groups": 2, "wait": 7, "start": "1 us"}, 7e-9 + 1e-6),
    ],
)
def test_nothing_hidden(schedule: Any, wait: float) -> None:
    """Between the busiest alone and all one after another: 8 cycles of the array, and each level's own time."""
    on = machine({"bandwidth": "16 GB/s"}, {"bandwidth": "32 GB/s"}, {}, launch="3 us")
    plan = mapped(on, {"schedule": schedule})
    found = cost(plan, derive(plan, on), SIZES)
    moved = 2 * OUTSIDE / 16e9 + 2 * (READ + WRITTEN) / 32e9
    assert found.slowest_s == pytest.approx(8e-9 + moved + wait + 3e-6)
    assert found.bound_s <= found.latency_s <= found.slowest_s * (1 + 1e-12)


def test_reached_part_of_the_bandwidth():
    """Accesses that get half of DRAM's bandwidth: what waits for it takes twice, the bound stays."""
    for bandwidth, ratio in (("1 GB/s", 2), ("1 TB/s", 1)):
        on = machine({"bandwidth": bandwidth}, {}, {})
        plans = [mapped(on, {"schedule": {"overlap": 1, "reached": part}}) for part in (1, 0.5)]
        plain, slower = (cost(plan, derive(plan, on), SIZES) for plan in plans)
        assert slower.latency_s == pytest.approx(ratio * plain.latency_s)
        assert slower.bound_s == plain.bound_s
        assert slower.slowest_s - plain.slowest_s == pytest.approx(
            2 * OUTSIDE / (1e9 if ratio == 2 else 1e12)
        )
    with pytest.raises(FusemaxError, match="reached"):
        mapped(on, {"schedule": {"overlap": 1, "reached": 1.5}})
