"""Mechanisms of 2023 to 2026 and statistics, as users write them: the form by hand, or the condition that fails."""

from __future__ import annotations

import re

import pytest

from fusemax.analysis.rewrite.reduced import NotReducibleError
from fusemax.analysis.rewrite.search import search
from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.ir import Cascade
from tests.analysis.rewrite import recent


def cascade_of(text: str) -> Cascade:
    """Return the cascade that *text* holds."""
    return cascade_from_text(f"title: t\nsource: t\n{text.strip()}\n", "t")


@pytest.mark.parametrize("name", recent.RECENT)
def test_the_form_by_hand_is_found(name: str) -> None:
    """As few passes as by hand, safe, with nothing kept along the rank."""
    rank, before, after, text = recent.RECENT[name]
    found = search(cascade_of(text), rank)
    best = found.best(after)
    assert (before, after, True, ()) == (found.original.passes, best.passes, best.safe, best.crossing)


def test_a_third_moment_is_repaired_about_the_running_mean() -> None:
    """Pebay (2008): M3 moves on by -3*d*M2 - n*d^3 where the mean moves by d; raw sums would cancel."""
    text = recent.RECENT["skewness"][3]
    best = search(cascade_of(text), "N").best(1)
    update = next(str(one) for one in best.cascade.einsums if str(one).startswith("RM3[n1+1,p]"))
    assert "DMU[n1,p]*(3*RM2[n1,p] + n1*N0*DMU[n1,p]**2)" in update


def test_a_second_attention_to_one_memory_gets_a_loop_of_its_own() -> None:
    """Two layers of cross-attention: six passes over the memory as written, two by hand; no scores are kept."""
    found = search(cascade_of(recent.CROSS_TWICE), "M")
    best = found.best(2)
    assert (6, 2, True, ("C",)) == (found.original.passes, best.passes, best.safe, best.crossing)


def test_each_loop_over_a_memory_is_a_pass() -> None:
    """Three layers of cross-attention take three loops, all in tiles: a loop point by point beside them would hide a pass."""
    found = search(cascade_of(recent.CROSS_THRICE), "M")
    passes = {form.passes for form in found.forms}
    assert (9, 3) == (found.original.passes, min(passes))


def test_the_largest_of_standardised_scores_follows_from_the_largest() -> None:
    """A root of a sum of squares is not negative, so the largest score stays the largest: two passes, five as written."""
    found = search(cascade_of(recent.STANDARDISED), "M")
    assert (5, 2, True) == (found.original.passes, found.best(2).passes, found.best(2).safe)
    assert "may be negative" not in found.why_not(1)


def test_no_form_has_fewer_passes_than_an_output_needs() -> None:
    """A convolution scaled by its own mean: every output needs all places, wherever the input is read."""
    with pytest.raises(NotReducibleError, match="semantic floor of 2: output Y"):
        search(cascade_of(recent.SQUEEZE), "S").best(1)


def test_a_posterior_needs_the_end_of_a_loop() -> None:
    """The probability of each state needs the likelihood of the whole sequence, which the forward loop ends with."""
    with pytest.raises(NotReducibleError, match=re.escape("each needs all of T (through V)")):
        search(cascade_of(recent.POSTERIOR), "T").best(1)


def test_a_factor_is_deferred_inside_a_loop_that_is_there() -> None:
    """A softmax over slots at each step: the division leaves the sum, in the same loop."""
    form = search(cascade_of(recent.SLOTS), "N").named("defer SD in O")
    assert (2, True) == (form.passes, form.safe)
    divided = next(one for one in form.cascade.einsums if one.name == "O")
    assert ("O[f,t] = ON[f,t]/SD[t]", "t") == (str(divided), divided.loop)


def test_a_list_that_is_one_for_all_queries_is_made_once() -> None:
    """The list of X + M is that of X: it has no p, and is read without."""
    form = search(cascade_of(recent.ONE_LIST), "N").named("defer M in TJ")
    assert form.safe
    assert "TJN[j], TVN[j] = X[n] :: topk[n -> j]" in [str(one) for one in form.cascade.einsums]


def test_a_list_that_is_an_output_says_how_to_write_it() -> None:
    """Nothing in the language repeats a list for every query."""
    text = recent.ONE_LIST.replace("outputs: [Y]", "outputs: [Y, TJ]")
    told = search(cascade_of(text), "N").refused["TJ"]
    assert (
        "deferring M fails: TJ is an output: the list of X[n] is one for all p; write it without, as TJ[j]"
        in told
    )


def test_what_stands_behind_a_sum_over_another_rank_is_named() -> None:
    """Keys rounded after one scale for all: the scores need the scale, and rounding lets no factor through."""
    with pytest.raises(NotReducibleError) as told:
        search(cascade_of(recent.QUANTISED_KEYS), "M").best(1)
    assert "QK[m,p] is a sum over e of what needs AK, which needs all of m" in str(told.value)
    assert (
        "QK: taking its terms apart fails: round(127*K[e,m]/AK[]) mixes the earlier result AK[] with the data"
        in str(told.value)
    )
