"""Bounds on traffic: at most an optimal pebbling moves on small graphs, and near what good schedules move on large ones."""

from __future__ import annotations

from functools import cache
from math import ceil, isclose, sqrt

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from fusemax.analysis.passes import analyse
from fusemax.analysis.traffic import least_words, traffic_bound, value_of
from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.errors import FusemaxError
from tests.analysis.pebbles import fewest_moves


def cascade(head: str, rows: str):
    """Return a small cascade."""
    body = "".join(f"  {row}\n" for row in rows.splitlines())
    return cascade_from_text(f"title: t\nsource: t\n{head}\neinsums: |\n{body}", "t")


MATRIX_PRODUCT = ("inputs: {A: [M, K], B: [K, N]}\noutputs: [C]", "C[m,n] = A[m,k]*B[k,n] :: sum[k]")
SMALL = {
    "sum, then scale": ("inputs: {X: [M]}\noutputs: [Y]", "S[] = X[m] :: sum[m]\nY[m] = X[m]*S[]"),
    "softmax": (
        "inputs: {X: [M]}\noutputs: [Y]",
        "G[] = X[m] :: max[m]\nE[m] = exp(X[m] - G[])\nS[] = E[m] :: sum[m]\nY[m] = E[m]/S[]",
    ),
    "weighted after a sum": (
        "inputs: {X: [M], W: [M, E]}\noutputs: [Y]",
        "S[] = X[m] :: sum[m]\nT[m,e] = X[m]*W[m,e]\nY[e] = T[m,e]*S[] :: sum[m]",
    ),
    "one of many": ("inputs: {X: [M], Y: [N]}\noutputs: [Z]", "Z[n] = X[1]*Y[n]"),
    "two parts": ("inputs: {X: [M, N]}\noutputs: [Z]", "Z[n] = X[0,n]*X[1,n]"),
    "prefix of a matrix": (
        "same: [[M, P]]\ninputs: {X: [M]}\noutputs: [Y]",
        "Y[p] = X[m] :: sum[m] | m <= p",
    ),
    "matrix product": MATRIX_PRODUCT,
    "weighted sum": (
        "inputs: {Q: [E, K], A: [E, M], V: [F, M]}\noutputs: [O]",
        "S[m,k] = Q[e,k]*A[e,m] :: sum[e]\nO[f,k] = S[m,k]*V[f,m] :: sum[m]",
    ),
    "weighted latent": (
        "same: [[E, F]]\ninputs: {Q: [E, K], A: [E, M]}\noutputs: [O]",
        "S[m,k] = Q[e,k]*A[e,m] :: sum[e]\nO[f,k] = S[m,k]*A[f,m] :: sum[m]",
    ),
    "one element of a map": ("inputs: {X: [M]}\noutputs: [Y]", "T[m] = X[m]\nY[] = X[0] + T[0]"),
    "one of many sums": (
        "inputs: {W: [M, P], Q: [P]}\noutputs: [Y]",
        "T[m] = W[m,p]*W[m,p] :: max[p]\nU[m] = T[m]*2\nY[p] = U[0] + Q[p]",
    ),
}


#: sizes of M, and the words of fast memory, of which the search takes seconds
CASES = [
    ("sum, then scale", 3, 2), ("sum, then scale", 3, 3), ("softmax", 2, 2), ("softmax", 3, 4), ("weighted after a sum", 2, 2),
    ("weighted after a sum", 2, 3), ("one of many", 3, 2), ("two parts", 3, 2), ("prefix of a matrix", 3, 2),
    ("prefix of a matrix", 3, 3), ("matrix product", 2, 2), ("matrix product", 2, 3),
    ("weighted sum", 2, 3), ("weighted sum", 3, 3), ("weighted latent", 2, 3), ("weighted latent", 3, 3),
    ("one element of a map", 3, 2), ("one of many sums", 2, 2), ("one of many sums", 2, 3),
]  # fmt: skip


@pytest.mark.parametrize(("name", "size", "capacity"), CASES)
def test_at_most_an_optimal_pebbling(name, size, capacity):
    """No schedule of the unrolled cascade moves fewer words than any rank's bound says."""
    small = cascade(*SMALL[name])
    sizes = {"M": size, "P": size, "N": 2, "K": 1, "E": 1, "F": 1}
    found = analyse(small)
    bounds = [traffic_bound(found, entry.rank).least for entry in found.ranks]

    assert max(value_of(bound, {**sizes, "S": capacity}) for bound in bounds) <= fewest_moves(
        small, sizes, capacity
    )


