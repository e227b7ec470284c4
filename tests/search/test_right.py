"""Is the search right? Against brute force: every tiling by the cost engine, every binding, every split of the units."""

from __future__ import annotations

from itertools import product
from math import ceil, inf, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import load_cascade
from fusemax.cost.lower import run
from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from fusemax.search import phase
from fusemax.search.answer import Answer, best_mapping, measure
from fusemax.search.candidate import Candidate, program_of
from fusemax.search.clock import HOPELESS_S
from fusemax.search.plan import Plan, Search
from fusemax.search.shapes import skeletons
from fusemax.search.split import Ways, split, weighted
from tests.search.designs import example, tiny
from tests.search.listed import disagreements, facts_or_none, size_of

MOST = 4000  #: tilings that are listed


def _tilings(answer: Answer, candidate: Candidate) -> list[dict[str, int]] | None:
    """Return every tiling of a phase: all sizes of all tiles; None when they are too many."""
    facts, names, choices = answer.facts, [], []
    for rank, cuts in candidate.phase.cuts.items():
        for digit in facts.digits(rank, cuts)[1:]:
            names.append(digit.upper())
            choices.append(range(1, facts.sizes[rank] + 1))
    for part in facts.open_parts:
        names.append(part)
        rank = next(rank for rank in facts.ranks if part in facts.parts(rank))
        several = len(answer.plan.phases) > 1
        choices.append([candidate.tiles[part]] if several else range(1, facts.sizes[rank] + 1))
    if prod(len(choice) for choice in choices) > MOST:
        return None
    return [dict(zip(names, sizes, strict=True)) for sizes in product(*choices)]


def _least(answer: Answer, candidate: Candidate, objective: str) -> float | None:
    """Return the least *objective* over every tiling of the candidate's structure that fits, by the plain code of ``cost``."""
    found = _tilings(answer, candidate)
    if found is None:
        return None
    program = program_of(answer.facts, candidate.phase)
    rooms = [line.name for line in program.labelled("occupancy")]
    pairs = [(room, room.replace("occupancy_B", "capacity_B")) for room in rooms]
    names = ["latency_s", "traffic_B", "energy_J", *(name for pair in pairs for name in pair)]
    known = {**answer.facts.figures, **answer.facts.sizes}
    points = [
        [float(tiles.get(n, known.get(n, 1.0) if v is None else v)) for n, v in program.parameters.items()]
        for tiles in found
    ]
    rows = run(program, names, np.array(points))
    fits = [all(row[3 + 2 * n] <= row[4 + 2 * n] for n in range(len(pairs))) for row in rows.tolist()]
    columns = {"latency": rows[:, 0], "traffic": rows[:, 1], "energy": rows[:, 2]}
    return min((v for v, fit in zip(columns[objective].tolist(), fits, strict=True) if fit), default=inf)


def check(seed: int, objective: str) -> bool:
    """Check one random design; return whether there was a mapping to check."""
    one = example(seed)
    try:
        answer = best_mapping(one.cascade, one.machine, one.sizes, objective=objective, seconds=5)
    except FusemaxError as error:
        if any(word in str(error) for word in ("no unit", "too small", "fits this machine", "kinds")):
            return False
        raise
    value = measure(answer.cost, objective)
    assert answer.bound.of(objective) <= value * (1 + 1e-12), (one.name, one.text)
    assert answer.plan.measure(objective) == pytest.approx(value, rel=1e-12), (one.name, one.text)
    for candidate in answer.plan.phases:
        least = _least(answer, candidate, objective)
        if least is not None:
            assert candidate.measure(objective) == pytest.approx(least, rel=1e-9), (
                one.name,
                one.text,
                candidate,
            )
    return True


@pytest.mark.parametrize("objective", ["latency", "energy", "traffic"])
def test_winners_are_the_best_of_every_tiling(objective: str) -> None:
    """On random small designs the bound is not above the winner, whose price and tiles brute force confirms."""
    assert sum(check(seed, objective) for seed in range(4)) >= 2


