"""Passes, sweeps, groups and certificates of known cascades, counted by hand from the definition.

The 3-, 2- and 1-pass classes are those of FuseMax (MICRO 2024, arXiv 2406.10491), section IV and Table I.
"""

from __future__ import annotations

import pytest

from fusemax.analysis.passes import NoSuchFibreError, analyse
from fusemax.cascade.build import cascade_from_text, load_cascade
from tests.analysis.test_random import positions_of
from tests.analysis.unrolled import Unrolled, passes

COUNTS = [
    ("paper/cascade-1", "K", "A", 2),
    ("paper/cascade-1", "K", "B", 1),
    ("paper/cascade-2", "K", None, 1),
    ("paper/cascade-3", "K", None, 1),
    ("attention/3-pass", "M", "QK", 3),
    ("attention/3-pass", "M", "K", 3),
    ("attention/3-pass", "M", "V", 1),
    ("attention/3-pass", "P", "Q", 1),
    ("attention/3-pass-deferred", "M", None, 2),
    ("attention/2-pass", "M", None, 2),
    ("attention/2-pass", "M0", None, 3),
    ("attention/2-pass-online", "M", None, 2),
    ("attention/1-pass", "M", None, 1),
    ("attention/1-pass", "M0", None, 2),
    ("attention/1-pass", "M1", "RM", 1),
    ("attention/1-pass-normalised", "M", None, 1),
    ("attention/1-pass-normalised", "M0", None, 2),
    ("attention/split-k", "M", None, 1),
    ("attention/split-k", "M0", None, 2),
    ("attention/split-k", "M1", "LM", 2),
    ("attention/split-k", "M1", "SLNV", 1),
    ("causal/3-pass", "M", "QK", 3),
    ("causal/3-pass", "M", "K", 3),
    ("causal/1-pass", "M", None, 1),
    ("softmax/stable", "M", None, 3),
    ("softmax/online", "M", None, 2),
    ("softmax/log-sum-exp", "M", None, 2),
    ("softmax/log-sum-exp-online", "M", None, 1),
    ("variants/unstable", "M", None, 2),
    ("variants/unstable-deferred", "M", None, 1),
    ("variants/sigmoid", "M", None, 1),
    ("variants/learned-sink", "M", "QK", 3),
    ("variants/learned-sink-online", "M", None, 1),
    ("variants/softmax-1", "M", None, 3),
    ("variants/softmax-1-online", "M", None, 1),
    ("variants/softpick", "M", None, 3),
    ("variants/softpick-online", "M", None, 1),
    ("variants/grouped-query", "M", None, 3),
    ("variants/grouped-query-online", "M", None, 1),
    ("variants/multi-query", "M", None, 2),
    ("variants/latent", "M", "CL", 3),
    ("variants/latent", "M", "KR", 3),
    ("variants/latent-online", "M", None, 1),
    ("variants/latent-online", "M0", None, 2),
    ("variants/agent", "M", "K", 2),
    ("variants/agent", "M", "V", 1),
    ("variants/agent", "T", None, 2),
    ("variants/agent", "P", None, 1),
    ("variants/agent-pooled", "P", "Q", 2),
    ("variants/landmark", "M", "K", 1),
    ("variants/landmark", "M0", None, 3),
    ("variants/landmark", "M1", None, 3),
    ("variants/landmark-blocked", "M", "K", 1),
    ("variants/landmark-blocked", "M0", None, 2),
    ("variants/landmark-blocked", "M1", None, 2),
    ("linear-attention/non-causal", "M", None, 1),
    ("linear-attention/non-causal", "P", None, 1),
    ("linear-attention/one-sequence", "S", "X", 2),
    ("linear-attention/causal", "T", None, 1),
    ("linear-attention/lightning", "N", None, 1),
    ("linear-attention/lightning", "J0", None, 1),
    ("sparse/neighbourhood", "W", None, 3),
    ("sparse/neighbourhood", "P", None, 1),
    ("sparse/window-sinks", "W", None, 2),
    ("sparse/window-sinks", "S", None, 2),
    ("sparse/block-sparse", "J", None, 2),
    ("sparse/routed-blocks", "M", "K", 1),
    ("sparse/top-k", "M", "QK", 1),
    ("sparse/top-k", "J", None, 2),
    ("sparse/top-k-threshold", "M", "QK", 3),
    ("sparse/top-k-threshold", "M", "V", 1),
    ("normalisation/layer-norm", "D", "X", 3),
    ("normalisation/layer-norm-moments", "D", "X", 2),
    ("normalisation/layer-norm-welford", "D", "X", 2),
    ("normalisation/layer-norm-linear", "D", "X", 1),
    ("normalisation/rms-norm", "D", "X", 2),
    ("normalisation/rms-norm-linear", "D", "X", 2),
    ("normalisation/rms-norm-linear-deferred", "D", "X", 1),
    ("normalisation/attention-layer-norm", "F", "AV", 2),
    ("normalisation/attention-layer-norm", "P", None, 1),
    ("backward/saved", "M", "K", 1),
    ("backward/saved", "M", "V", 1),
    ("backward/saved", "P", "Q", 1),
    ("backward/saved", "P", "DO", 1),
    ("backward/from-probabilities", "M", "K", 2),
    ("backward/from-probabilities", "M", "V", 2),
    ("backward/recomputed", "M", "K", 3),
    ("state-space/mamba", "T", None, 1),
    ("state-space/mamba", "D", "X", 2),
    ("state-space/gated-delta", "T", None, 1),
    ("state-space/gated-delta", "E", "K", 2),
    ("state-space/titans", "T", None, 1),
    ("transformer/self-attention", "S", "X", 2),
    ("transformer/self-attention-causal", "S", "X", 1),
]

