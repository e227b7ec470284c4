"""Cascades compared after their algebra is done: what must be equal, what must not, and that values stay."""

from __future__ import annotations

import pytest

from fusemax.analysis.rewrite.canonical import canonical, same_up_to_algebra
from fusemax.analysis.rewrite.same import same_up_to_names
from fusemax.analysis.rewrite.search import search
from fusemax.analysis.rewrite.verify import Witness
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.ir import Cascade

BARE = "title: t\nsource: test\ninputs: {A: [M, P], B: [P], C: [M]}\neinsums: |\n"


def bare(*rows: str) -> Cascade:
    """Return a cascade of A[m,p], B[p] and C[m]."""
    return cascade_from_text(BARE + "".join(f"  {row}\n" for row in rows), "bare")


def test_flash_attention_1_is_found() -> None:
    """Running all three reductions in one loop gives Algorithm 1 of Dao et al. (arXiv 2205.14135), algebra aside."""
    form = search(load_cascade("attention/3-pass"), "M").named("iterate GM, SD, AV")
    assert same_up_to_algebra(form.cascade, load_cascade("attention/1-pass-normalised"))
    assert not same_up_to_algebra(form.cascade, load_cascade("attention/1-pass"))


@pytest.mark.parametrize(
    "name",
    [
        "attention/3-pass",
        "attention/1-pass",
        "attention/1-pass-normalised",
        "attention/split-k",
        "causal/3-pass",
        "normalisation/layer-norm",
        "variants/softpick",
        "variants/differential",
        "sparse/window-sinks",
        "backward/recomputed",
    ],
)
def test_values_stay(name: str) -> None:
    """The canonical form computes what the cascade does."""
    cascade = load_cascade(name)
    assert Witness(cascade).verdict(canonical(cascade)).right


def test_factor_in_front_of_a_sum() -> None:
    """Distributivity: sum_m a*b = b * sum_m a, and (x + y)/b = x/b + y/b."""
    inside = bare("D[m,p] = A[m,p]/B[p]", "Z[p] = D[m,p]*C[m] :: sum[m]")
    outside = bare("S[p] = A[m,p]*C[m] :: sum[m]", "Z[p] = S[p]/B[p]")
    assert not same_up_to_names(inside, outside)
    assert same_up_to_algebra(inside, outside)
    joined = bare("S[p] = A[m,p]*C[m] :: sum[m]", "T[p] = A[m,p] :: sum[m]", "Z[p] = (S[p] + T[p])/B[p]")
    apart = bare("S[p] = A[m,p]*C[m] :: sum[m]", "T[p] = A[m,p] :: sum[m]", "Z[p] = S[p]/B[p] + T[p]/B[p]")
    assert same_up_to_algebra(joined, apart)


def test_what_differs_stays_apart() -> None:
    """A factor does not leave a maximum, a factor along the sum does not leave it, and operators are not mixed up."""
    weighed = bare("Z[p] = A[m,p]*C[m]*B[p] :: max[m]")
    assert not same_up_to_algebra(weighed, bare("S[p] = A[m,p]*C[m] :: max[m]", "Z[p] = S[p]*B[p]"))
    assert not same_up_to_algebra(weighed, bare("Z[p] = A[m,p]*C[m]*B[p] :: sum[m]"))
    split = bare("S[p] = A[m,p] :: sum[m]", "T[] = C[m] :: sum[m]", "Z[p] = S[p]*T[]*B[p]")
    assert not same_up_to_algebra(bare("Z[p] = A[m,p]*C[m]*B[p] :: sum[m]"), split)
