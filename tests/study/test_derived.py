"""The derived cascades that are shipped: still what the search derives, still attention, and mapped like any other."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from fusemax.analysis.rewrite.search import search
from fusemax.cascade.build import load_cascade
from fusemax.cascade.evaluate import evaluate
from fusemax.cli import build

DERIVED = {
    "derived/attention-1-pass": "defer SD in AV, iterate GM, SD, AVN",
    "derived/attention-2-pass": "defer SD in AV",
}
SIZES = ("B=1", "H=12", "E=64", "F=64", "P=16384", "M=16384")


@pytest.mark.parametrize("name", DERIVED)
def test_shipped_as_derived(name: str) -> None:
    """The file holds the Einsums that the search finds today."""
    found = search(load_cascade("attention/3-pass"), "M").named(DERIVED[name])
    assert str(load_cascade(name)) == str(found.cascade)


@pytest.mark.parametrize("name", DERIVED)
def test_values(name: str) -> None:
    """Scaled softmax attention, written out here, on sizes that tiles do not divide."""
    generator = np.random.default_rng(8)
    q, k, v = (generator.normal(size=shape) for shape in ((2, 3, 4, 5), (2, 3, 4, 7), (2, 3, 6, 7)))
    cascade = load_cascade(name)
    sizes = {"M0": 3} if "M0" in cascade.ranks else {}
    scores = np.einsum("bhep,bhem->bhmp", q, k) / 2.0
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    expected = np.einsum("bhmp,bhfm->bhfp", weights / weights.sum(axis=2, keepdims=True), v)
    found = evaluate(cascade, {"Q": q, "K": k, "V": v}, sizes)["AV"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def cost(cascade: str, mapping: str) -> dict[str, float]:
    """Return what ``fusemax cost`` says on FuseMax's machine."""
    sets = [word for size in SIZES for word in ("--set", size)]
    words = ["cost", cascade, "--machine", "fusemax", "--mapping", mapping, "--json", *sets]
    return json.loads(CliRunner().invoke(build(), words, catch_exceptions=False).stdout)


def test_derived_costs_what_the_published_cascade_costs() -> None:
    """Cascade 5 under FuseMax's hand-written epochs, and the derived one under a schedule found: the same latency."""
    published, derived = (
        cost("attention/1-pass", "fusemax"),
        cost("derived/attention-1-pass", "derived-1-pass"),
    )
    assert published["latency_s"] == pytest.approx(derived["latency_s"], rel=1e-9)
    assert published["traffic_B"] == derived["traffic_B"]
    assert cost("derived/attention-2-pass", "derived-2-pass")["latency_s"] > 3 * derived["latency_s"]
