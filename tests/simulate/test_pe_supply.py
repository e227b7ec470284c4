"""Channels of the register level by hand: reads and writes pooled or apart, and the first word of the levels used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fusemax.machine import Machine, machine_of
from fusemax.simulate.pe.plan import figure_values
from fusemax.simulate.pe.supply import Epochs, Need, channels_of, first_word_s, supply
from fusemax.simulate.pe.walk import Moved
from fusemax.source import document_of


def machine(**dram: Any) -> Machine:
    """Return a machine of 1 GHz with these keys of DRAM."""
    unit = {"shape": {"lanes": 1}, "operations": {"mac": 1}}
    levels = {"DRAM": dram, "L1": {"size": "1 MiB", "latency": "5 ns"}}
    data = {
        "title": "t", "source": "s", "clock": "1 GHz", "word": "1 B", "levels": levels, "units": {"u": unit},
    }  # fmt: skip
    return machine_of(document_of(json.dumps(data)))


@pytest.mark.parametrize(
    ("dram", "start", "stored"),
    [
        ({"bandwidth": "1 GB/s"}, 100, 100 + 60 + 40),
        ({"read_bandwidth": "2 GB/s", "write_bandwidth": "1 GB/s"}, 50, 50 + 60),
        ({"write_bandwidth": "500 MB/s"}, 0, 2 * 60),
        ({"read_bandwidth": "2 GB/s", "bandwidth": "1 GB/s"}, 100, 100 + 60 + 40),
    ],
)
def test_words_wait_for_their_way(dram: dict[str, Any], start: int, stored: int) -> None:
    """100 bytes are read before the first epoch, 60 written in it, 40 taken from inside: by a byte or two a cycle."""
    on = machine(**dram)
    needs = [[Need(Moved("DRAM", "read", "K", 100))]]
    stores = [[Moved("DRAM", "write", "Y", 60), Moved("DRAM", "drain", "Z", 40)]]
    epochs = Epochs(interval=10, needs=needs, stores=stores, divisions={})
    times = supply(channels_of(on, figure_values(on, {})), epochs, lambda moved: moved.words)

    assert times.starts == [start]
    assert times.stored == pytest.approx(stored)


def test_the_first_word_waits_for_every_level_that_is_used() -> None:
    """7 ns and 5 ns, each once; a level that nothing uses adds nothing."""
    on = machine(latency="7 ns")
    values = figure_values(on, {})

    assert first_word_s(on, values, ["DRAM", "L1", "DRAM"]) == pytest.approx(12e-9)
    assert first_word_s(on, values, ["L1"]) == pytest.approx(5e-9)
