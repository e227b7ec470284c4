"""Derived cascades against formulas written here, with extreme scores and masks, and random chains against themselves."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.analysis.rewrite.search import Form, search
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.evaluate import evaluate
from tests.analysis.rewrite.mechanisms import mechanism
from tests.analysis.rewrite.random_chains import random_chain

MANY = 200


def softmax_attention(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return attention's output [F, P] from scores [M, P] and values [F, M]; rows without a point are NaN."""
    with np.errstate(all="ignore"):
        weights = np.exp(scores - scores.max(axis=0))
        return values @ (weights / weights.sum(axis=0))


def one_pass_forms(name: str) -> list[Form]:
    """Return the safe forms in one pass of a shipped cascade or of one of the tests' own."""
    cascade = load_cascade(name) if "/" in name else mechanism(name)
    return [form for form in search(cascade, "M").forms if form.safe and form.passes == 1]


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e3])
def test_attention(scale: float) -> None:
    """Every safe 1-pass form is scaled softmax attention, for scores up to 1e6 and ragged tiles."""
    generator = np.random.default_rng(3)
    q, k, v = (generator.normal(size=(1, 1, n, m)) for n, m in ((4, 3), (4, 11), (2, 11)))
    scores = np.einsum("ep,em->mp", q[0, 0] * scale, k[0, 0]) / 2.0
    forms = one_pass_forms("attention/3-pass")
    assert len(forms) >= 4
    for form in forms:
        sizes = {"M0": 4} if "M0" in form.cascade.ranks else {}
        out = evaluate(form.cascade, {"Q": q * scale, "K": k, "V": v}, sizes)["AV"][0, 0]
        np.testing.assert_allclose(out, softmax_attention(scores, v[0, 0]), rtol=0, atol=1e-10)


def test_masked_rows_and_tiles() -> None:
    """With masked points every safe 1-pass form is right: tiles without a point at the start, and rows without any."""
    generator = np.random.default_rng(4)
    q, k, v = (generator.normal(size=shape) for shape in ((4, 5), (4, 9), (3, 9)))
    mask = np.where(generator.random((9, 5)) < 0.3, -np.inf, 0.0)
    mask[:6, 0] = -np.inf
    mask[6, 0] = 0.0
    mask[:, 1] = -np.inf
    expected = softmax_attention(np.einsum("ep,em->mp", q, k) + mask, v)
    for form in one_pass_forms("masked"):
        sizes = {"M0": 3} if "M0" in form.cascade.ranks else {}
        out = evaluate(form.cascade, {"Q": q, "K": k, "V": v, "MASK": mask}, sizes)["AV"]
        known = np.isfinite(expected)
        assert not known[:, 1].any()
        np.testing.assert_allclose(out[known], expected[known], rtol=0, atol=1e-10)


def test_window_starts_with_empty_tiles() -> None:
    """In a causal window the first tiles have no point for late queries; the guard keeps them out."""
    generator = np.random.default_rng(5)
    q, k, v = (generator.normal(size=shape) for shape in ((4, 9), (4, 9), (3, 9)))
    m, p = np.arange(9)[:, None], np.arange(9)[None, :]
    scores = np.where((m <= p) & (m > p - 3), np.einsum("ep,em->mp", q, k), -np.inf)
    for form in one_pass_forms("window"):
        sizes = {"M0": 2} if "M0" in form.cascade.ranks else {}
        out = evaluate(form.cascade, {"Q": q, "K": k, "V": v}, sizes)["AV"]
        np.testing.assert_allclose(out, softmax_attention(scores, v), rtol=0, atol=1e-10)


def check_chain(seed: int) -> None:
    """Every form of a random chain has its values, on inputs and sizes that the search did not use, and no more passes."""
    cascade = cascade_from_text(random_chain(random.Random(seed).choice), "chain")
    generator = np.random.default_rng(seed)
    inputs = {"X": generator.normal(size=(13, 2)), "W": generator.normal(size=13)}
    inputs = {name: inputs[name] for name in cascade.inputs}
    (output,) = cascade.outputs
    expected = evaluate(cascade, inputs)[output]
    found = search(cascade, "M")
    for form in found.forms:
        sizes = {"M0": 5} if "M0" in form.cascade.ranks else {}
        out = evaluate(form.cascade, inputs, sizes)[output]
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-8 * scale)
        assert form.passes <= found.original.passes


@given(st.integers(0, 10**6))
@settings(max_examples=4)
def test_random_chains(seed: int) -> None:
    """A few random chains of reductions; the slow suite tries many."""
    check_chain(seed)


def test_mean_that_is_not_linear_in_its_sum() -> None:
    """An epilogue such as 1/sqrt(y*y + 1) between two sums is no mean; the moments are used as they are."""
    check_chain(2028)


@pytest.mark.slow
def test_many_random_chains() -> None:
    """Many random chains of reductions, each rewritten in every way that the search knows."""
    for seed in range(MANY):
        check_chain(seed)