def test_the_pebbling_is_the_bound_where_everything_fits():
    """With room for all, inputs and outputs move once; with two words a sum, then a scale loads all but one again."""
    small = cascade(*SMALL["sum, then scale"])

    assert 6 == fewest_moves(small, {"M": 3}, 5) == least_words(analyse(small), {"M": 3}, 5)
    assert 7 <= fewest_moves(small, {"M": 3}, 2)
    assert 7 == least_words(analyse(small), {"M": 3}, 2)


@cache
def matrix_bound():
    """Return the bound of a matrix product as a function of K, M, N and S."""
    return as_function(traffic_bound(analyse(cascade(*MATRIX_PRODUCT)), "K").least, "KMNS")


def as_function(words: sympy.Expr, names: str):
    """Return a formula in sizes as a function of those, in the order of *names*."""
    by_name = {symbol.name: symbol for symbol in words.free_symbols}
    return sympy.lambdify([by_name[name] for name in names], words, "math")


@given(size=st.tuples(*[st.integers(1, 3000)] * 3), tile=st.tuples(*[st.integers(1, 200)] * 2))
def test_no_tiling_of_a_matrix_product_beats_its_bound(size, tile):
    """A tile of results stays, the operands stream by; or a panel of A stays, and B streams by."""
    m, n, k = size
    rows, columns = min(tile[0], m), min(tile[1], n)
    tiles = m * k * ceil(n / columns) + k * n * ceil(m / rows) + m * n
    panel = m * k + k * n * ceil(m / rows) + m * n

    assert tiles >= matrix_bound()(k, m, n, rows * columns + rows + columns) * (1 - 1e-12)
    assert panel >= matrix_bound()(k, m, n, rows * k + k + 1) * (1 - 1e-12)


def test_the_matrix_product_bound_bites():
    """Square tiles of results are within 8% of the bound at 4096; a panel that fits, too."""
    found = analyse(cascade(*MATRIX_PRODUCT))
    tile = 180
    tiles = 2 * 4096**3 / tile + 4096**2
    panel = 16384 * 64 + 64 * 16384 * ceil(16384 / 127) + 16384**2

    assert tiles <= 1.08 * least_words(found, {"M": 4096, "N": 4096, "K": 4096}, tile * tile + 2 * tile)
    assert panel <= 1.08 * least_words(found, {"M": 16384, "N": 16384, "K": 64}, 128 * 64 + 1)


def attention_loads(length: int, width: int, words: float) -> float:
    """Return what attention loads at least, by the formula of the proof."""
    room = words + width**2
    return 4 * width**2 * length**2 / room - 2 * width * length - room


@pytest.mark.parametrize("name", ["attention/1-pass", "attention/3-pass", "attention/split-k"])
@pytest.mark.parametrize(("length", "words"), [(16384, 8192), (65536, 2**19)])
def test_attention_loads_what_scores_and_values_need_together(name, length, words):
    """Queries, keys, values and results share the fast memory; first loads count once, and results are stored."""
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "M": length, "P": length}
    expected = attention_loads(length, 64, words) + length * 64

    assert isclose(expected, least_words(analyse(load_cascade(name)), sizes, words))


def test_attention_is_near_what_a_panel_of_queries_moves():
    """With room for a thousand queries and their results the bound is within 6% of FlashAttention's words."""
    length, width, queries = 2**20, 64, 4096
    words = queries * 2 * width + 2 * width
    moved = 2 * length * width + length // queries * length * 2 * width
    sizes = {"B": 1, "H": 1, "E": width, "F": width, "M": length, "P": length}

    assert 0.94 * moved < least_words(analyse(load_cascade("attention/1-pass")), sizes, words) <= moved


@cache
def attention_bound():
    """Return the bound of attention as a function of E, F, M, P and S."""
    return as_function(traffic_bound(analyse(load_cascade("attention/1-pass")), "M").least, "EFMPS")


