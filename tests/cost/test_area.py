"""Area by hand: every core has its units and its own memories."""

from __future__ import annotations

import json

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of

MACHINE = {
    "title": "t", "source": "s", "clock": "1 GHz", "word": "2 B", "replicas": 6,
    "levels": {
        "DRAM": {"bandwidth": "1 GB/s"},
        "shared": {"size": "1 MiB", "area": {"sram": "7 mm2", "network": "0.5 mm2"}},
        "own": {"size": "64 KiB", "per_core": True, "area": {"sram": "65536 um2"}},
    },
    "units": {
        "array": {"shape": {"rows": 8, "columns": 4}, "operations": {"mac": 1}, "area": {"lanes": "lanes * 100 um2"}},
        "row": {"shape": {"lanes": 4}, "operations": {"add": 1}, "area": {"all": "1 mm2"}},
    },
}  # fmt: skip
MAPPING = {
    "title": "t", "source": "s", "cascade": "transformer/linear", "nests": [{"do": ["Y"]}], "bind": {"array": ["Y"]},
}  # fmt: skip


@pytest.mark.parametrize("replicas", [1, 6, 64])
def test_cores_count(replicas: int) -> None:
    """7.5 mm2 once; per core 0.065536 mm2 of memory, 32 lanes of 100 um2, and 1 mm2."""
    described = machine_of(document_of(json.dumps({**MACHINE, "replicas": replicas})))
    document = document_of(json.dumps(MAPPING))
    plan = map_onto(load_cascade("transformer/linear"), described, mapping_file_of(document), document)
    answer = cost(plan, derive(plan, described), {"R": 4, "K": 4, "N": 4})
    per_core_mm2 = 0.065536 + 32 * 100e-6 + 1
    assert answer.area_m2 == pytest.approx((7.5 + replicas * per_core_mm2) * 1e-6, rel=1e-12)