def test_an_operation_in_two_parts_may_take_less_energy_than_on_any_unit() -> None:
    """The difference here and the exponential there are cheaper than both on one unit: the bound has to know."""
    assert check(179, "energy")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_split_is_a_bound_and_is_reached(data: st.DataObject) -> None:
    """No assignment of whole operations is below the split; its weights prove it; one operation is split exactly."""
    units = ["a", "b", "c"][: data.draw(st.integers(1, 3))]
    count = data.draw(st.integers(1, 5))
    seconds = {
        (str(n), "x"): Ways({unit: float(data.draw(st.integers(0, 9))) for unit in units})
        for n in range(count)
    }
    least, weights, _ = split(units, seconds)
    loads = [
        max(sum(seconds[str(n), "x"].whole[u] for n, u in enumerate(chosen) if u == unit) for unit in units)
        for chosen in product(units, repeat=count)
    ]

    assert sum(weights.values()) == pytest.approx(1)
    assert least == pytest.approx(weighted(seconds, weights))
    assert least <= min(loads) + 1e-9
    if count == 1 and all(value > 0 for value in seconds["0", "x"].whole.values()):
        assert least == pytest.approx(1 / sum(1 / value for value in seconds["0", "x"].whole.values()))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_split_is_reached_by_its_shares_whatever_the_scales(data: st.DataObject) -> None:
    """A split within the bound that its own weights prove is the best one: also where one takes 10^12 times as long."""
    units = ["a", "b", "c"][: data.draw(st.integers(1, 3))]
    seconds = {
        (str(n), "x"): Ways({unit: data.draw(st.integers(1, 999)) * 10.0**power for unit in units})
        for n, power in enumerate(data.draw(st.lists(st.integers(-9, 3), min_size=1, max_size=8)))
    }
    least, weights, shares = split(units, seconds)
    loads = [sum(ways.whole[u] * shares[key].get(u, 0.0) for key, ways in seconds.items()) for u in units]

    for key, one in shares.items():
        if max(seconds[key].whole.values()) > 1e-6 * least:
            assert sum(one.values()) == pytest.approx(1, rel=1e-4)
    assert max(loads) == pytest.approx(least, rel=1e-6)
    assert least == pytest.approx(weighted(seconds, weights))


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 24), tile=st.integers(1, 24))
def test_every_number_of_blocks_has_a_tile_to_try(size: int, tile: int) -> None:
    """Whatever an outer tile counts, one of those tried makes as many blocks and is no larger."""
    from fusemax.search.tiles import block_counts

    tiles = ceil(size / min(tile, size))
    tried = {ceil(tiles / n) for n in block_counts(tiles)}
    for outer in range(1, tiles + 1):
        assert any(one <= outer and ceil(tiles / one) == ceil(tiles / outer) for one in tried)


@pytest.mark.parametrize("first", [0, 40])
def test_the_winner_is_that_of_full_enumeration(first: int) -> None:
    """Every division, structure, binding, use of lanes and tiling of a few small designs, by the cost program."""
    checked = 0
    for seed in range(first, first + 40):
        one = tiny(seed)
        facts = facts_or_none(one)
        if facts is not None and size_of(facts, 120) <= 120:
            checked += 1
            assert disagreements(one, facts) == [], (one.name, one.text)
    assert checked >= 2


def test_a_listing_ends_when_the_time_is_up_or_when_asked() -> None:
    """It has the best so far, and says why it ended; a space that is too large is refused before anything is priced."""
    cascade, machine = load_cascade("attention/3-pass"), load_machine("flat")[0]
    sizes = {"B": 1, "H": 1, "M": 6, "P": 6, "E": 4, "F": 4}

    def asked(search: Search, plan: Plan) -> None:
        raise KeyboardInterrupt

    late = best_mapping(cascade, machine, sizes, search="exhaustive", seconds=1.0)
    stopped = best_mapping(cascade, machine, sizes, search="exhaustive", seconds=60.0, watch=asked)

    assert (late.stopped, stopped.stopped) == ("time", "asked")
    assert 0 < late.gap < 1
    assert late.seconds < 1.0 + HOPELESS_S + 5.0
    with pytest.raises(FusemaxError, match="tilings, too many to list all"):
        best_mapping(cascade, machine, {**sizes, "M": 300, "P": 200}, search="exhaustive")


def test_a_winner_that_is_not_the_best_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that looks at one structure only disagrees with enumeration somewhere."""
    monkeypatch.setattr(phase, "skeletons", lambda facts, segment: list(skeletons(facts, segment))[-1:])
    monkeypatch.setattr(phase, "structures_of", lambda facts, segment: ())
    monkeypatch.setattr(phase, "_variants", lambda facts, rated, places: ())
    wrong: list[str] = []
    for seed in range(40):
        one = tiny(seed)
        facts = facts_or_none(one)
        if facts is not None and size_of(facts, 120) <= 120:
            wrong += disagreements(one, facts)
    assert wrong
