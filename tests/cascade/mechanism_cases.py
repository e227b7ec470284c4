"""For each of the newer cascades: its formula, its sizes, and what its inputs must be like beyond random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tests.cascade import references_blocks as blocks
from tests.cascade import references_field as field
from tests.cascade import references_latest as latest
from tests.cascade import references_losses as losses
from tests.cascade import references_memory as memory
from tests.cascade import references_more as more
from tests.cascade import references_public as public
from tests.cascade import references_recent as recent
from tests.cascade import references_variants as variants
from tests.cascade import references_vision as vision
from tests.cascade.references import Array, Reference

Fit = Callable[[dict[str, Array], Mapping[str, int]], None]


@dataclass(frozen=True, slots=True)
class Case:
    """A cascade's formula in numpy, sizes to try it at, and a change to its random inputs (batch axes first)."""

    reference: Reference
    sizes: Mapping[str, int]
    fit: Fit = lambda values, sizes: None


def _one_sink(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Make one late key so like all queries that it takes most of their weights."""
    values["Q"][..., 0, :] = 4.0
    values["K"][..., 0, 3] = 4.0


def _marks(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Keys 0 and 3 are sinks, 2 to 6 visual."""
    keys = np.arange(sizes["M"])
    values["SI"][...] = np.isin(keys, (0, 3))
    values["VI"][...] = (keys >= 2) & (keys <= 6)


def _labels(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Labels are numbers of the vocabulary; what a forward run saved is what it computes."""
    values["Y"][...] = np.arange(sizes["N"])[::-1] % sizes["V"]
    if "L" in values:
        values["L"][...] = np.log(np.exp(values["X"].T @ values["W"]).sum(1))


def _words(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """The tokens of both answers are numbers of the vocabulary."""
    for name in ("YW", "YL"):
        values[name][...] = np.random.default_rng(7).integers(0, sizes["V"], size=values[name].shape)


def _answers(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Answers of several lengths, the longest of all tokens."""
    values["LEN"][...] = sizes["T"] - np.arange(sizes["G"]) % sizes["T"]


def _steps(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Step sizes lie in (0, 1)."""
    values["BE"][...] = 1 / (1 + np.exp(-values["BE"]))


def _regular(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Gates lie in (0, 1), the regulariser above 0."""
    for name in ("GA", "BE"):
        values[name][...] = 1 / (1 + np.exp(-values[name]))
    values["LA"][...] = 0.5 + np.abs(values["LA"])


def _decays(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Gates and decays have negative logarithms, as Mamba's A is; removal keys have length 1, learning rates lie in (0, 1)."""
    for name in values.keys() & {"LG", "LW"}:
        values[name][...] = -np.abs(values[name])
    if "KH" in values:
        values["KH"] /= np.linalg.norm(values["KH"], axis=-2, keepdims=True)
        values["A"][...] = 1 / (1 + np.exp(-values["A"]))
    else:
        for name in values.keys() & {"A", "AR"}:
            values[name][...] = -np.exp(values[name])


def _rotary_tables(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """The tables hold cosines and sines of position times frequency."""
    angle = np.outer(10000.0 ** (-np.arange(sizes["A"]) / sizes["A"]), np.arange(sizes["P"]))
    values["CO"][...], values["SI"][...] = np.cos(angle), np.sin(angle)


def _three_documents(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Three documents after each other; the labels of keys and queries are those of one sequence."""
    for name in ("DM", "DP"):
        values[name][...] = np.arange(sizes["M"]) // 3


def _lengths(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """From one key to all of them."""
    values["LE"][...] = np.linspace(1, sizes["M"], sizes["B"]).round()


def _buckets(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Near distances have buckets of their own, far ones share."""
    values["BU"][...] = np.minimum(np.arange(sizes["M"]), sizes["N"] - 1)


def _unit_keys(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Keys have length 1, rates lie in (0, 1), decays have negative logarithms."""
    values["K"] /= np.linalg.norm(values["K"], axis=-2, keepdims=True)
    values["BE"][...] = 1 / (1 + np.exp(-values["BE"]))
    _decays(values, sizes)


def _turns(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Vectors of length 1 that turn, and how much of each, in (0, 1)."""
    values["W"] /= np.linalg.norm(values["W"], axis=-2, keepdims=True)
    values["BE"][...] = 1 / (1 + np.exp(-values["BE"]))


def _rates(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Shares lie in (0, 1), rates of learning in (0, 0.1)."""
    for name, most in (("AL", 1.0), ("ET", 0.1)):
        if name in values:
            values[name][...] = most / (1 + np.exp(-values[name]))


def _random_keys(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """The table names keys."""
    values["TR"][...] = np.random.default_rng(5).integers(0, sizes["M"], size=values["TR"].shape)


def _classes(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Three classes, all of which tokens have."""
    values["Y"][...] = np.arange(sizes["N"]) % 3


def _ancestors(values: dict[str, Array], sizes: Mapping[str, int]) -> None:
    """Tokens 1 and 2 follow token 0, tokens 3 and 4 token 1."""
    parents = {1: 0, 2: 0, 3: 1, 4: 1}
    values["AN"][...] = np.eye(sizes["P"])
    for token in range(1, sizes["P"]):
        values["AN"][..., token] += values["AN"][..., parents[token]]


ONE = {"E": 3, "F": 2, "M": 7}
PLAIN = {**ONE, "P": 5}
SCAN = {"E": 3, "F": 2, "T": 8}
SPACE = {"D": 3, "N": 2, "T": 8}
DECODER = {"D": 6, "P": 5, "H": 2, "R": 2, "E": 4, "A": 2, "F": 3, "I": 4}
LAYER = {"R": 3, "K": 4, "N": 5, "D": 4}
LOSS = {"D": 3, "N": 4, "V": 7}
CASES: dict[str, Case] = {
    "causal/documents": Case(vision.documents, ONE, _three_documents),
    "causal/lengths": Case(vision.lengths, {**PLAIN, "B": 3, "H": 2}, _lengths),
    "derived/decoder-block-1-pass": Case(blocks.decoder_block, {**DECODER, "M0": 2}, _rotary_tables),
    "derived/reversed-2-pass": Case(variants.reversed_attention, PLAIN),
    "linear-attention/attention-free": Case(more.attention_free, {"E": 3, "P": 5, "M": 7}),
    "linear-attention/gated": Case(blocks.gated_linear, SCAN, _decays),
    "linear-attention/gated-slot": Case(recent.gated_slots, {**SCAN, "N": 3}, _rates),
    "linear-attention/gated-chunked": Case(blocks.gated_linear, {**SCAN, "I0": 3}, _decays),
    "linear-attention/infini": Case(more.infini, {**SCAN, "I0": 3}),
    "linear-attention/log-linear": Case(blocks.log_linear, {"E": 3, "F": 2, "M": 13, "B0": 4}, _decays),
    "linear-attention/random-features": Case(more.random_features, {**PLAIN, "R": 4}),
    "linear-attention/retention": Case(more.retention, ONE),
    "loss/cross-entropy": Case(vision.cross_entropy, LOSS, _labels),
    "loss/cross-entropy-backward": Case(vision.cross_entropy_backward, LOSS, _labels),
    "loss/cross-entropy-online": Case(vision.cross_entropy, {**LOSS, "V0": 3}, _labels),
    "loss/distillation": Case(field.distillation, {"N": 4, "V": 7}),
    "loss/label-smoothing": Case(field.label_smoothing, LOSS, _labels),
    "loss/preference": Case(field.preference, {"B": 2, "T": 5, "V": 7}, _words),
    "loss/info-nce": Case(vision.info_nce, {"D": 3, "N": 6}),
    "loss/sinkhorn": Case(vision.sinkhorn, {"M": 4, "N": 5, "T": 3}),
    "loss/soft-dtw": Case(more.soft_dtw, {"D": 2, "I": 4, "J": 5}),
    "loss/soft-dtw-diagonals": Case(more.soft_dtw, {"D": 2, "I": 4, "J": 3}),
    "sparse/chunked": Case(more.chunked, {"E": 3, "F": 2, "P": 12, "W": 4}),
    "sparse/global-window": Case(
        recent.global_window, {**ONE, "M": 12, "W": 1, "G": 2, "J": 2}, _random_keys
    ),
    "sparse/index-scores": Case(more.index_scores, {"N": 3, "C": 2, "P": 3, "M": 5}),
    "sparse/hashed": Case(field.hashed, {**PLAIN, "A": 2}),
    "sparse/indexed": Case(more.indexed, {**ONE, "N": 2, "C": 2, "R": 2, "J": 3}),
    "sparse/native": Case(
        vision.native, {"E": 3, "F": 2, "R": 2, "P": 3, "M": 12, "M0": 3, "J": 2, "W": 5, "G": 3}
    ),
    "sparse/native-causal": Case(
        vision.native_causal, {"E": 3, "F": 2, "R": 2, "M": 12, "M0": 3, "J": 2, "W": 5, "G": 3}
    ),
    "sparse/predicted-mask": Case(vision.predicted_mask, {**PLAIN, "C": 2, "R": 3, "J": 3}),
    "sparse/recycled": Case(vision.recycled, {**PLAIN, "J": 3}),
    "sparse/shifted-groups-sinks": Case(
        vision.shifted_groups, {"C": 2, "E": 3, "F": 2, "P": 12, "W": 4, "C0": 2, "S": 2}
    ),
    "state-space/delta-chunked": Case(more.delta, {**SCAN, "I0": 3}, _unit_keys),
    "state-space/delta-product": Case(field.delta_product, SCAN, _rates),
    "state-space/kimi-delta": Case(more.kimi_delta, SCAN, _unit_keys),
    "state-space/mamba-2": Case(blocks.mamba_2, SPACE, _decays),
    "state-space/mamba-2-chunked": Case(blocks.mamba_2, {**SPACE, "I0": 3}, _decays),
    "state-space/mlstm": Case(more.mlstm, SCAN),
    "state-space/rwkv-6": Case(recent.rwkv_6, SCAN),
    "state-space/test-time-training": Case(recent.learning_at_test_time, {"E": 4, "T": 4}, _rates),
    "state-space/rwkv-7": Case(blocks.rwkv_7, SCAN, _decays),
    "state-space/rwkv-7-chunked": Case(blocks.rwkv_7, {**SCAN, "I0": 3}, _decays),
    "transformer/decoder-block": Case(blocks.decoder_block, DECODER, _rotary_tables),
    "transformer/cross-layer-attention": Case(field.cross_layer, {"D": 4, "S": 6, "E": 3, "F": 2}),
    "transformer/expert-choice": Case(field.expert_choice, {"D": 3, "P": 6, "N": 4, "J": 2, "I": 5}),
    "transformer/experts": Case(blocks.experts, {"D": 3, "P": 4, "N": 5, "J": 2, "I": 4, "S": 2}),
    "transformer/geglu": Case(blocks.geglu, LAYER),
    "transformer/logits": Case(blocks.logits, {"R": 3, "K": 4, "V": 7}),
    "transformer/long-convolution": Case(more.long_convolution, {"D": 3, "M": 7}),
    "transformer/mamba-2-layer": Case(
        blocks.mamba_2_layer, {"K": 4, "T": 6, "H": 2, "D": 3, "N": 2, "W": 3}, _decays
    ),
    "transformer/parallel-block": Case(
        blocks.parallel_block, {"D": 6, "P": 5, "H": 2, "E": 2, "F": 3, "I": 4}
    ),
    "transformer/rotary": Case(blocks.rotary, {"H": 3, "E": 6, "A": 3, "M": 6}),
    "transformer/swiglu": Case(blocks.swiglu, LAYER),
    "variants/calibrated": Case(variants.calibrated, PLAIN, _one_sink),
    "variants/cog": Case(field.cog, ONE),
    "variants/cosine": Case(recent.cosine, PLAIN),
    "variants/entmax": Case(recent.entmax, {**PLAIN, "T": 60}),
    "variants/forgetting": Case(variants.forgetting, ONE),
    "variants/forgetting-online": Case(variants.forgetting, {**ONE, "M0": 3}),
    "variants/gated": Case(more.gated, {**PLAIN, "D": 4}),
    "variants/low-rank-keys": Case(more.low_rank_keys, {**PLAIN, "R": 3}),
    "variants/mixture-of-heads": Case(
        variants.mixture_of_heads, {**PLAIN, "D": 4, "S": 2, "R": 5, "J": 2, "A": 2, "O": 3}
    ),
    "variants/multi-matrix": Case(
        field.multi_matrix, {"E": 3, "P": 5, "M": 7, "D": 4, "C": 3, "H": 2, "O": 5}
    ),
    "variants/multi-token": Case(variants.multi_token, {**ONE, "H": 3, "G": 2, "U": 3, "C": 1}),
    "variants/nystrom": Case(more.nystrom, {"E": 3, "F": 2, "P": 12, "W": 4, "T": 6}),
    "variants/path": Case(variants.path, ONE),
    "variants/path-blocks": Case(recent.path_in_blocks, {**SCAN, "I0": 3}, _turns),
    "variants/position-bias": Case(more.position_bias, {**ONE, "N": 4}, _buckets),
    "variants/position-invariant": Case(
        variants.position_invariant, {"C": 2, "E": 2, "F": 2, "N": 4, "L": 3, "P": 5}
    ),
    "variants/power": Case(variants.power, ONE),
    "variants/power-recurrent": Case(variants.power, {"E": 3, "F": 2, "T": 6}),
    "variants/qk-norm": Case(variants.qk_norm, PLAIN),
    "variants/quantised": Case(more.quantised, PLAIN),
    "variants/redistributed": Case(variants.redistributed, {**PLAIN, "P": 12, "M": 9}, _marks),
    "variants/relative-convolutional": Case(variants.relative_convolutional, {**ONE, "W": 3}),
    "variants/reversed": Case(variants.reversed_attention, PLAIN),
    "variants/scalable-softmax": Case(recent.scalable, ONE),
    "variants/selective": Case(variants.selective, {**ONE, "H": 3}),
    "variants/selective-running": Case(variants.selective, {**ONE, "H": 3}),
    "variants/sinkhorn": Case(variants.sinkhorn, {**PLAIN, "T": 4}),
    "variants/smoothed-keys": Case(field.smoothed_keys, PLAIN),
    "variants/stick-breaking": Case(variants.stick_breaking, ONE),
    "variants/stick-breaking-running": Case(variants.stick_breaking, ONE),
    "variants/talking-heads": Case(variants.talking_heads, {**PLAIN, "I": 3, "H": 4, "G": 2}),
    "variants/tensor-product": Case(variants.tensor_product, {**PLAIN, "R": 3, "S": 2, "T": 2, "H": 4}),
    "variants/two-simplicial": Case(variants.two_simplicial, {**PLAIN, "N": 4}),
    "loss/barlow-twins": Case(losses.barlow_twins, {"D": 3, "N": 7}),
    "loss/focal": Case(losses.focal, {"V": 5, "N": 4}, _classes),
    "loss/group-relative": Case(losses.group_relative, {"G": 4, "T": 5}),
    "loss/poly": Case(losses.poly, {"V": 5, "N": 4}),
    "loss/siglip": Case(losses.siglip, {"D": 3, "M": 5}),
    "loss/supervised-contrastive": Case(losses.supervised_contrastive, {"D": 3, "N": 7}, _classes),
    "normalisation/batch-norm-backward": Case(losses.batch_norm_backward, {"N": 7, "C": 3}),
    "normalisation/group-norm": Case(losses.group_norm, {"G": 2, "C0": 3, "N": 4}),
    "softmax/backward": Case(losses.softmax_backward, {"M": 7, "P": 5}),
    "softmax/sparsemax": Case(losses.sparsemax, {"F": 2, "M": 7, "P": 5, "I": 8}),
    "sparse/indexer-loss": Case(latest.indexer_loss, {"H": 2, "E": 3, "M": 6, "P": 4, "C": 2, "D": 2}),
    "sparse/mixture-of-blocks": Case(latest.mixture_of_blocks, {**ONE, "M": 12, "M0": 3, "J": 2}),
    "state-space/mamba-3": Case(latest.mamba_3, SPACE),
    "transformer/canon": Case(latest.canon, {"D": 4, "P": 6, "W": 3, "E": 3, "F": 2}),
    "transformer/manifold-hyper-connections": Case(
        latest.manifold_hyper_connections, {"N": 3, "D": 4, "T": 6}
    ),
    "transformer/normalised-attention": Case(latest.normalised_attention, {"D": 4, "P": 5, "E": 3, "F": 2}),
    "transformer/top-p": Case(latest.top_p, {"V": 9}),
    "variants/differential-2": Case(latest.differential_2, {**ONE, "R": 2}),
    "variants/token-tree": Case(latest.token_tree, {**ONE, "P": 5}, _ancestors),
    "variants/value-residual": Case(latest.value_residual, {"D": 4, "P": 6, "E": 3, "F": 2}),
    "causal/block-diffusion": Case(public.block_diffusion, {"E": 3, "F": 2, "N": 6, "C": 2}),
    "loss/sequence-ratio": Case(public.sequence_ratio, {"G": 4, "T": 5}, _answers),
    "sparse/page-bounds": Case(public.page_bounds, {**PLAIN, "M": 12, "M0": 3, "J": 2}),
    "state-space/atlas": Case(memory.atlas, {"E": 3, "F": 2, "T": 6, "W": 3}),
    "state-space/comba": Case(memory.comba, {"E": 3, "F": 2, "T": 6}),
    "state-space/gated-linear-unit": Case(memory.gated_linear_unit, {"D": 3, "T": 6}),
    "state-space/longhorn": Case(memory.longhorn, {"D": 3, "T": 6, "N": 2}, _steps),
    "state-space/mesa": Case(memory.mesa, {"E": 3, "F": 2, "T": 5, "C": 3}, _regular),
    "state-space/slstm": Case(memory.slstm, {"H": 3, "T": 6}),
    "transformer/attention-residuals": Case(public.attention_residuals, {"L": 4, "D": 3, "T": 5}),
    "transformer/mixture-of-depths": Case(public.mixture_of_depths, {"D": 3, "T": 7, "E": 2, "J": 3}),
    "variants/contextual-position": Case(public.contextual_position, {**ONE, "L": 4}),
    "variants/grouped-tied": Case(public.grouped_tied, {"G": 2, "R": 2, "A": 2, "M": 5}),
    "variants/temporal-latent": Case(
        public.temporal_latent, {"H": 2, "C": 3, "R": 2, "F": 2, "M": 6, "S": 2}
    ),
    "vision/bidirectional-scan": Case(more.bidirectional_scan, SPACE, _decays),
    "vision/external": Case(more.external, {"D": 3, "P": 5, "S": 4, "F": 2}),
    "vision/position-channel": Case(vision.position_channel, {"C": 3, "P": 5, "E": 2}),
    "vision/slots": Case(recent.slots, {"D": 3, "F": 2, "M": 7, "N": 4}),
    "vision/spectral-gating": Case(vision.spectral_gating, {"N": 8, "D": 3}),
    "vision/statistics-pooling": Case(field.statistics_pooling, {"D": 3, "N": 7, "A": 4}),
    "vision/strip-gates": Case(vision.strip_gates, {"C": 4, "C0": 2, "I": 5, "J": 6, "R": 1}),
    "vision/token-aware-pooling": Case(vision.token_aware_pooling, {**ONE, "D": 4, "J": 3, "U": 3}),
    "vision/token-mixing-gate": Case(vision.token_mixing_gate, {"P": 5, "D": 4, "T": 3, "U": 6}),
    "vision/varied-window": Case(vision.varied_window, {"D": 4, "E": 3, "F": 2, "P": 12, "W": 4}),
}
#: Forms that ``fusemax reduce`` derived, with the cascade that they are of; in ragged tiles of 3.
DERIVED = {
    "derived/calibrated-2-pass": "variants/calibrated",
    "derived/documents-1-pass": "causal/documents",
    "derived/lengths-1-pass": "causal/lengths",
    "derived/qk-norm-1-pass": "variants/qk-norm",
    "derived/redistributed-1-pass": "variants/redistributed",
    "derived/selective-1-pass": "variants/selective",
    "derived/talking-heads-1-pass": "variants/talking-heads",
    "derived/tensor-product-1-pass": "variants/tensor-product",
    "derived/two-simplicial-1-pass": "variants/two-simplicial",
}
CASES |= {
    name: Case(CASES[of].reference, {**CASES[of].sizes, "M0": 3}, CASES[of].fit)
    for name, of in DERIVED.items()
}
