"""Products of matrices on an output-stationary array, against numpy and SCALE-Sim's closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.errors import FusemaxError
from fusemax.simulate.pe.matmul import matmul


@pytest.mark.parametrize("A", [1, 2, 4, 8, 32])
@pytest.mark.parametrize(("M", "K", "N"), [(1, 1, 1), (8, 8, 8), (32, 5, 32), (33, 64, 31), (40, 100, 7)])
def test_cycles_of_scale_sim(A: int, M: int, K: int, N: int):
    """folds*(2A + K - 2) - 1 cycles, folds = ceil(M/A)*ceil(N/A): SCALE-Sim (arXiv 1811.02883), output-stationary."""
    folds = math.ceil(M / A) * math.ceil(N / A)
    _, cycles, _ = matmul(np.ones((M, K)), np.ones((K, N)), A, A)

    assert folds * (2 * A + K - 2) - 1 == cycles


@given(st.tuples(*[st.integers(1, 12)] * 5), st.integers(0, 1000))
def test_the_result_is_the_product(sizes: tuple[int, ...], seed: int):
    """X @ W, and every word of X enters once for each column of folds, every word of W once for each row of them."""
    M, K, N, rows, columns = sizes
    random = np.random.default_rng(seed)
    X, W = random.standard_normal((M, K)), random.standard_normal((K, N))
    result, _, words = matmul(X, W, rows, columns)

    assert np.abs(result - X @ W).max() < 1e-12
    assert (M * K * math.ceil(N / columns), K * N * math.ceil(M / rows)) == words


def test_sizes_must_agree():
    """Matrices that do not fit are refused."""
    with pytest.raises(FusemaxError, match="X has 2 columns, but W has 3 rows"):
        matmul(np.ones((2, 2)), np.ones((3, 2)), 4, 4)
