"""Attention from three passes to one: the lattice of forms, and the published ones among them."""

from __future__ import annotations

import pytest

from fusemax.analysis.rewrite.same import same_up_to_names
from fusemax.analysis.rewrite.search import Reduced, search
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.write import cascade_to_yaml


@pytest.fixture(scope="module")
def found() -> Reduced:
    """Return what the search finds for attention in three passes."""
    return search(load_cascade("attention/3-pass"), "M")


@pytest.mark.parametrize(
    ("title", "passes", "safe"),
    [
        ("defer SD in AV", 2, True),
        ("iterate GM, SD", 2, True),
        ("split and merge GM, SD", 2, True),
        ("defer SD in AV, iterate GM, SD, AVN", 1, True),
        ("iterate GM, SD, AV", 1, True),
        ("defer SD in AV, split and merge GM, SD, AVN", 1, True),
        ("defer GM in SD, defer GM, SD in AV", 1, False),
    ],
)
def test_lattice(found: Reduced, title: str, passes: int, safe: bool) -> None:
    """Deferred, online and local-maximum 2-pass; FlashAttention-2, FlashAttention-1 and split-K 1-pass; the
    unstable form only with a warning."""
    form = next(form for form in found.forms if form.title == title)
    assert (passes, safe) == (form.passes, form.safe)


@pytest.mark.parametrize(
    ("start", "rank", "title", "goal"),
    [
        ("attention/3-pass", "M", "defer SD in AV", "attention/3-pass-deferred"),
        ("attention/3-pass", "M", "defer SD in AV, iterate GM, SD, AVN", "attention/1-pass"),
        ("attention/3-pass", "M", "defer SD in AV, split and merge GM, SD, AVN", "attention/split-k"),
        ("paper/cascade-1", "K", "defer Y in Z", "paper/cascade-2"),
        ("paper/cascade-1", "K", "iterate point by point Y, Z", "paper/cascade-3"),
    ],
)
def test_equal_up_to_names_to_the_published(start: str, rank: str, title: str, goal: str) -> None:
    """The cascades that FuseMax found by hand (MICRO 2024, Cascades 2, 3, 5) come out, names aside."""
    form = next(form for form in search(load_cascade(start), rank).forms if form.title == title)
    assert same_up_to_names(form.cascade, load_cascade(goal))


def test_names_matter_where_structure_differs() -> None:
    """Cascades that compute the same by other means are not the same up to names."""
    names = (
        "attention/1-pass",
        "attention/1-pass-normalised",
        "attention/3-pass",
        "attention/3-pass-deferred",
    )
    cascades = [load_cascade(name) for name in names]
    for place, one in enumerate(cascades):
        for other_place, other in enumerate(cascades):
            assert same_up_to_names(one, other) == (place == other_place)


def test_best_form_is_written_and_read_again(found: Reduced) -> None:
    """The cascade that a search returns is a file like any other."""
    best = found.best(1).cascade
    assert same_up_to_names(best, cascade_from_text(cascade_to_yaml(best), "again"))


def test_no_whole_fibre_is_kept(found: Reduced) -> None:
    """In one pass nothing as long as the sequence is held; in three passes the scores and numerators are."""
    assert found.best(1).crossing == ()
    assert found.original.crossing == ("QK", "SN")


def test_operations_of_cascade_5(found: Reduced) -> None:
    """Cascade 5 counted by hand: F+1 scalings per query and tile, F divisions per query."""
    counts = {name: str(count) for name, count in found.best(1).operations.items()}
    assert counts["mul"] == "E*P + F*M1*P + M1*P"
    assert counts["div"] == "F*P"
    assert counts["sub_exp"] == "M*P + M1*P"


def test_derivation_in_words(found: Reduced, golden) -> None:
    """The derivation names barrier, condition, correction and safety; a person checked this text."""
    from fusemax.analysis.rewrite.derivation import explained

    form = found.best(1)
    golden("reduce/attention", explained(found.original, form, "M").split("  values:")[0])
