"""A part of the space: what the user settles holds, what is left open is searched, mistakes are all told."""

from __future__ import annotations

import pytest

from fusemax.cascade.build import cascade_of, load_cascade
from fusemax.errors import FusemaxError
from fusemax.machine import load_machine, machine_of
from fusemax.search.answer import Answer, best_mapping
from fusemax.search.within import Within, spread_over, within_of
from fusemax.source import document_of

SIZES = {"B": 1, "H": 2, "M": 1024, "P": 768, "E": 32, "F": 32}


def _best(text: str) -> Answer:
    cascade, (machine, _) = load_cascade("attention/1-pass"), load_machine("fusemax")
    within = within_of(document_of(text, "space.yaml"), cascade, machine)
    return best_mapping(cascade, machine, SIZES, within=within)


def test_what_is_settled_holds() -> None:
    """Tiles, a tensor that is kept, and the unit of an Einsum are as the file says; the open search is no worse."""
    answer = _best("tiles: {M0: 64, P0: [100, 200]}\nkeep: {L3: [K, any]}\nbind: {1d: [SLD]}\n")
    (phase,) = answer.plan.phases
    kept = [(one.tensor, one.level) for nest in answer.mapped.nests for one in nest.residences]

    assert phase.tiles["M0"] == 64
    assert phase.tiles["P0"] in (100, 200)
    assert ("K", "L3") in kept
    assert phase.phase.bind["SLD", 0] == "1d"
    assert _best("bind: any\n").cost.latency_s < answer.cost.latency_s


def test_a_space_without_members_is_told_with_the_nearest_one() -> None:
    """No structure keeps scores, and nothing else, in L3: running values have to wait somewhere, as does a query's tile."""
    with pytest.raises(FusemaxError, match=r"no member for BQK.*: the nearest also keeps K at L3, SQ at L3"):
        _best("keep: {L3: []}\n")
    with pytest.raises(FusemaxError, match=r"no member for BQK.*: the nearest does not keep K at DRAM"):
        _best("keep: {DRAM: [K]}\n")
    with pytest.raises(FusemaxError, match="none of the units that the space leaves"):
        _best("bind: {2d: [AV]}\n")  # a division


def test_every_mistake_is_told_with_its_place() -> None:
    """Levels, tensors, units, Einsums and sizes that there are not."""
    text = "tiles: {M0: 0}\nkeep: {L4: [K], L3: [ZZ]}\nbind: {3d: [BQK], 1d: [XX]}\n"
    with pytest.raises(FusemaxError) as told:
        _best(text)
    for place in ("1:13: tiles.M0", "2:8: keep.L4", "2:21: keep.L3", "3:8: bind.3d", "3:23: bind.1d"):
        assert f"space.yaml:{place}" in str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tiles: {Z0: 4}", "1:9: tiles.Z0: no tile 'Z0' in this space"),
        ("tiles: {P7: 4}", "1:9: tiles.P7: no tile 'P7' in this space"),
        ('tiles: {"": 4}', "no tile '' in this space"),
        ("tiles: {M0: [any, 3]}", "expected 'any', a size or a list of sizes, got ['any', 3]"),
        ("tiles: {M0: true}", "expected 'any', a size or a list of sizes, got True"),
        (
            "keep: {L3: {K: 2}}",
            "1:12: keep.L3: expected 'any', the name of one tensor or a list of them, got {'K': 2}",
        ),
        ("bind: 3", "1:7: bind: expected 'any' or Einsums by unit, got 3"),
        (
            "bind: {2d: [3]}",
            "1:12: bind.2d: expected 'any', the name of one Einsum or a list of them, got [3]",
        ),
    ],
)
def test_a_mistake_is_told_once(text: str, told: str) -> None:
    """What is no tile, no size and no list is told in one line with its place, not for each type that it might have been."""
    with pytest.raises(FusemaxError) as found:
        _best(text)
    assert told in str(found.value)
    assert sum("space.yaml" in line for line in str(found.value).splitlines()) == 1


