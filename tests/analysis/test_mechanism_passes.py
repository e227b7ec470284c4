"""Passes of the newer cascades, counted by hand; the reason stands beside each count.

A reason reads as a chain: what needs all of the fibre before the next may read it again. Where one step of a recurrence is
meant, it says so.
"""

from __future__ import annotations

import pytest

from fusemax.analysis.footprint import footprints
from fusemax.analysis.passes import analyse
from fusemax.cascade.build import load_cascade
from tests.cascade.mechanism_cases import CASES

#: (cascade, rank, tensor or None for the rank, passes, why)
COUNTS = [
    ("causal/documents", "M", "QK", 3, "a softmax as written; labels only leave points out"),
    ("causal/documents", "M", "DM", 3, "labels are asked again wherever scores are"),
    ("causal/lengths", "M", "QK", 3, "a softmax as written; lengths only leave points out"),
    ("derived/calibrated-2-pass", "M", None, 2, "the running softmax, then shares and weights taken apart"),
    ("derived/documents-1-pass", "M", None, 1, "the running form under labels"),
    ("derived/lengths-1-pass", "M", None, 1, "the running form under lengths"),
    ("derived/qk-norm-1-pass", "M", None, 1, "keys are normalised one by one inside the loop"),
    ("derived/redistributed-1-pass", "M", None, 1, "weights by marks are three sums, each repaired by the maximum"),
    ("derived/reversed-2-pass", "P", None, 2, "the running softmax over queries; the output has the rank"),
    ("derived/selective-1-pass", "M", None, 1, "what masks a key is summed over the queries"),
    ("derived/talking-heads-1-pass", "M", None, 1, "values meet the weights before the heads are mixed"),
    ("derived/tensor-product-1-pass", "M", None, 1, "keys and values are made inside the loop"),
    ("derived/two-simplicial-1-pass", "M", None, 1, "tiles of one key, all of the other inside"),
    ("derived/two-simplicial-1-pass", "N", "QK", 2, "for each tile: maximum, then exponentials"),
    ("derived/decoder-block-1-pass", "P", None, 1, "the running form, keys and values projected inside its loop"),
    ("derived/decoder-block-1-pass", "M0", "QK", 2, "the tile's maximum before its exponentials"),
    ("linear-attention/gated-slot", "T", None, 1, "a recurrence over time, nothing after it"),
    ("linear-attention/gated-slot", "N", "L", 2, "each step: maximum over the slots, then exponentials"),
    ("sparse/global-window", "M", "QK", 3, "a softmax as written; what is not seen is minus infinity"),
    ("sparse/global-window", "M", "RK", 3, "whether a key is seen is asked again wherever scores are"),
    ("state-space/rwkv-6", "T", None, 1, "a recurrence over time, nothing after it"),
    ("state-space/rwkv-6", "E", "S", 1, "each step reads and renews the state once"),
    ("state-space/test-time-training", "T", None, 1, "a recurrence over time, nothing after it"),
    ("state-space/test-time-training", "N", "Z", 6, "mean, variance, the gradient's sum; the answer, its mean, its variance"),
    ("state-space/test-time-training", "N", "Y", 3, "layer norm of the answer as written"),
    ("variants/cosine", "M", "QK", 3, "a softmax as written; keys are normalised one by one"),
    ("variants/cosine", "E", "Q", 2, "the length of a query before the query over it"),
    ("variants/entmax", "M", "X", 4, "maximum, a halving's sum, the weights' sum, weights; each halving is one more"),
    ("variants/path-blocks", "T", None, 1, "blocks of keys one after the other, none again"),
    ("variants/path-blocks", "J0", "SD", 2, "inside the query's block: maximum, then exponentials"),
    ("variants/path-blocks", "E", "Q", 2, "a query meets all vectors of its block before it is turned by them"),
    ("variants/scalable-softmax", "M", "QK", 3, "a softmax as written; the factor of a query needs no key"),
    ("vision/slots", "N", "QK", 3, "a softmax over the slots as written"),
    ("vision/slots", "M", "A", 2, "the sum of what a slot got before the shares of it"),
    ("linear-attention/gated", "T", None, 1, "a recurrence over time, nothing after it"),
    ("linear-attention/gated-chunked", "T", None, 1, "a chunk at a time, the state carries the rest"),
    ("linear-attention/gated-chunked", "J0", "A", 1, "no normaliser inside a chunk"),
    ("linear-attention/log-linear", "M", None, 1, "no normaliser: weights are known where the score is"),
    ("loss/cross-entropy", "V", "W", 2, "maximum, then sum of exponentials"),
    ("loss/cross-entropy", "D", "X", 1, "logits and label's logit are sums over d that share a loop"),
    ("loss/cross-entropy-online", "V", None, 1, "maximum and sum run along"),
    ("loss/cross-entropy-online", "V0", "BZ", 2, "the tile's maximum before its exponentials"),
    ("loss/cross-entropy-backward", "V", "W", 1, "the log-sum-exp is saved"),
    ("loss/cross-entropy-backward", "N", "X", 1, "every gradient of a token is known at once"),
    ("loss/cross-entropy-backward", "D", "X", 2, "the logit needs all features before DW reads them again"),
    ("loss/info-nce", "M", "S", 2, "maximum over the other side, then exponentials"),
    ("loss/info-nce", "N", "S", 2, "the same the other way round"),
    ("loss/info-nce", "D", "X", 2, "the length of a vector before the vector over it"),
    ("sparse/native", "W", "QW", 2, "window: maximum, then exponentials; the division is deferred"),
    ("sparse/native", "M1", "QC", 3, "compressed: maximum, sum, then weights, which choose the blocks"),
    ("sparse/native", "J", "QS", 2, "selected: maximum, then exponentials"),
    ("sparse/native-causal", "M", "QW", 2, "window: maximum, then exponentials; the division is deferred"),
    ("sparse/native-causal", "M1", "QC", 3, "compressed: maximum, sum, then weights, which choose the blocks"),
    ("sparse/native-causal", "J", "QS", 2, "selected: maximum, then exponentials"),
    ("sparse/predicted-mask", "R", "LS", 3, "a softmax over the pooled rows as written"),
    ("sparse/predicted-mask", "J", "QK", 3, "a softmax over the chosen keys as written"),
    ("sparse/predicted-mask", "M", "K", 1, "pooled in one sweep; what is gathered later is data"),
    ("sparse/predicted-mask", "E", "Q", 2, "the prediction needs the whole query before the scores do"),
    ("sparse/recycled", "M", "K", 3, "the full step is a softmax as written; the choice needs the scores only"),
    ("sparse/recycled", "J", "QJ", 2, "chosen keys: maximum, then exponentials"),
    ("sparse/recycled", "T", "KN", 2, "new keys under the same normaliser, for the last query all of them"),
    ("sparse/shifted-groups-sinks", "U", "QK", 2, "one group: maximum, then exponentials"),
    ("sparse/shifted-groups-sinks", "S", "KS", 2, "sinks under the same normaliser"),
    ("state-space/mamba-2", "T", None, 1, "a recurrence over time"),
    ("state-space/mamba-2-chunked", "T", None, 1, "a chunk at a time"),
    ("state-space/mamba-2-chunked", "I0", "DT", 2, "decay of the whole chunk before that from a token to its end"),
    ("state-space/rwkv-7", "T", None, 1, "a recurrence over time"),
    ("state-space/rwkv-7", "E", "KH", 2, "each step: S*kh over all features before the state is written"),
    ("state-space/rwkv-7-chunked", "T", None, 1, "a chunk at a time"),
    ("state-space/rwkv-7-chunked", "E", "KH", 2, "each chunk: u over all features before the state is written"),
    ("transformer/decoder-block", "D", "X", 5, "norm, projections, residual and norm, gates, residual"),
    ("transformer/decoder-block", "M", "QK", 3, "a softmax as written"),
    ("transformer/decoder-block", "P", "X", 3, "the keys of the last query are the whole sequence"),
    ("transformer/decoder-block", "O", "Z", 3, "second norm, gates, residual"),
    ("transformer/experts", "N", "L", 3, "a softmax over the experts as written; the list is of its result"),
    ("transformer/experts", "D", "X", 3, "router, experts chosen by it, residual"),
    ("transformer/experts", "J", "TR", 2, "the sum of the chosen shares before a share over it"),
    ("transformer/geglu", "K", "X", 1, "both products share a loop"),
    ("transformer/geglu", "N", None, 1, "gate, product and way back share a loop"),
    ("transformer/logits", "K", "X", 2, "the norm before the product, as written"),
    ("transformer/mamba-2-layer", "K", "X", 2, "projections before the residual"),
    ("transformer/mamba-2-layer", "T", None, 1, "convolution, scan and norm go forward in time"),
    ("transformer/mamba-2-layer", "D", "YG", 2, "the norm over all channels before a channel over it"),
    ("transformer/parallel-block", "D", "X", 4, "mean, variance, projections, residual"),
    ("transformer/parallel-block", "M", "QK", 3, "a softmax as written"),
    ("transformer/rotary", "M", None, 1, "each token by itself"),
    ("transformer/swiglu", "N", None, 1, "gate, product and way back share a loop"),
    ("variants/calibrated", "M", "QK", 4, "maximum, sum, share of the sinks, calibrated weights"),
    ("variants/calibrated", "P", "Q", 2, "sinks are known when all queries have been seen"),
    ("variants/forgetting", "M", "QK", 3, "a softmax as written; gates are sums of what came before"),
    ("variants/forgetting-online", "M", None, 1, "the running form; sums of gates were made before"),
    ("variants/forgetting-online", "M0", "BS", 2, "the tile's maximum before its exponentials"),
    ("variants/mixture-of-heads", "M", "QKS", 2, "maximum, then exponentials; the division is deferred"),
    ("variants/mixture-of-heads", "M", "QKR", 2, "the same for the heads that are taken"),
    ("variants/mixture-of-heads", "R", "LR", 3, "a softmax over the routed heads; the list is of its result"),
    ("variants/multi-token", "M", "CV", 3, "a softmax of the convolved scores as written"),
    ("variants/path", "M", "KT", 2, "each step: maximum, then exponentials over all keys"),
    ("variants/path", "E", "KT", 2, "each step: w*k over all features before the key is written; the score reads it again"),
    ("variants/position-invariant", "N", "K", 5, "maximum, weights, means, order; then maximum and weights by order"),
    ("variants/power", "M", "QK", 2, "no maximum: the sum, then the weights over it"),
    ("variants/power-recurrent", "T", None, 1, "a recurrence over time"),
    ("variants/qk-norm", "M", "K", 3, "a softmax as written"),
    ("variants/qk-norm", "E", "K", 2, "the length of a key before the key over it"),
    ("variants/redistributed", "M", "QK", 4, "maximum, sum, shares of sinks and image, new weights"),
    ("variants/relative-convolutional", "M", "QK", 3, "a softmax as written"),
    ("variants/reversed", "P", "Q", 3, "a softmax over the queries as written"),
    ("variants/reversed", "M", "K", 1, "a key's weights need no other key"),
    ("variants/selective", "M", "QK", 3, "a softmax as written"),
    ("variants/selective", "P", None, 1, "a query needs earlier ones only"),
    ("variants/selective-running", "M", "QK", 3, "a softmax as written; sums run over the queries, not over the keys"),
    ("variants/selective-running", "P", None, 1, "a query needs earlier ones only"),
    ("variants/stick-breaking", "M", None, 1, "a key needs later ones only: one sweep, downwards"),
    ("variants/stick-breaking-running", "M", None, 1, "one loop down the keys"),
    ("vision/bidirectional-scan", "T", None, 1, "two scans; they go opposite ways, which is no pass"),
    ("loss/soft-dtw", "I", "C", 1, "each place is read once, in the order of the recurrence"),
    ("loss/soft-dtw", "D", "X", 1, "a cost is one sum"),
    ("loss/soft-dtw-diagonals", "T", None, 1, "a diagonal needs the two before it"),
    ("loss/soft-dtw-diagonals", "D", "X", 1, "a cost is one sum"),
    ("variants/talking-heads", "M", "J", 3, "heads are mixed key by key; a softmax as written"),
    ("variants/tensor-product", "M", "BK", 3, "keys are made key by key; a softmax as written"),
    ("variants/two-simplicial", "M", "K", 3, "a softmax over pairs as written"),
    ("variants/two-simplicial", "N", "KN", 3, "the same for the other key of a pair"),
    ("vision/position-channel", "P", "X", 3, "a softmax over the tokens as written"),
    ("vision/position-channel", "C", "X", 3, "a softmax over the channels as written"),
    ("vision/spectral-gating", "N", "X", 1, "each frequency is a sum over the tokens; the output reads frequencies"),
    ("vision/spectral-gating", "K", None, 1, "gate and inverse go frequency by frequency"),
    ("vision/strip-gates", "I", "FI", 3, "mean, variance, gate"),
    ("vision/strip-gates", "J", "FJ", 3, "mean, variance, gate"),
    ("vision/token-aware-pooling", "M", "Y", 3, "a softmax as written"),
    ("vision/token-aware-pooling", "J", "LJ", 2, "maximum over the windows, then their weights; the division is deferred"),
    ("vision/token-mixing-gate", "P", "X", 2, "tokens are mixed through T hidden places, then added to"),
    ("vision/token-mixing-gate", "D", "X", 8, "three norms of two passes and a sweep; the product with the gate"),
    ("vision/varied-window", "U", "QK", 3, "a softmax over the window as written"),
    ("vision/varied-window", "P", None, 1, "no claim about what is gathered"),
    ("linear-attention/attention-free", "M", "K", 2, "maximum, then exponentials; the division is deferred"),
    ("linear-attention/infini", "T", None, 1, "a segment at a time, the memory carries the rest"),
    ("linear-attention/infini", "J0", "QK", 2, "one segment: maximum, then exponentials"),
    ("linear-attention/random-features", "M", None, 1, "keys and values meet first"),
    ("linear-attention/retention", "M", "QK", 2, "the sum of a row before the row over it; the decay's sum needs no score"),
    ("sparse/chunked", "U", "QK", 2, "one chunk: maximum, then exponentials"),
    ("sparse/indexed", "M", "KI", 1, "the indexer streams its keys; what is gathered later is data"),
    ("sparse/indexed", "J", "QK", 2, "chosen keys: maximum, then exponentials"),
    ("state-space/delta-chunked", "T", None, 1, "a chunk at a time"),
    ("state-space/delta-chunked", "E", "K", 3, "products of keys for the inverse, W with the state, the update"),
    ("state-space/kimi-delta", "T", None, 1, "a recurrence over time"),
    ("state-space/kimi-delta", "E", "SG", 2, "each step: k*S over all features before the state is written"),
    ("state-space/mlstm", "T", None, 1, "a recurrence over time, its maximum runs along"),
    ("transformer/long-convolution", "M", None, 1, "a place needs earlier ones only"),
    ("variants/gated", "M", "QK", 3, "a softmax as written; the gate is of the query"),
    ("variants/low-rank-keys", "M", "K", 1, "projected in one sweep"),
    ("variants/low-rank-keys", "R", "QK", 3, "a softmax over the rows as written"),
    ("variants/nystrom", "M", "K", 2, "the third map: maximum, then exponentials; the division is deferred"),
    ("variants/nystrom", "P", "Q", 2, "landmarks are means of all queries, the output reads the queries again"),
    ("variants/position-bias", "M", "QK", 3, "a softmax as written"),
    ("variants/quantised", "M", "K", 4, "the mean of the keys, then a softmax as written"),
    ("variants/quantised", "E", "Q", 2, "the largest magnitude of a query before its steps"),
    ("vision/external", "P", "XS", 3, "a softmax over the tokens as written"),
    ("vision/external", "S", "A", 2, "the sum over the memory before a weight over it"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rank", "tensor", "count", "why"), COUNTS)
def test_counts(name: str, rank: str, tensor: str | None, count: int, why: str) -> None:
    """The bound of a rank, or of one tensor over it, is the count by hand."""
    assert count == analyse(load_cascade(name)).passes(rank, tensor), why


@pytest.mark.parametrize(("name", "ranks"), [("loss/sinkhorn", "MN"), ("variants/sinkhorn", "MP")])
def test_sinkhorn_sweeps_its_matrix_in_every_round(name: str, ranks: str) -> None:
    """A round needs both softmaxes after each other, so that the passes grow with the rounds; the answer says so."""
    found = analyse(load_cascade(name))
    matrix = "C" if name.startswith("loss") else "QK"
    for rank in ranks:
        entry = found.rank(rank).of(matrix)
        assert entry.count >= 3
        assert entry.grows_with == ("T",)


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_rank_has_its_live_words(name: str) -> None:
    """Every rank of every cascade answers what must be live of each tensor, halves and parts of ranks included."""
    found = analyse(load_cascade(name))
    for rank in found.ranks:
        assert set(found.plain.ranks) == {entry.tensor for entry in footprints(found, rank.rank)}
