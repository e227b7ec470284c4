"""Mistakes of form in a mapping: one message each, of the form that was meant, with its place."""

from __future__ import annotations

import pytest

from fusemax.cost.point import cost_of
from fusemax.errors import FusemaxError, ProblemsError
from fusemax.machine import load_machine
from fusemax.mapping.spec import load_mapping_file, with_changes
from fusemax.shipped import ROOT

SIZES = {"B": 1, "H": 2, "M": 512, "P": 512, "E": 64, "F": 64}


@pytest.mark.parametrize(
    ("schedule", "messages"),
    [
        ("{overlap: 0.5, start: 1}", ["schedule.start: expected a quantity in s, got 1 without a unit"]),
        ("overlaped", ["schedule: expected 'overlapped', 'serial' or 'auto', got 'overlaped'"]),
        ("3", ["schedule: expected keys with values, got 3"]),
        ("{overlap: 1.5}", ["schedule: expected an overlap from 0 (serial) to 1 (overlapped), got 1.5"]),
        ("[{tensor: BQK}]", ["schedule.0.tensor: expected a list, got 'BQK'"]),
        (
            "{overlp: 0.5}",
            ["schedule.overlp: unknown key 'overlp'"],
        ),
        (
            "[{stal: 3}, {stall: 2 s}, 5]",
            [
                "schedule.0.stal: expected a list, got 3",
                "schedule.1.stall: expected a number such as '16Ki', got '2 s'",
                "schedule.2: expected keys with values, got 5",
            ],
        ),
    ],
)
def test_a_wrong_schedule_is_told_once(tmp_path, schedule: str, messages: list[str]) -> None:
    """All mistakes, none of forms that were not meant."""
    text = (ROOT / "arch" / "hopper" / "flash3.yaml").read_text(encoding="utf-8")
    start = text.index("\nschedule: ") + 1
    path = tmp_path / "mine.yaml"
    path.write_text(f"{text[:start]}schedule: {schedule}\n", encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        cost_of("attention", "h200", str(path), SIZES)
    assert messages == [problem.text for problem in caught.value.problems]
    line = text[:start].count("\n") + 1
    assert all(problem.place.line == line for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("do: [BQK", "do: [3, BQK", "nests.0.do.0.do.0.do.0: expected text, got 3"),
        ("- for: [m1]", "- for: m1", "nests.0.do.0.do.0.for: expected a list, got 'm1'"),
        ("words: {", "spill: {L2: [K, K]}\nwords: {", "spill.L2.1: K stands there twice"),
        ("in_place: [[BQK, SLN]]", "in_place: [[K, V], [Q, K]]", "in_place.1.1: K stands there twice"),
        ("deal: in_order", "deal: best", "nests.0.deal: expected 'longest_first' or 'in_order', got 'best'"),
    ],
)
def test_a_wrong_nest_is_told_once(tmp_path, old: str, new: str, message: str) -> None:
    """Nests inside nests: the path leads to the mistake, and nothing else is blamed."""
    text = (ROOT / "arch" / "hopper" / "flash3.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        cost_of("attention", "h200", str(path), SIZES)
    assert [message] == [problem.text for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tiless.P1", "has no 'tiless'\n  hint: did you mean 'tiles'?"),
        ("nests.7.for", "expected a number from 0 to 0 in nests, got '7'"),
        ("nests.x.for", "expected a number from 0 to 0 in nests, got 'x'"),
        ("title.x", "title has nothing inside"),
    ],
)
def test_a_change_that_leads_nowhere_is_told(path: str, message: str) -> None:
    """The step that is missing, and what there is."""
    machine, where = load_machine("h200")
    _, document = load_mapping_file("flash3", where)
    with pytest.raises(FusemaxError) as caught:
        with_changes(document, {path: 4})
    assert message in str(caught.value)
    assert machine


def test_a_tensor_is_kept_once_at_a_level(tmp_path) -> None:
    """A second entry would count its words again."""
    text = (ROOT / "arch" / "hopper" / "flash3.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("shared: [Q]", "shared: [Q, {tensor: Q, buffers: 2}]"), encoding="utf-8")
    with pytest.raises(ProblemsError, match="Q stands under keep at shared twice"):
        cost_of("attention", "h200", str(path), SIZES)


def test_cores_can_be_given_with_a_point() -> None:
    """``replicas`` of the command line counts as that of the machine's file: half the work for each of two cores."""
    sizes = {"B": 8, "H": 4, "M": 1024, "P": 1024, "E": 64, "F": 64}
    one, two = (
        cost_of("attention/1-pass", "fusemax", "fusemax", sizes, {"replicas": cores, "DRAM.bandwidth": 1e15})
        for cores in (1, 2)
    )
    assert one.latency_s == 2 * two.latency_s
    assert one.traffic_B == two.traffic_B
