"""Layers, moments and selections: the form that people write by hand is found, and it is safe."""

from __future__ import annotations

import random
from functools import cache

import pytest

from fusemax.analysis.rewrite.safety import safety_lines
from fusemax.analysis.rewrite.search import Reduced, search
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.ir import Cascade
from tests.analysis.rewrite.layers import LAYERS
from tests.analysis.rewrite.random_layers import random_layer


def layer(name: str) -> Cascade:
    """Return the cascade of one of the layers."""
    return cascade_from_text(f"title: t\nsource: t\n{LAYERS[name][3].lstrip()}", "t")


@cache
def searched(name: str) -> Reduced:
    """Return what a search over the rank of a layer finds."""
    return search(layer(name), LAYERS[name][0])


@pytest.mark.parametrize("name", LAYERS)
def test_the_form_by_hand_is_found(name: str) -> None:
    """One pass, safe, and nothing kept along the rank: every passage through the rank makes its tile and drops it."""
    _, before, after, _ = LAYERS[name]
    found = searched(name)
    best = found.best(after)

    assert (before, after) == (found.original.passes, best.passes)
    assert best.safe
    assert best.verdict is not None
    assert best.verdict.right
    assert () == best.crossing


def test_a_decoder_layer_runs_its_softmax_in_one_loop() -> None:
    """The flash loop is among the forms, with what the other Einsums need left outside of it."""
    titles = {form.title for form in searched("decoder").forms if form.safe}

    assert any("iterate LM, SD, AV" in title for title in titles)


def test_a_convolution_of_scores_keeps_none_of_them() -> None:
    """The scores are made again where a tile reads beyond itself; what makes them before the loop says that it keeps them."""
    found = searched("multi-token")
    before = [form for form in found.forms if "QK" in form.crossing]

    assert "write QK out" in found.best(1).title
    assert all("write QK out" not in form.title for form in before)


def test_a_running_log_sum_exp_bounds_what_it_joins() -> None:
    """It is never below the greater of two parts, nor below any term: no exponential of the loop exceeds 1."""
    best = searched("softmax by a log-sum-exp").best(1)
    told = [
        line
        for line in best.derivation + safety_lines(layer("softmax by a log-sum-exp"), best.cascade)
        if "exp(" in line
    ]

    assert "iterate L, AV" in best.title
    assert all("not bounded" not in line for line in told)


def test_forms_of_which_nothing_is_known_are_not_the_best() -> None:
    """Convolved keys are read at places without a claim: the loop over tiles still makes one pass, not none."""
    found = search(load_cascade("variants/relative-convolutional"), "M")

    assert 1 == min(form.passes for form in found.forms)


def test_labels_are_not_scores() -> None:
    """Documents that are compared take whole numbers in the trials; tiles of another document are guarded."""
    best = searched("packed documents").best(1)

    assert any(
        "where(eq(RGM[m1+1,p], -inf), 0, RGM[m1+1,p])" in str(einsum) for einsum in best.cascade.einsums
    )


def test_two_spellings_of_an_entropy_cost_the_same() -> None:
    """-A*log(A) and A*(L - X) lead to equally many passes, and to nothing kept."""
    first, second = (searched(name).best(1) for name in ("entropy", "entropy by logits"))

    assert (first.passes, first.crossing) == (second.passes, second.crossing)


def test_a_list_of_a_rising_function_lists_its_argument() -> None:
    """exp(X - max)/sum rises with X, so that the list of X does, and only its values are rewritten."""
    best = searched("top-k of a softmax").best(1)

    assert any("= X[m,p] :: topk[m -> j]" in str(einsum) for einsum in best.cascade.einsums)


def flash_form_of(seed: int) -> None:
    """Check that a layer made by chance has its flash loop: one pass over the keys, safe, no scores kept."""
    cascade = cascade_from_text(random_layer(random.Random(seed).choice), "layer")
    best = search(cascade, "M").best(1)

    assert best.safe, seed
    assert () == best.crossing, seed
    assert "iterate" in best.title


def test_a_layer_made_by_chance() -> None:
    """Every run tries the same one: a norm, halves, slopes, documents as a choice, a sink for each head."""
    flash_form_of(4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5, 25))
def test_more_layers_made_by_chance(seed: int) -> None:
    """Norms, tables, masks, sinks, scores and feed-forwards of all kinds."""
    flash_form_of(seed)
