"""Which Einsums may share temporal loops: what is legal, and the reasons when it is not."""

from __future__ import annotations

import pytest

from fusemax.analysis.fusion import UnknownEinsumError, may_fuse
from fusemax.analysis.passes import analyse
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.shipped import shipped

RUNNING = ["BQK", "LM", "RM", "SLN", "SLD", "SLNV", "PRM", "SPD", "RD", "SPNV", "RNV"]
TILES = {"p2": "p", "p1": "p"}


def reasons(name, einsums, loops, parts=None) -> list[str]:
    """Return the violations as text."""
    return [str(violation) for violation in may_fuse(load_cascade(name), einsums, loops, parts)]


def test_the_papers_mapping_is_legal():
    """Einsums 44 to 54 of FuseMax share the loops over p2, m1 and p1 (Mapping 1)."""
    assert [] == reasons("attention/1-pass", RUNNING, ["p2", "m1", "p1"], TILES)


def test_any_cascade_fuses_over_its_queries():
    """Attention in three passes is fused over p without harm: FLAT's row granularity."""
    assert [] == reasons("attention/3-pass", ["QK", "GM", "SN", "SD", "A", "AV"], ["p"])


def test_a_pass_boundary():
    """GM must be over before SN begins, and SD before A."""
    assert [
        "GM and SN cannot share a loop over m: SN needs GM after its reduction over m has ended",
        "SD and A cannot share a loop over m: A needs SD after its reduction over m has ended",
    ] == reasons("attention/3-pass", ["QK", "GM", "SN", "SD", "A", "AV"], ["p", "m"])


def test_the_last_generation():
    """What reads the end of a running value stays out of its loop."""
    assert [
        "RD and AV cannot share a loop over m1: AV reads RD at the last m1, after the loop has ended",
        "RNV and AV cannot share a loop over m1: AV reads RNV at the last m1, after the loop has ended",
    ] == reasons("attention/1-pass", [*RUNNING, "AV"], ["p2", "m1"], TILES)


def test_an_einsum_left_out_in_between():
    """An Einsum that stands between two of the loop cannot run outside it."""
    found = reasons("attention/1-pass", [e for e in RUNNING if e != "RM"], ["m1"])

    assert (
        "LM and SLN cannot share a loop over m1: RM, which is not in the loop, needs LM and feeds SLN"
        in found
    )


def test_a_gather_may_read_anything():
    """An index made of data counts as any coordinate, although the bound makes no claim from it."""
    text = """
title: gather
source: our own
inputs: {A: [M], T: [M]}
outputs: [Z]
einsums: |
  Y[m] = exp(A[m])
  Z[m] = Y[T[m]]
"""
    cascade = cascade_from_text(text)

    assert 1 == analyse(cascade).passes("M", "A")
    assert ["Y and Z cannot share a loop over m: Z reads Y at T[m], which may be any coordinate of m"] == [
        str(violation) for violation in may_fuse(cascade, ["Y", "Z"], ["m"])
    ]


def test_a_window_ahead_needs_a_skew():
    """A read one coordinate ahead is refused with the skew that would mend it; one behind is fine."""
    text = """
title: window
source: our own
inputs: {A: [M]}
outputs: [Z]
einsums: |
  Y[m] = exp(A[m])
  Z[m] = Y[m] + Y[m SHIFT 1]
"""
    ahead = may_fuse(cascade_from_text(text.replace("SHIFT", "+")), ["Y", "Z"], ["m"])
    behind = may_fuse(cascade_from_text(text.replace("SHIFT", "-")), ["Y", "Z"], ["m"])

    assert "Z reads Y 1 coordinates of m ahead; the loop has to be skewed by 1" == ahead[0].why
    assert () == behind


def test_an_outer_loop_carries_a_dependence():
    """A value of the previous step of the outer loop may be read anywhere in the inner one, not the other way."""
    text = """
title: carried
source: our own
inputs: {A: [T, P]}
outputs: [Y]
einsums: |
  S[0] = 0
  loop t:
    U[t,p] = A[t,p]*S[t]
    S[t+1] = U[t,p] :: sum[p]
  Y[t,p] = U[t,p]
"""
    cascade = cascade_from_text(text)

    assert ["S and U"] == [
        f"{v.producer} and {v.consumer}"
        for v in may_fuse(cascade, ["U", "S"], ["p", "t"])
        if v.variable == "p"
    ]
    assert () == may_fuse(cascade, ["U", "S"], ["t", "p"])


def test_unknown_einsums():
    """A misspelt Einsum is named with those that there are."""
    with pytest.raises(UnknownEinsumError, match="has no Einsum QX; there are: Y, Z"):
        may_fuse(load_cascade("paper/cascade-1"), ["QX"], ["k"])


@pytest.mark.parametrize("name", shipped("einsums"))
def test_legal_fusion_respects_the_bound(name):
    """No two Einsums of different levels may share the loop over a rank: legality is never laxer than the bound."""
    cascade = load_cascade(name)
    for rank in analyse(cascade).ranks:
        if len(rank.levels) < 2 or len(rank.variables) > 1:
            continue
        everything = [einsum for level in rank.levels for einsum in level.einsums]

        assert may_fuse(cascade, everything, list(rank.variables))
