"""Mechanisms beyond plain attention: how few passes each reaches, and what is refused and why."""

from __future__ import annotations

import pytest

from fusemax.analysis.rewrite.search import NotReducibleError, UnknownFormError, search
from fusemax.cascade.build import load_cascade
from fusemax.errors import FusemaxError
from tests.analysis.rewrite.mechanisms import mechanism


@pytest.mark.parametrize(
    ("name", "rank", "before", "after"),
    [
        ("variance", "D", 2, 1),
        ("layernorm", "D", 3, 2),
        ("layernorm-matmul", "D", 3, 1),
        ("rmsnorm-matmul", "D", 2, 1),
        ("softmax-1", "M", 3, 1),
        ("sink", "M", 3, 1),
        ("mla", "M", 3, 1),
        ("landmark", "M1", 3, 1),
        ("agent", "M", 3, 1),
        ("agent", "T", 3, 1),
        ("block-sparse", "J,M0", 3, 1),
        ("causal", "M", 3, 1),
        ("window", "M", 3, 1),
        ("masked", "M", 3, 1),
        ("log-sum-exp", "M", 2, 1),
        ("entropy", "M", 3, 1),
        ("max-plus", "N", 2, 1),
        ("max-times", "N", 3, 1),
        ("topk-shift", "N", 2, 1),
        ("decay", "M", 3, 1),
        ("two-normalisers", "M", 3, 1),
    ],
)
def test_fewest_safe_passes(name: str, rank: str, before: int, after: int) -> None:
    """The best safe form has the passes known from the literature, or found by hand where there is none."""
    found = search(mechanism(name), rank)
    safe = [form for form in found.forms if form.safe]
    assert (before, after) == (found.original.passes, min(form.passes for form in safe))
    assert all(form.verdict is not None and form.verdict.right for form in found.forms)


def test_welford() -> None:
    """Welford (Technometrics 1962): M2' = M2 + n*(mean' - mean)**2 + the new squares, without a sum of squares."""
    form = next(
        f for f in search(mechanism("variance"), "D").forms if f.title == "iterate point by point S1, S2"
    )
    loop = [str(einsum) for einsum in form.cascade.einsums if einsum.loop]
    assert "RMU[d+1] = RS1[d+1]/(d + 1)" in loop
    assert any("RS2[d] + d*(RMU[d+1] - RMU[d])**2" in row for row in loop)


def test_moments_are_marked() -> None:
    """The variance from sums and squares is found, and marked: it cancels when the mean is large."""
    form = next(f for f in search(mechanism("variance"), "D").forms if f.title == "defer MU in S2")
    assert form.passes == 1
    assert not form.safe
    assert "large offset" in form.safety


def test_softpick_in_one_pass_is_marked() -> None:
    """Softpick runs in one pass, but its exp(-m) overflows while the running maximum is still far below 0."""
    best = search(mechanism("softpick"), "M").best(1)
    assert not best.safe


def test_reordered_sums() -> None:
    """(Q K) V becomes Q (K V), with E*F instead of M*P intermediates."""
    best = search(mechanism("linear"), "M").best(1)
    assert best.moves == ("reorder",)
    assert {"E", "F"} == set(best.cascade.tensors["AVN"].ranks)


def test_backward_row_sums_from_the_saved_output() -> None:
    """D = sum_m P*dP becomes sum_f dO*O with the forward's O (FlashAttention, appendix B): two passes to one."""
    plain = search(mechanism("backward"), "M")
    with pytest.raises(NotReducibleError, match="semantic floor"):
        plain.best(1)
    saved = search(mechanism("backward"), "M", given=("O[f,p] = PR[m,p]*V[f,m] :: sum[m]",))
    best = saved.best(1)
    assert (best.passes, best.safe) == (1, True)
    assert "O" in best.cascade.inputs
    assert str(best.cascade.einsum("DD")) == "DD[p] = DO[f,p]*O[f,p] :: sum[f]"


@pytest.mark.parametrize("name", ["softmax/stable", "softmax/unstable", "normalisation/layer-norm"])
def test_semantic_floor(name: str) -> None:
    """An output along the rank that needs all of it is refused below two passes."""
    with pytest.raises(NotReducibleError, match="semantic floor of 2"):
        search(load_cascade(name)).best(1)


def test_sorting_has_a_floor() -> None:
    """A sorted list is as long as the rank itself."""
    with pytest.raises(NotReducibleError, match=r"semantic floor of 2.*sort"):
        search(mechanism("sort"), "D").best(1)


@pytest.mark.parametrize("name", ["hinge", "deviation", "tanh", "gaussian"])
def test_condition_that_fails_is_named(name: str) -> None:
    """Hinge, |x - mean|, tanh and Gaussian are refused with the subexpression that mixes and its sampled rank."""
    with pytest.raises(NotReducibleError, match=r"mixes the earlier result .* with the data .* rank"):
        search(mechanism(name), "D").best(1)


def test_mistakes_of_the_user() -> None:
    """Unknown ranks and forms are named with what there is."""
    cascade = mechanism("linear")
    with pytest.raises(FusemaxError, match="cascade linear has no rank 'Z'; there are: E, P, M, F"):
        search(cascade, "Z")
    with pytest.raises(UnknownFormError, match="there are: running, split"):
        search(cascade, "M", form="sideways")
