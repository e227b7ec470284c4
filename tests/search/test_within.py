"""A part of the space: what the user settles holds, what is left open is searched, mistakes are all told."""

from __future__ import annotations

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from fusemax.search.answer import Answer, best_mapping
from fusemax.search.within import within_of
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


def test_a_space_without_members_is_told() -> None:
    """No structure keeps scores, and nothing else, in L3."""
    with pytest.raises(FusemaxError, match="the space has no member for"):
        _best("keep: {L3: [BQK]}\n")
    with pytest.raises(FusemaxError, match="none of the units that the space leaves"):
        _best("bind: {2d: [AV]}\n")  # a division


def test_every_mistake_is_told_with_its_place() -> None:
    """Levels, tensors, units, Einsums and sizes that there are not."""
    text = "tiles: {M0: 0}\nkeep: {L4: [K], L3: [ZZ]}\nbind: {3d: [BQK], 1d: [XX]}\n"
    with pytest.raises(FusemaxError) as told:
        _best(text)
    for place in ("1:13: tiles.M0", "2:8: keep.L4", "2:21: keep.L3", "3:8: bind.3d", "3:23: bind.1d"):
        assert f"space.yaml:{place}" in str(told.value)
