"""The sizes at which rewrites are tried suit every cascade: formulas of sizes come to whole numbers."""

from __future__ import annotations

import numpy as np
import pytest

from fusemax.analysis.rewrite.trial_inputs import EXTENTS, example_inputs, example_sizes
from fusemax.library.load import Library
from fusemax.shipped import shipped

HALVES = """
title: t
source: s
ranks: {K: N/2 + 1}
inputs: {X: [N], Y: [K]}
outputs: [A]
einsums: |
  A[n] = X[n]*Y[k] :: sum[k]
"""


def test_halves_of_a_size() -> None:
    """K = N/2 + 1 needs an even N, which the usual extents are not."""
    cascade = Library().cascade(HALVES)
    for extents in EXTENTS:
        inputs = example_inputs(cascade, example_sizes(cascade, extents), np.random.default_rng(0))
        (n,), (k,) = inputs["X"].shape, inputs["Y"].shape
        assert 2 * (k - 1) == n


@pytest.mark.parametrize("extents", EXTENTS)
def test_every_shipped_cascade(extents: tuple[int, tuple[int, ...]]) -> None:
    """None of them ends a study with a message about sizes that nobody gave."""
    library = Library()
    for name in shipped("einsums"):
        cascade = library.cascade(name)
        example_inputs(cascade, example_sizes(cascade, extents), np.random.default_rng(0))
