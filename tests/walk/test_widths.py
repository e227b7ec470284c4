"""Cycles of an operation by the width of its operands: by hand, and the three witnesses on random designs."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Number
from fusemax.language.value import value_of
from fusemax.machine import figures, machine_of
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of
from tests.walk.compare import compared
from tests.walk.design import Design
from tests.walk.designs import draw_design
from tests.walk.features import FEATURES

MAC: dict[str, Any] = {"8 bit": 1, "16 bit": 3, "32 bit": 7}
NODE = {"for": ["r"], "spatial": {"a": {"n": "lanes"}}, "do": ["Y"]}


def product(words: dict[str, str], word: str = "2 B", mac: Any = None) -> Design:
    """Return Y (4x1) = X (4x2) W (2x1), eight multiply-adds one after another."""
    operations = {"mac": MAC if mac is None else mac, "add": 1}
    unit = {"shape": {"lanes": 1}, "operations": operations, "registers": {"depth": 64}}
    machine = {
        "title": "t", "source": "s", "clock": "1 GHz", "word": word, "levels": {"DRAM": {}}, "units": {"a": unit},
    }  # fmt: skip
    mapping = {
        "title": "t", "source": "s", "cascade": "transformer/linear", "nests": [NODE], "bind": {"a": ["Y"]}, "words": words,
    }  # fmt: skip
    return Design("transformer/linear", machine, mapping, {"R": 4, "K": 2, "N": 1})


@pytest.mark.parametrize(
    ("words", "word", "cycles"),
    [
        ({}, "2 B", 3),
        ({}, "1 B", 1),
        ({}, "3 B", 7),
        ({}, "8 B", 14),  # twice as wide as every entry
        ({"X": "1 B", "W": "1 B"}, "2 B", 1),
        ({"X": "1 B"}, "2 B", 3),  # W is as wide as the machine's word
        ({"X": "4 B"}, "1 B", 7),
        ({"X": "4 bit", "W": "4 bit"}, "2 B", 1),
        ({"X": "word/2", "W": "word/2"}, "4 B", 3),
        ({"Y": "4 B"}, "1 B", 1),  # what is made does not count
    ],
)
def test_the_widest_operand_chooses(words: dict[str, str], word: str, cycles: float) -> None:
    """By hand: eight multiply-adds of the cycles that the table has for the wider of two operands."""
    mapped, machine = product(words, word).loaded()
    answer = cost(mapped, derive(mapped, machine), {"R": 4, "K": 2, "N": 1})

    assert answer.latency_s == pytest.approx(8 * cycles * 1e-9, rel=1e-12)
    assert simulate(mapped, machine, {"R": 4, "K": 2, "N": 1}).latency_s == pytest.approx(8 * cycles * 1e-9)
    assert not compared(product(words, word)).differences


def test_every_width_is_a_figure() -> None:
    """Each entry can be changed by its name, in a cost and in a machine; the figure of all follows from them."""
    mapped, machine = product({"X": "1 B", "W": "1 B"}).loaded()
    program = derive(mapped, machine)
    sizes = {"R": 4, "K": 2, "N": 1}

    assert {"a.operations.mac.8bit": 1, "a.operations.mac.16bit": 3}.items() <= program.parameters.items()
    assert cost(mapped, program, sizes, {"a.operations.mac.8bit": 5.0}).latency_s == pytest.approx(40e-9)
    narrow = machine.with_("a.operations.mac.8bit", 5)
    assert narrow.units["a"].operations["mac"].widths["8 bit"] == Number(5.0)
    assert cost(mapped, derive(mapped, narrow), sizes).latency_s == pytest.approx(40e-9)
    with pytest.raises(FusemaxError, match=r"follows from a\.operations\.mac\.8bit, .*16bit, .*32bit"):
        machine.with_("a.operations.mac", 5)


def test_an_operation_made_of_one_with_widths() -> None:
    """``mul: {mac: 2}`` takes twice what a ``mac`` of the machine's word does."""
    data = product({}).machine
    data["units"]["a"]["operations"]["mul"] = {"mac": 2}
    data["word"] = "1 B"

    known = figures(machine_of(document_of(json.dumps(data))))

    assert value_of(known["a.operations.mul"], {"word": 1.0}) == 2
    assert value_of(known["a.operations.mul"], {"word": 2.0}) == 6


@pytest.mark.parametrize(
    ("mac", "said"),
    [
        ("{8 bit: 1, wide: 2}", "'wide' is no width"),
        ("{8 bit: 1, 1 B: 2}", "has the width 8bit twice"),
        ("{8 bit: [1]}", "expected cycles"),
        ("{8 bit: -1}", "no less than zero"),
    ],
)
def test_what_no_width_can_be_is_refused(mac: str, said: str) -> None:
    """Each with its own words."""
    text = "title: t\nsource: s\nclock: 1 GHz\nword: 2 B\nlevels: {DRAM: {}}\n"
    text += f"units: {{a: {{shape: {{lanes: 1}}, operations: {{mac: {mac}}}}}}}\n"
    with pytest.raises(FusemaxError) as raised:
        machine_of(document_of(text))
    assert said in str(raised.value)


@settings(max_examples=25, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(st.integers(0, 10_000))
def test_three_witnesses_agree_on_random_designs(seed: int) -> None:
    """Half of the operations take other cycles for other widths; half of the tensors have a word of their own."""
    random = Random(seed)
    drawn = draw_design(random, FEATURES["plain"])
    for unit in drawn.machine["units"].values():
        unit["operations"] = {
            name: {"8 bit": value, "16 bit": value + 1, "32 bit": 2 * value + 1}
            if random.random() < 0.5
            else value
            for name, value in unit["operations"].items()
        }
    try:
        known = drawn.loaded()[0].cascade.tensors
    except FusemaxError:
        return
    drawn.mapping["words"] = {t: random.choice(["1 B", "2 B", "4 B"]) for t in known if random.random() < 0.5}

    assert not compared(drawn).differences