@given(
    lengths=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    widths=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    tile=st.integers(1, 600),
)
def test_no_schedule_of_attention_beats_its_bound(lengths, widths, tile):
    """Queries stay or keys stay, results are kept or loaded and stored, or all scores are stored: none moves fewer words."""
    (keys, queries), (e, f) = lengths, widths
    rows, columns = min(tile, queries), min(tile, keys)
    once = queries * e + keys * (e + f) + queries * f
    blocks = ceil(queries / rows)
    stay = (rows * (e + f + 3) + e + f + 2, queries * (e + f) + blocks * keys * (e + f))
    stream = (
        columns * (e + f) + e + f + 5,
        keys * (e + f) + ceil(keys / columns) * queries * (e + 2 * f + 2),
    )
    apart = (
        rows * e + e + 2,
        2 * keys * queries + blocks * keys * e + queries * e + keys * f * queries + queries * f,
    )

    for words, moved in (stay, stream, apart):
        bound = attention_bound()(e, f, keys, queries, words)
        assert max(moved, once) >= bound * (1 - 1e-12)


LATENT = cascade(
    "inputs: {Q: [E, P], C: [E, M]}\noutputs: [O]",
    "L[m,p] = Q[e,p]*C[e,m] :: sum[e]\nA[m,p] = exp(L[m,p])\nO[e,p] = A[m,p]*C[e,m] :: sum[m]",
)


@cache
def latent_bound():
    """Return the bound of attention over a latent as a function of E, M, P and S."""
    return as_function(traffic_bound(analyse(LATENT), "M").least, "EMPS")


@given(
    sizes=st.tuples(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 80)), tile=st.integers(1, 600)
)
def test_no_schedule_of_a_latent_beats_its_bound(sizes, tile):
    """Keys and values are one input: queries stay and it streams by, or it stays and queries and results come and go."""
    keys, queries, e = sizes
    rows, columns = min(tile, queries), min(tile, keys)
    stay = (rows * (2 * e + 3) + e + 2, 2 * queries * e + ceil(queries / rows) * keys * e)
    stream = (columns * e + 2 * e + 5, keys * e + ceil(keys / columns) * queries * (3 * e + 2))
    for words, moved in (stay, stream):
        assert moved >= latent_bound()(e, keys, queries, words) * (1 - 1e-12)


def test_a_latent_that_streams_by_is_near_its_bound():
    """With E**2 small beside S the bound is what a panel of queries moves, but for what the panel's edges take."""
    sizes = {"M": 1 << 17, "P": 1 << 17, "E": 32}
    rows = 2048
    moved = 2 * sizes["P"] * 32 + sizes["P"] // rows * sizes["M"] * 32

    assert 0.9 * moved < least_words(analyse(LATENT), sizes, rows * (2 * 32 + 3) + 34) <= moved
    assert ("Q", "C") == traffic_bound(analyse(LATENT), "M").weighted[0].inputs


@given(
    counts=st.tuples(*[st.integers(0, 12)] * 2),
    width=st.integers(1, 6),
    spread=st.tuples(*[st.floats(0, 1)] * 4),
    seed=st.integers(0, 10**6),
)
def test_what_a_phase_can_do(counts, width, spread, seed):
    """The step of the proof: products of whole queries and keys, or of scores that are there, against the words there."""
    random = np.random.default_rng(seed)
    queries, keys = counts
    scores = random.random((14, 14)) < spread[0] * 0.5
    values, begun, results = (random.random((7, 14)) < share for share in spread[1:])
    results &= ~begun
    fresh = np.zeros((14, 14), dtype=bool)
    fresh[:keys, :queries] = True
    done = np.einsum(
        "mp,fm,fp->", (fresh | scores).astype(int), values.astype(int), (results | begun).astype(int)
    )
    room = width * (queries + keys) + scores.sum() + values.sum() + results.sum() + width**2

    assert done <= room**2 / (16 * width) + begun.sum() * room / (4 * width) + 1e-9


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        # values that are words of the queries
        (
            "inputs: {Q: [E, M], K: [E, P]}\nsame: [[M, P]]\noutputs: [O]",
            "S[m,p] = Q[e,p]*K[e,m] :: sum[e]\nA[m,p] = exp(S[m,p])\nO[e,p] = A[m,p]*Q[e,m] :: sum[m]",
        ),
        # sums over tiles that are results themselves: each tile has its own
        (
            "inputs: {Q: [E, P], K: [E, M], V: [F, M]}\noutputs: [O]",
            "S[m1,m0,p] = Q[e,p]*K[e,m1*M0+m0] :: sum[e]\nO[f,m1,p] = S[m1,m0,p]*V[f,m1*M0+m0] :: sum[m0]",
        ),
        # weights that are a maximum of products
        (
            "inputs: {Q: [E, P], K: [E, M], V: [F, M]}\noutputs: [O]",
            "S[m,p] = Q[e,p]*K[e,m] :: max[e]\nO[f,p] = S[m,p]*V[f,m] :: sum[m]",
        ),
    ],
)
def test_where_nothing_is_claimed_of_weighted_sums(head, rows):
    """Weights and values of one input, results that are not joined, weights that are no sums of products."""
    assert () == traffic_bound(analyse(cascade(head, rows)), "M").weighted