GROUPS = [
    ("attention/3-pass", "M", [{"QK", "GM"}, {"SN", "SD"}, {"A", "AV"}], {"QK", "SN"}),
    ("attention/1-pass", "M", [{"BQK", "LM", "SLN", "SLD", "SLNV"}], set()),
    ("attention/1-pass", "M0", [{"BQK", "LM"}, {"SLN", "SLD", "SLNV"}], {"BQK"}),
    ("attention/2-pass", "M", [{"BQK", "LM", "SLN", "SLD"}, {"SN", "A", "AV"}], {"SLN"}),
]


@pytest.mark.parametrize(("name", "rank", "tensor", "count"), COUNTS)
def test_counts(name, rank, tensor, count):
    """The bound of a rank, or of one tensor over it."""
    assert count == analyse(load_cascade(name)).passes(rank, tensor)


@pytest.mark.parametrize(("name", "rank", "groups", "crossing"), GROUPS)
def test_groups(name, rank, groups, crossing):
    """Which Einsums may share a loop, and which tensors cross from one group to the next."""
    found = analyse(load_cascade(name)).rank(rank)

    assert groups == [set(group) for group in found.groups]
    assert crossing == set(found.crossing)


SHAPES = {
    "attention/3-pass": {"E": 2, "P": 2, "M": 4, "F": 2},
    "attention/2-pass": {"E": 2, "P": 2, "M": 6, "M1": 3, "M0": 2, "F": 2},
    "attention/1-pass": {"E": 2, "P": 2, "M": 6, "M1": 3, "M0": 2, "F": 2},
    "attention/split-k": {"E": 2, "P": 2, "M": 6, "M1": 3, "M0": 2, "F": 2},
    "attention/2-pass-online": {"E": 2, "P": 2, "M": 6, "M1": 3, "M0": 2, "F": 2},
    "causal/3-pass": {"E": 2, "P": 4, "M": 4, "F": 2},
    "softmax/online": {"M": 3, "P": 2},
    "sparse/neighbourhood": {"E": 2, "P": 3, "W": 2, "N": 4, "F": 2},
    "normalisation/layer-norm": {"D": 3, "P": 2},
    "normalisation/layer-norm-welford": {"D": 3, "P": 2},
    "backward/from-probabilities": {"E": 2, "P": 2, "M": 3, "F": 2},
    "variants/landmark": {"E": 2, "P": 2, "M": 6, "M1": 3, "M0": 2, "F": 2},
    "state-space/mamba": {"D": 2, "C": 2, "T": 3, "N": 2},
    "transformer/self-attention": {"D": 2, "F": 2, "E": 2, "S": 3, "P": 3},
    "transformer/self-attention-causal": {"D": 2, "F": 2, "E": 2, "S": 3, "P": 3},
    "linear-attention/one-sequence": {"D": 2, "E": 2, "F": 2, "S": 3, "P": 3},
}


