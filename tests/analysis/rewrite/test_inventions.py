"""Mechanisms that are in no list: two normalisers, other monoids, decay, gates, norms; what each reaches and what not."""

from __future__ import annotations

import pytest

from fusemax.analysis.rewrite.search import NotReducibleError, search
from tests.analysis.rewrite.inventions import invention


@pytest.mark.parametrize(
    ("name", "rank", "before", "after"),
    [
        ("sequential-normalisers", "M", 4, 1),
        ("max-plus-decay", "M", 2, 1),
        ("bits", "N", 3, 1),
        ("lse-variance", "M", 4, 1),
        ("softmax-variance", "M", 4, 1),
        ("cosine", "M", 3, 1),
        ("cross-covariance", "M", 2, 1),
        ("keys-normalised", "M", 4, 2),
        ("scores-normalised", "M", 4, 2),
        ("key-temperature", "M", 3, 1),
        ("gated-softmax", "M", 3, 1),
        ("gated-by-max", "M", 3, 2),
        ("causal-decay-two", "M", 3, 1),
        ("retention-normalised", "M", 2, 1),
        ("two-temperatures", "M", 3, 1),
        ("min-max-scaled", "M", 3, 1),
        ("top-k-share", "N", 3, 1),
    ],
)
def test_fewest_safe_passes(name: str, rank: str, before: int, after: int) -> None:
    """The passes found by hand: one where every factor of a later reduction separates, one more for each that does not."""
    found = search(invention(name), rank)
    safe = [form for form in found.forms if form.safe]
    assert (before, after) == (found.original.passes, min(form.passes for form in safe))
    assert all(form.verdict is not None and form.verdict.right for form in found.forms)


def test_or_and() -> None:
    """Bits gated by earlier bits are pulled out of or and and; as those may end early, no passes are claimed."""
    found = search(invention("reach"), "N")
    assert "defer ALL in ANY, defer ANY in Z" in {form.title for form in found.forms if form.safe}
    assert any("may end early" in claim for claim in found.no_claims)


def test_weighted_variance_runs_like_welford() -> None:
    """The weighted update moves the mean with (mean' - mean) in front: no sum of squares is gathered (West, 1979)."""
    form = search(invention("lse-variance"), "M").named("iterate GM, SE, MU, VAR")
    update = next(str(einsum) for einsum in form.cascade.einsums if str(einsum).startswith("RVAR[m1+1,p]"))
    assert "(RMU[m1+1,p] - RMU[m1,p])*" in update


def test_division_by_an_empty_sum_is_guarded() -> None:
    """Kept normalised, the variance divides by the sum of a tile that may hold masked points only: 1 stands in for 0."""
    best = search(invention("softmax-variance"), "M").best(1)
    assert best.safe
    assert any("where(eq(RSD[m1+1,p], 0), 1, RSD[m1+1,p])" in str(einsum) for einsum in best.cascade.einsums)


@pytest.mark.parametrize("name", ["entmax", "entmax-normalised"])
def test_entmax_is_refused(name: str) -> None:
    """relu(x/2 - tau)**2 with tau from the whole fibre does not separate, and its rank is not small."""
    with pytest.raises(
        NotReducibleError, match=r"relu\(.*TAU.*mixes the earlier result .*TAU.* rank (8|9|10)"
    ):
        search(invention(name), "M").best(1)


def test_negative_factor_is_refused_under_top_k() -> None:
    """A factor of unknown sign would turn the list around."""
    with pytest.raises(NotReducibleError, match="negative factor turns max into min"):
        search(invention("top-k-negative"), "N").best(1)


def test_gate_inside_a_function_is_refused() -> None:
    """sigmoid(x - max) is no product of a function of x and one of max."""
    with pytest.raises(NotReducibleError, match=r"sigmoid\(.*\) mixes the earlier result GM\[p\]"):
        search(invention("gated-by-max"), "M").best(1)