def test_a_mask_halves_the_products():
    """Under a causal mask there are N*(N+1)/2 results."""
    head = "same: [[M, P]]\ninputs: {Q: [P, E], K: [M, E]}\noutputs: [S]"
    found = analyse(cascade(head, "S[m,p] = Q[p,e]*K[m,e] :: sum[e] | m <= p"))
    (product,) = traffic_bound(found, "E").products
    sizes = {"M": 1000, "P": 1000, "E": 64}

    assert 1000 * 1001 / 2 == value_of(product.results, sizes)
    assert 64 * 1000 * 1001 / 2 == value_of(product.products, sizes)


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        # both operands come from one input: their words are the same
        ("inputs: {X: [M, K]}\noutputs: [C]\nranks: {N: M}", "C[m,n] = X[m,k]*X[n,k] :: sum[k]"),
        # an operand that is a sum itself may be made again instead of loaded
        (
            "inputs: {X: [M, J], W: [J, K], B: [K, N]}\noutputs: [C]",
            "A[m,k] = X[m,j]*W[j,k] :: max[j]\nC[m,n] = A[m,k]*B[k,n] :: sum[k]",
        ),
        # nothing is shared: no products meet twice
        ("inputs: {A: [M, K], B: [K]}\noutputs: [C]", "C[m] = A[m,k]*B[k] :: sum[k]"),
    ],
)
def test_where_nothing_is_claimed(head, rows):
    """Sums of products whose operands are not words of two inputs."""
    assert () == traffic_bound(analyse(cascade(head, rows)), "K").products


def test_disjoint_fibres_are_summed():
    """Each column of a softmax has passes of its own; all but S words of each are loaded again, twice."""
    bound = traffic_bound(analyse(load_cascade("softmax/stable")), "M")
    sizes = {"M": 1000, "P": 7, "S": 100}

    assert 2 * 7000 + 2 * 7 * 900 == value_of(bound.words, sizes)


def test_missing_sizes_are_told():
    """A bound without a size says which."""
    with pytest.raises(FusemaxError, match="no size for K"):
        least_words(analyse(cascade(*MATRIX_PRODUCT)), {"M": 1, "N": 1}, 10)


def test_large_matrix_product():
    """Of the order of 2*M*N*K/sqrt(S): 1.5 GB at 64 KiB of 2-byte words."""
    sizes = {"M": 4096, "N": 4096, "K": 4096}
    words = least_words(analyse(cascade(*MATRIX_PRODUCT)), sizes, 32768)

    assert 0.95 * 2 * 4096**3 / sqrt(32768) < words < 2 * 4096**3 / sqrt(32768) + 4096**2


def test_a_rank_may_be_called_s() -> None:
    """The name of a rank changes no bound: keys over S or over M."""
    from fusemax.analysis.passes import analyse
    from fusemax.analysis.traffic import least_words
    from fusemax.cascade.build import cascade_from_text

    text = """
title: a product
source: our own
inputs: {{X: [K, {0}], W: [K, N]}}
outputs: [Y]
einsums: |
  Y[n,{1}] = X[k,{1}]*W[k,n] :: sum[k]
"""
    bounds = [
        least_words(
            analyse(cascade_from_text(text.format(rank, rank.lower()), "product")),
            {"K": 512, "N": 512, rank: 512},
            1024.0,
        )
        for rank in ("M", "S")
    ]

    assert bounds[0] == bounds[1] > 512 * 512 * 3