@pytest.mark.parametrize("name", SHAPES)
def test_library_against_the_definition(name):
    """On a small shape the bound of every rank and tensor is what unrolling gives.

    Nothing is claimed about keys that are read in overlapping windows.
    """
    cascade = load_cascade(name)
    unrolled = Unrolled(cascade, SHAPES[name])
    for rank in analyse(cascade).ranks:
        for entry in rank.tensors:
            positions = positions_of(cascade, rank.rank, entry)
            if positions is None:
                continue
            exact = passes(unrolled, entry.tensor, positions)
            claimed = not (name == "sparse/neighbourhood" and entry.tensor in "KV")

            assert entry.count <= exact
            assert exact == entry.count or not claimed


def test_certificate_in_words():
    """The chain of Einsums that forces the passes names them with their lines."""
    found = analyse(load_cascade("attention/3-pass")).rank("M").of("QK")

    assert [
        "GM (line 12) needs all of QK over M before SN (line 13) can read any of it again",
        "SD (line 14) needs all of SN over M before A (line 15) can read any of it again",
    ] == found.why().splitlines()
    assert 2 == found.direct


def test_one_pass_in_words():
    """A single pass is explained too."""
    found = analyse(load_cascade("attention/1-pass")).rank("M").of("V")

    assert "SLNV (line 20) reads V over M; nothing needs it again after that" == found.why()


def test_split_ranks_and_ranks_written_out_agree():
    """``K[e, m1*M0+m0]`` and ``K[e, m1, m0]`` have the same passes."""
    body = "inputs: {{X: [{ranks}]}}\noutputs: [Y]\neinsums: |\n  S[m1] = X[{index}] :: sum[m0]\n"
    body += "  T[] = S[m1] :: max[m1]\n  Y[m1,m0] = X[{index}]*T[]\n"
    head = "title: t\nsource: own\n"
    split = analyse(cascade_from_text(head + body.format(ranks="M", index="m1*M0+m0")))
    written = analyse(cascade_from_text(head + body.format(ranks="M1, M0", index="m1,m0")))

    assert 2 == split.passes("M")
    assert split.passes("M0") == written.passes("M0")
    assert split.passes("M1", "S") == written.passes("M1", "S")
    assert 2 == written.over(("M1", "M0")).passes


def test_states_are_named():
    """The delta rule sweeps its state at every step: the count is per step and says so."""
    found = analyse(load_cascade("state-space/gated-delta")).rank("E").of("K")

    assert (2, ("T",)) == (found.count, found.grows_with)


def test_direction_conflict():
    """A sum of all earlier and a sum of all later elements cannot share one ascending loop."""
    text = """
title: two scans
source: our own
inputs: {A: [T], B: [T]}
ranks: {K: T}
outputs: [Y]
einsums: |
  C[t] = exp(A[t])
  D[t] = exp(B[t])
  F[t] = C[k] :: sum[k] | k <= t
  G[t] = D[k] :: sum[k] | k >= t
  Y[t] = F[t]*G[t]
"""
    found = analyse(cascade_from_text(text)).rank("T")

    assert 1 == found.passes
    assert 1 == len(found.conflicts)
    assert "ascending" in found.conflicts[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sparse/block-sparse", "index T[p,j]*M0 + m0 of K is data-dependent"),
        ("sparse/neighbourhood", "index p + w of K joins several rank variables"),
        ("sparse/native-causal", "m1*M0 + M0 <= p + 1 is compared with equal conditions only"),
    ],
)
def test_no_claims_are_named(name, words):
    """What the analysis does not understand is listed, with its place."""
    found = [claim for claim in analyse(load_cascade(name)).no_claims if words in str(claim)]

    assert found
    assert found[0].place is not None