def test_only_loops_that_are_left_are_dealt_to_cores() -> None:
    """Every nest of the answer deals loops over the ranks named alone; the open search is no worse."""
    cascade, (machine, _) = load_cascade("attention/1-pass"), load_machine("tpu-v4")
    within = spread_over("h", Within(), cascade)
    answer = best_mapping(cascade, machine, SIZES, within=within)
    other = within_of(document_of("spread: [h]", "space.yaml"), cascade, machine)

    assert other == within
    assert all(
        nest.spread and {loop.rstrip("0123456789") for loop in nest.spread} <= {"b", "h"}  # B is 1
        for nest in answer.mapped.nests
    )
    assert best_mapping(cascade, machine, SIZES).cost.latency_s <= answer.cost.latency_s * 1.001


def test_a_loop_of_one_iteration_is_in_nobodys_way() -> None:
    """With one batch element and one head around them, tiles of queries may be dealt alone."""
    cascade, (machine, _) = load_cascade("attention/1-pass"), load_machine("tpu-v4")
    answer = best_mapping(
        cascade, machine, {**SIZES, "B": 1, "H": 1}, within=spread_over("p", Within(), cascade)
    )

    assert all(
        {loop.rstrip("0123456789") for loop in nest.spread} <= {"b", "h", "p"} for nest in answer.mapped.nests
    )


def test_what_cannot_be_dealt_to_cores_is_told() -> None:
    """Unknown ranks with the known ones, a rank that no nest has outermost, a machine of one core, two ways to say it."""
    cascade, (machine, _) = load_cascade("attention/1-pass"), load_machine("tpu-v4")
    with pytest.raises(FusemaxError, match=r"--spread: no rank variable 'z'\n  hint: there are"):
        spread_over("z,h", Within(), cascade)
    with pytest.raises(FusemaxError, match="1:9: spread: expected 'any', a rank variable or a list of them"):
        within_of(document_of("spread: []", "space.yaml"), cascade, machine)
    with pytest.raises(FusemaxError, match="settles 'spread' too"):
        spread_over("h", spread_over("b", Within(), cascade), cascade)
    with pytest.raises(FusemaxError, match="one core, to which no loop is dealt"):
        best_mapping(cascade, load_machine("fusemax")[0], SIZES, within=spread_over("h", Within(), cascade))
    with pytest.raises(
        FusemaxError, match=r"the space has no member for .*the nearest .*deals [bh] to cores"
    ):
        best_mapping(cascade, machine, SIZES | {"B": 2}, within=spread_over("e", Within(), cascade))


def test_the_nearest_miss_names_the_phase_that_it_is_of() -> None:
    """Two operands of two bytes beside each other want four bytes, whatever else the phase does."""
    cascade = document_of(
        "title: t\nsource: s\ninputs: {A: [I, K], B: [K, J]}\noutputs: [Z]\neinsums: |\n"
        "  Y[i,j] = A[i,k]*B[k,j] :: sum[k]\n  Z[i,j] = exp(Y[i,j])\n"
    )
    machine = document_of(
        "title: t\nsource: s\nclock: 1 GHz\nword: 2 B\nlevels: {DRAM: {bandwidth: 1 GB/s}, L1: {size: 3 B}}\n"
        "units: {u: {shape: {lanes: 4}, operations: {mac: 1, exp: 1}}}\n"
    )
    with pytest.raises(FusemaxError) as told:
        best_mapping(cascade_of(cascade, "c"), machine_of(machine), {"I": 8, "J": 8, "K": 8})

    assert (
        "no mapping of Y fits this machine; the nearest miss, of a phase that does Y, Z, with tiles"
        in str(told.value)
    )
    assert "L1 is too small" in str(told.value)
    assert "4 B needed (A 2 B, B 2 B), 3 B there" in str(told.value)
