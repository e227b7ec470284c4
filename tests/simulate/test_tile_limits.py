"""What the clock of the tile level holds: many tasks under way, several levels at one node, figures without end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fusemax.errors import FusemaxError
from fusemax.machine import Machine, load_machine, machine_of
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of
from tests.mappings import load_mapping
from tests.simulate.tile_cases import mapped_from


def machine(**figures: Any) -> Machine:
    """Return an array of 4x4 below two memories; *figures* are of the array."""
    array = {
        "shape": {"rows": 4, "columns": 4},
        "operations": {"mac": 1},
        "registers": {"depth": 8},
        **figures,
    }
    data = {
        "title": "t", "source": "s", "clock": "1 GHz", "word": "1 B",
        "levels": {"DRAM": {"bandwidth": "4 GB/s"}, "L2": {"size": "1 KiB", "bandwidth": "8 GB/s"}, "L1": {"size": "1 KiB"}},
        "units": {"array": array},
    }  # fmt: skip
    return machine_of(document_of(json.dumps(data)))


def product(node: dict[str, Any], **tiles: int) -> dict[str, Any]:
    """Return a mapping of one matrix product."""
    return {"cascade": "transformer/linear", "tiles": tiles, "nests": [node], "bind": {"array": ["Y"]}}


@pytest.mark.parametrize("rows", [1, 64, 65, 1000])
@pytest.mark.parametrize("latency", [0, 40, 256])
@pytest.mark.parametrize("fast", [True, False])
def test_any_number_of_tasks_may_be_under_way(rows: int, latency: int, fast: bool) -> None:
    """A row a cycle; the last result comes fill and drain after the last row has left: R + fill + drain."""
    plain = machine(fill=latency // 2, drain=latency // 2)
    node = {"for": ["r"], "spatial": {"array": {"k": "rows", "n": "columns"}}, "do": ["Y"]}
    free = plain.model_copy(
        update={"levels": {n: v.model_copy(update={"bandwidth": None}) for n, v in plain.levels.items()}}
    )
    run = simulate(mapped_from(product(node), free), free, {"R": rows, "K": 4, "N": 4}, fast_forward=fast)

    assert rows + 2 * (latency // 2) == run.cycles
    assert {"array": rows} == run.phases[0].busy_cycles


def test_a_tensor_kept_at_two_levels_by_one_node_is_a_chain() -> None:
    """By hand: W comes to L2 in 16/4 cycles, on to L1 behind it in 16/8, for each of two tiles; then four rows of work."""
    inner = {"for": ["r"], "spatial": {"array": {"k0": "rows", "n": "columns"}}, "do": ["Y"]}
    one = {"for": ["k1"], "keep": {"L2": ["W"], "L1": ["W", "X", "Y"]}, "do": [inner]}
    two = {"for": ["k1"], "keep": {"L2": ["W"]}, "do": [{"keep": {"L1": ["W", "X", "Y"]}, "do": [inner]}]}
    described = machine()
    runs = [
        simulate(mapped_from(product(node, K0=4), described), described, {"R": 1, "K": 8, "N": 4})
        for node in (one, two)
    ]
    words = {(k.level, k.tensor, k.kind): v for k, v in runs[0].words.items()}

    assert runs[0].cycles == runs[1].cycles
    assert 32 == words["DRAM", "W", "read"] == words["L2", "W", "fill"] == words["L2", "W", "read"]
    assert 32 == words["L1", "W", "fill"] == words["L1", "W", "read"]


def test_parts_that_are_formulas_of_the_machine_are_done() -> None:
    """A share of the exponentials given as a formula of figures goes to the other unit, to the cycle."""
    described, path = load_machine("b200")
    mapped = load_mapping("gpu/flash4", described, path)
    sizes = {"B": 1, "H": 1, "R": 1, "E": 64, "F": 64, "M": 256, "P": 256}

    assert simulate(mapped, described, sizes).cycles > 0


def test_what_cannot_be_counted_is_refused() -> None:
    """More cycles than 64 bits hold end in a message, not in an overflow."""
    described, path = load_machine("fusemax")
    mapped = load_mapping("fusemax", described, path)
    sizes = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 512, "P": 512}
    for cycles, what in (
        (1e17, r"than the\s+simulator counts"),
        (1e30, r"than the\s+simulator counts"),
        (float("inf"), "to inf"),
    ):
        with pytest.raises(FusemaxError, match=what):
            simulate(mapped, described, sizes, {"1d.operations.div": cycles})


def test_more_tasks_under_way_than_memory_holds_are_refused() -> None:
    """An array whose results come a billion cycles later is refused by name."""
    described = machine(fill=1 << 30)
    node = {"for": ["r"], "spatial": {"array": {"k": "rows", "n": "columns"}}, "do": ["Y"]}
    with pytest.raises(FusemaxError, match=r"under way at\s+once"):
        simulate(mapped_from(product(node), described), described, {"R": 1 << 29, "K": 4, "N": 4})


def test_tiles_that_are_never_waited_for_may_all_be_there_while_the_rest_goes_on_alike() -> None:
    """X without buffers comes ahead of all work: once it is there, rows are skipped, and nothing else changes."""
    described = machine(operations={"mac": 50})
    node = {
        "for": ["r", "k"], "keep": {"L2": [{"tensor": "X", "buffers": 0}, {"tensor": "W", "buffers": 2}]}, "do": ["Y"],
    }  # fmt: skip
    mapped, sizes = (
        mapped_from(product(node) | {"nests": [node | {"schedule": "serial"}]}, described),
        {"R": 400, "K": 3, "N": 4},
    )
    fast, slow = (simulate(mapped, described, sizes, fast_forward=fast) for fast in (True, False))

    assert (fast.cycles, fast.words, fast.waits) == (slow.cycles, slow.words, slow.waits)
    assert fast.phases[0].skipped_cycles > 0.8 * fast.cycles


def test_what_has_no_room_is_refused_before_a_task_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks of several cores are counted only where everything fits."""
    described = machine().model_copy(update={"replicas": load_machine("h100")[0].replicas})
    node = {"for": ["r", "k"], "keep": {"L2": ["W"]}, "do": ["Y"]}
    monkeypatch.setattr("fusemax.simulate.tiles.run_for_numbers", None)
    with pytest.raises(FusemaxError, match="L2 is too small"):
        simulate(mapped_from(product(node), described), described, {"R": 1 << 30, "K": 4, "N": 4096})
