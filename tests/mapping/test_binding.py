"""Parts of an operation on two units: an exponential unit beside a vector unit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fusemax.cascade.build import cascade_of
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.errors import ProblemsError
from fusemax.machine import Machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import mapping_file_of
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of

CASCADE = {
    "title": "t", "source": "s", "inputs": {"X": ["M"], "G": ["M"]}, "outputs": ["N"], "einsums": "N[m] = exp(X[m] - G[m])\n",
}  # fmt: skip


def machine(**vector: Any) -> Machine:
    """Return a vector unit of 8 lanes and an exponential unit of 2."""
    units = {
        "vpu": {"shape": {"lanes": 8}, "operations": {"sub": 1, **vector}},
        "eup": {"shape": {"lanes": 2}, "operations": {"exp": 3}},
    }
    data = {
        "title": "t",
        "source": "s",
        "clock": "1 GHz",
        "word": "2 B",
        "levels": {"DRAM": {}},
        "units": units,
    }
    return machine_of(document_of(json.dumps(data)))


def mapped(on: Machine, **changes: Any) -> Mapped:
    """Return N on both units, 32 elements at a time."""
    nest = {"for": ["m1"], "spatial": {"vpu": {"m0": "lanes"}, "eup": {"m0": "lanes"}}, "do": ["N"]}
    data = {
        "title": "t",
        "source": "s",
        "cascade": "mine",
        "tiles": {"M0": 32},
        "nests": [nest],
        "schedule": "serial",
    }
    document = document_of(json.dumps({**data, **changes}))
    return map_onto(
        cascade_of(document_of(json.dumps(CASCADE)), "mine"), on, mapping_file_of(document), document
    )


@pytest.mark.parametrize("vector", [{}, {"sub_exp": 1}, {"exp": 1}])
def test_a_part_on_its_own_unit(vector: dict[str, int]) -> None:
    """64 differences on 8 lanes take 8 cycles, 64 exponentials of 3 on 2 lanes 96, whatever else the first unit can do."""
    on = machine(**vector)
    plan = mapped(on, bind={"vpu": ["N"], "eup": ["N.exp"]})
    answer = cost(plan, derive(plan, on), {"M": 64})
    assert {"vpu": 8, "eup": 96} == {label.unit: value for label, value in answer.table("cycles").items()}
    assert answer.latency_s == pytest.approx(104e-9)
    assert 104 == simulate(plan, on, {"M": 64}).cycles


def test_both_parts_named() -> None:
    """The same with the difference named too, and with ``offload`` of all of it."""
    on = machine()
    one = mapped(on, bind={"vpu": ["N.sub"], "eup": ["N.exp"]})
    two = mapped(on, bind={"vpu": ["N"]}, offload={"N.exp": {"eup": 1}})
    assert cost(one, derive(one, on), {"M": 64}).latency_s == cost(two, derive(two, on), {"M": 64}).latency_s


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bind": {"vpu": ["N"], "eup": ["N.log"]}}, "N has no operation 'log'.*it has: sub_exp, sub, exp"),
        ({"bind": {"vpu": ["N"]}}, "unit vpu cannot do 'exp', which N needs"),
        ({"bind": {"eup": ["N"]}}, "unit eup cannot do 'sub', which N needs"),
        ({"bind": {"vpu": ["N", "N.exp"]}}, "unit vpu cannot do 'exp'"),
        ({"bind": {"eup": ["N.exp"]}}, r"no unit is bound to N \(sub_exp\)"),
        ({"bind": {"vpu": ["N"], "eup": ["N.exp", "N.exp"]}}, "N.exp is bound to eup already"),
        (
            {"bind": {"vpu": ["N"], "eup": ["N.exp"]}, "offload": {"N.exp": {"eup": 0.5}}},
            "N.exp is bound to eup already",
        ),
    ],
)
def test_what_cannot_be_bound(changes: dict[str, Any], said: str) -> None:
    """Names, abilities, and two units for one part."""
    with pytest.raises(ProblemsError, match=f"(?s){said}"):
        mapped(machine(), **changes)