def test_early_exit_makes_no_claim():
    """A reduction that may end early is no barrier, and is named."""
    text = """
title: any
source: our own
inputs: {A: [M]}
outputs: [Y]
einsums: |
  S[] = A[m] :: any[m]
  Y[m] = A[m]*S[]
"""
    found = analyse(cascade_from_text(text))

    assert 1 == found.passes("M")
    assert ["S (line 7): any[m] may end early; no claim that it needs everything"] == list(
        map(str, found.no_claims)
    )


STRICT = """
title: strict
source: our own
ranks: {K: T}
inputs: {X: [T, P], Z: [P]}
outputs: [Y]
einsums: |
  S[t,p] = X[k,p] :: sum[k] | k < t
  N[t] = S[t,p] :: max[p]
  Y[t,p] = S[t,p] - N[t]
"""


def test_a_strict_filter_leaves_fibres_of_other_ranks_whole():
    """X[k, all p] goes into S[k+1, all p], whose greatest value is needed before any of it is read again."""
    found = analyse(cascade_from_text(STRICT.replace(", Z: [P]", "")))

    assert 2 == found.passes("P", "X")
    assert 2 == found.passes("P", "S")


def test_a_strict_filter_where_nothing_fixes_its_variables():
    """Z over p is read for every t and k; some of it is in S[1, all p] too, and is needed as a whole for N[1]."""
    text = STRICT.replace("X[k,p] ::", "X[k,p]*Z[p] ::")

    assert 2 == analyse(cascade_from_text(text)).passes("P", "Z")


def test_a_shift_there_and_back_loses_the_end():
    """C[t] is made of A[t-1] and A[t], but not the last one of A: D[T] is not there, so E reads no whole fibre of A."""
    text = """
title: shift
source: our own
inputs: {A: [T]}
outputs: [E]
einsums: |
  R[0] = 0
  loop t:
    D[t] = R[t]*2
    R[t+1] = A[t]
  C[t] = D[t+1]*2
  G[] = C[t] :: sum[t]
  E[t] = C[t]*G[]
"""
    found = analyse(cascade_from_text(text))

    assert 1 == found.passes("T", "A")
    assert 2 == found.passes("T", "C")


def test_an_empty_prefix_needs_nothing():
    """S[0] is an empty sum, so that Y[0], which alone reads all of B, needs none of W: B is read once."""
    text = """
title: empty
source: our own
ranks: {K: T}
inputs: {B: [T]}
outputs: [Y]
einsums: |
  W[t] = B[k]*B[t] :: sum[k] | k >= t
  S[t] = B[k]*W[t] :: sum[k] | k < t
  Y[t] = B[k]*S[t] :: sum[k] | k >= t
"""
    cascade = cascade_from_text(text)

    assert 1 == passes(Unrolled(cascade, {"T": 4, "K": 4}), "B", (0,))
    assert 1 == analyse(cascade).passes("T", "B")


def test_unknown_rank_and_tensor():
    """A wrong question is answered with what there is."""
    found = analyse(load_cascade("paper/cascade-1"))

    with pytest.raises(NoSuchFibreError, match=r"cascade paper/cascade-1 has no rank 'M'; there are: K"):
        found.rank("M")
    with pytest.raises(NoSuchFibreError, match=r"no tensor 'Y' has rank K; there are: A, B"):
        found.rank("K").of("Y")


def _counts(einsums: str, head: str) -> dict[tuple[str, str], int]:
    """Return the passes by rank and tensor of a small cascade."""
    rows = "".join(f"  {row}\n" for row in einsums.splitlines())
    found = analyse(cascade_from_text(f"title: t\nsource: t\n{head}\neinsums: |\n{rows}", "t"))
    return {(rank.rank, one.tensor): one.count for rank in found.ranks for one in rank.tensors}


