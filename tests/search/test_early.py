"""What a search of 3 s of work finds: cascades of many Einsums are looked at fused before they are joined pair by pair.

And what is refused before a search.
"""

from __future__ import annotations

import pytest

from benchmarks.mapper import sizes_of
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.sizes import SizeError
from fusemax.machine import load_machine
from fusemax.search.answer import best_mapping
from fusemax.search.best import UNNAMED_S
from fusemax.search.candidate import Tally


@pytest.mark.parametrize(
    ("name", "machine", "covered"),
    [("derived/redistributed-1-pass", "fusemax", 0.9), ("transformer/decoder-block", "tpu-v5e", 0.4)],
)
def test_many_einsums_are_fused_early(name: str, machine: str, covered: float) -> None:
    """31 and 28 Einsums that may share one phase: pair by pair the bound was 24 and 18% of what was found in that time."""
    cascade = load_cascade(name)
    answer = best_mapping(
        cascade, load_machine(machine)[0], sizes_of(name, cascade), seconds=UNNAMED_S, by_work=True
    )
    assert answer.gap >= covered


def test_bodies_are_cut_where_nothing_else_fits() -> None:
    """RWKV-7 in chunks has a price only with an Einsum in most bodies; other loops were tried first, up to the end."""
    name = "state-space/rwkv-7-chunked"
    cascade = load_cascade(name)
    answer = best_mapping(
        cascade, load_machine("tpu-v5e")[0], sizes_of(name, cascade), seconds=1, by_work=True
    )
    assert len(answer.plan.phases) == 1


def test_names_of_unequal_length_are_refused_before_a_search() -> None:
    """One Einsum reads X by p and by m: no division into nests parts them, so nothing need be looked at to say so."""
    cascade = cascade_from_text(
        "title: t\nsource: own\nsame: [[P, M]]\ninputs: {X: [D, M]}\noutputs: [Z]\n"
        "einsums: |\n  S[p,m] = X[d,p]*X[d,m] :: sum[d]\n  Z[p] = exp(S[p,m]) :: sum[m]\n"
    )
    machine, tally = load_machine("fusemax")[0], Tally()
    with pytest.raises(SizeError, match="Einsum S reads X under the names p and m, of ranks P=32 and M=64"):
        best_mapping(cascade, machine, {"M": 64, "D": 64, "P": 32}, tally=tally)
    assert tally.structures == 0
    assert best_mapping(cascade, machine, {"M": 32, "D": 64, "P": 32}, seconds=1, by_work=True).tilings