@pytest.mark.parametrize(
    ("head", "einsums", "query", "expected"),
    [
        # each square is in the band of some m, so that all are in the sum
        pytest.param(
            "ranks: {K: M}\ninputs: {X: [M]}\noutputs: [Y]",
            "T[m] = X[m]*X[m]\nB[m] = T[k] :: sum[k] | k <= m, k >= m - 2\nS[] = B[m] :: max[m]\nY[m] = X[m]*S[]",
            ("M", "X"),
            2,
            id="bands that cover the sequence",
        ),
        # what is made of a window along u has nothing to do with p
        pytest.param(
            "inputs: {X: [M, P]}\noutputs: [T]",
            "T[m,p] = X[m+u,p] :: sum[u] | m + u < M",
            ("P", "X"),
            1,
            id="a window over another rank",
        ),
        # the mask leaves all keys to the last query, whole or in tiles
        pytest.param(
            "inputs: {X: [P]}\noutputs: [Y]",
            "S[] = X[p] :: sum[p]\nT[m1,m0,p] = X[m1*M0+m0]*S[] | m1*M0 + m0 <= p\nY[p] = T[m1,m0,p]*X[p] :: sum[m1,m0]",
            ("P", "X"),
            2,
            id="a causal mask over tiles",
        ),
        # a running sum over whole positions, beside an Einsum that takes them in tiles
        pytest.param(
            "inputs: {X: [M]}\noutputs: [Y, Z]",
            "R[0] = 0\nloop m:\n  R[m+1] = R[m] + X[m]\nL[] = R[M]\nY[m] = X[m]/L[]\nZ[m1] = X[m1*M0+m0] :: sum[m0]",
            ("M", "X"),
            2,
            id="a scan beside tiles",
        ),
        # the band holds two queries, at the last key one: who waits for that one has not waited for a fibre
        pytest.param(
            "same: [[M, P]]\ninputs: {R: [M, P]}\noutputs: [B]",
            "T[m,p] = R[m,p]*2 | m <= p, m >= p - 1\nF[m] = T[m,p] :: max[p] | p <= m\nB[m,p] = T[m,p] - F[m] | p <= m",
            ("P", "R"),
            1,
            id="a band cut at the end",
        ),
        pytest.param(
            "same: [[M, P]]\ninputs: {R: [M, P]}\noutputs: [B]",
            "T[m,p] = R[m,p]*2 | m <= p\nF[m] = T[m,p] :: max[p] | m >= p\nB[m,p] = T[m,p] - F[m] | m >= p",
            ("P", "R"),
            1,
            id="two masks that meet on the diagonal",
        ),
        # what is read on the diagonal of T is one element of each row: nothing reads a whole one
        pytest.param(
            "same: [[M, P]]\ninputs: {X: [M], G: [P]}\noutputs: [Y]",
            "T[m,p] = X[m]*G[p]\nD[m] = T[m,m]*2\nS[] = D[m] :: sum[m]\nY[m] = D[m] - S[]",
            ("P", "T"),
            0,
            id="a diagonal",
        ),
        # T has every p but the diagonal for some key, so that the sum over keys carries all of it
        pytest.param(
            "same: [[M, P]]\ninputs: {G: [P], R: [M, P]}\noutputs: [Y]",
            "T[m,p] = R[m,p] - G[p] | m != p\nU[p] = T[m,p] :: sum[m]\nS[] = U[p] :: max[p]\nY[p] = U[p] - S[]",
            ("P", "G"),
            2,
            id="a sum over rows without their diagonal",
        ),
        # at the first key the mask leaves all queries
        pytest.param(
            "same: [[M, P]]\ninputs: {D: [M]}\noutputs: [B]",
            "T[m,p] = D[m] - D[p] | m <= p\nF[m] = T[m,p] :: max[p]\nB[m,p] = T[m,p] - F[m]",
            ("M", "D"),
            2,
            id="a causal difference",
        ),
        # the last token has no later one: the others are the fibre of all that follows
        pytest.param(
            "same: [[M, P]]\ninputs: {D: [M], X: [P]}\noutputs: [Y]",
            "T[m] = D[m]*X[p] :: sum[p] | m < p\nS[] = T[m] :: sum[m]\nY[m] = T[m] - S[]",
            ("M", "D"),
            2,
            id="a sum over what comes later",
        ),
    ],
)
def test_one_sequence_in_several_ways(head, einsums, query, expected):
    """Bands, windows, tiles and scans over one sequence: the counts by hand."""
    assert expected == _counts(einsums, head)[query]
