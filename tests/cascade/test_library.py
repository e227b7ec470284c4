"""Every cascade that comes with fusemax computes what its source says."""

from __future__ import annotations

import numpy as np
import pytest

from fusemax.cascade.build import load_cascade
from fusemax.cascade.evaluate import evaluate
from fusemax.cascade.sizes import resolve_sizes
from fusemax.shipped import shipped
from tests.cascade import references as r
from tests.cascade.mechanism_cases import CASES

BATCH = {"B": 2, "H": 2}
PLAIN = {"E": 3, "F": 2, "P": 5, "M": 7}
TILED = {**PLAIN, "M0": 3}
ATTENTION = tuple(name for name in shipped("einsums") if name.startswith("attention/"))

#: For each cascade: what it computes, and sizes; ragged wherever it has tiles.
LIBRARY = {
    **{name: (r.attention, TILED if "M0" in load_cascade(name).ranks else PLAIN) for name in ATTENTION},
    "backward/from-probabilities": (r.backward, PLAIN),
    "backward/recomputed": (r.backward, PLAIN),
    "backward/saved": (r.backward, PLAIN),
    "causal/1-pass": (r.causal, {"E": 3, "F": 2, "P": 7, "M": 7, "M0": 3}),
    "causal/3-pass": (r.causal, {"E": 3, "F": 2, "P": 6, "M": 6}),
    "causal/3-pass-deferred": (r.causal, {"E": 3, "F": 2, "P": 6, "M": 6}),
    "causal/masked-1-pass": (r.masked, TILED),
    "linear-attention/causal": (r.linear_causal, {"E": 3, "F": 2, "T": 6}),
    "linear-attention/lightning": (r.lightning, {"E": 3, "F": 2, "N": 8, "I0": 3}),
    "linear-attention/non-causal": (r.linear_attention, PLAIN),
    "linear-attention/one-sequence": (r.linear_one_sequence, {"D": 4, "S": 5, "E": 3, "F": 2}),
    "normalisation/attention-layer-norm": (r.attention_layer_norm, PLAIN),
    "normalisation/layer-norm": (r.layer_norm, {"D": 6, "P": 3}),
    "normalisation/layer-norm-linear": (r.layer_norm_linear, {"D": 6, "P": 3, "O": 4}),
    "normalisation/layer-norm-moments": (r.layer_norm, {"D": 6, "P": 3}),
    "normalisation/layer-norm-welford": (r.layer_norm, {"D": 6, "P": 3}),
    "normalisation/rms-norm": (r.rms_norm, {"D": 6, "P": 3}),
    "normalisation/rms-norm-linear": (r.rms_norm_linear, {"D": 6, "P": 3, "O": 4}),
    "normalisation/rms-norm-linear-deferred": (r.rms_norm_linear, {"D": 6, "P": 3, "O": 4}),
    "paper/cascade-1": (r.paper, {"K": 6}),
    "paper/cascade-2": (r.paper, {"K": 6}),
    "paper/cascade-3": (r.paper, {"K": 6}),
    "softmax/log-sum-exp": (r.log_sum_exp, {"M": 6, "P": 3}),
    "softmax/log-sum-exp-online": (r.log_sum_exp, {"M": 6, "P": 3}),
    "softmax/online": (r.softmax_alone, {"M": 6, "P": 3}),
    "softmax/stable": (r.softmax_alone, {"M": 6, "P": 3}),
    "softmax/unstable": (r.softmax_alone, {"M": 6, "P": 3}),
    "sparse/block-sparse": (r.block_sparse, {"E": 3, "F": 2, "P": 4, "M": 12, "M0": 3, "J": 2}),
    "sparse/dilated-neighbourhood": (r.dilated, {"E": 3, "F": 2, "P": 5, "W": 3, "DI": 2}),
    "sparse/dual": (r.dual, {"E": 3, "F": 2, "P": 6, "W": 3, "C": 4}),
    "sparse/neighbourhood": (r.neighbourhood, {"E": 3, "F": 2, "P": 5, "W": 3}),
    "sparse/neighbourhood-2d": (r.neighbourhood_2d, {"E": 3, "F": 2, "X": 3, "Y": 4, "U": 2, "W": 3}),
    "sparse/routed-blocks": (r.routed, {"E": 3, "F": 2, "P": 4, "M": 12, "M0": 3, "J": 2}),
    "sparse/sliding-window": (r.sliding_window, {"E": 3, "F": 2, "P": 6, "W": 3}),
    "sparse/top-k": (r.top_k, {**PLAIN, "J": 3}),
    "sparse/top-k-threshold": (r.top_k, {**PLAIN, "J": 3}),
    "sparse/window-sinks": (r.window_sinks, {"E": 3, "F": 2, "P": 5, "W": 3, "S": 2}),
    "state-space/gated-delta": (r.gated_delta, {"E": 3, "F": 2, "T": 6}),
    "state-space/mamba": (r.mamba, {"D": 3, "T": 6, "N": 4}),
    "state-space/titans": (r.titans, {"E": 3, "F": 2, "T": 6}),
    "transformer/focal-modulation": (r.focal, {"D": 3, "P": 5, "C": 4, "W": 3}),
    "grouped/latent-split-k": (r.latent_cache, {"R": 3, "C": 4, "E": 2, "P": 2, "M": 7, "M0": 3}),
    "transformer/grouped-linear": (r.grouped_linear, {"G": 2, "R": 3, "K": 4, "N": 5}),
    "transformer/linear-split-k": (r.linear, {"R": 3, "K": 7, "K0": 3, "N": 5}),
    "transformer/self-attention": (r.self_attention, {"D": 3, "S": 5, "E": 4}),
    "transformer/self-attention-causal": (r.self_attention_causal, {"D": 3, "S": 5, "E": 4}),
    "variants/additive": (r.additive, {"A": 3, "F": 2, "P": 5, "M": 7}),
    "variants/agent": (r.agent, {**PLAIN, "T": 2}),
    "variants/agent-pooled": (r.agent_pooled, {"E": 3, "F": 2, "P": 6, "M": 7, "W": 3}),
    "variants/alibi": (r.alibi, {"E": 3, "F": 2, "P": 6, "M": 6}),
    "variants/differential": (r.differential, PLAIN),
    "variants/grouped-query": (r.grouped_query, {**PLAIN, "G": 2, "R": 3}),
    "variants/grouped-query-online": (r.grouped_query, {**TILED, "G": 2, "R": 3}),
    "variants/landmark": (r.landmark, TILED),
    "variants/landmark-blocked": (r.landmark, TILED),
    "variants/latent": (r.latent, {**PLAIN, "H": 2, "C": 4, "R": 2}),
    "variants/latent-online": (r.latent, {**TILED, "H": 2, "C": 4, "R": 2}),
    "variants/learned-sink": (r.with_sink, PLAIN),
    "variants/learned-sink-online": (r.with_sink, TILED),
    "variants/multi-query": (r.multi_query, {**PLAIN, "H": 3}),
    "variants/sigmoid": (r.sigmoid, PLAIN),
    "variants/soft-cap": (r.soft_cap, TILED),
    "variants/softmax-1": (r.softmax_1, PLAIN),
    "variants/softmax-1-online": (r.softmax_1, TILED),
    "variants/softpick": (r.softpick, PLAIN),
    "variants/softpick-online": (r.softpick, TILED),
    "variants/unstable": (r.attention, PLAIN),
    "variants/unstable-deferred": (r.attention, PLAIN),
}


def inputs_of(name: str, given: dict[str, int], seed: int) -> dict[str, np.ndarray]:
    """Return random inputs, batch axes first; tables, masks, gates and saved results are made to fit."""
    cascade = load_cascade(name)
    wide = cascade.batched()
    known = resolve_sizes(cascade, {**{rank: BATCH[rank] for rank in cascade.batch}, **given})
    random = np.random.default_rng(seed)
    values = {
        tensor: random.standard_normal([known[rank] for rank in wide.tensors[tensor].ranks])
        for tensor in cascade.inputs
    }
    if "MASK" in values:
        values["MASK"] = (values["MASK"] > 0).astype(float)
        values["MASK"][..., 0] = 0.0
        values["MASK"][..., : given["M0"], 1] = 0.0
    if "T" in values:
        blocks = given["M"] // given["M0"]
        order = np.argsort(random.random((*values["T"].shape[:-1], blocks)), axis=-1)
        values["T"] = order[..., : given["J"]].astype(float)
    for gate in ("AL", "BE"):
        if gate in values:
            values[gate] = 1 / (1 + np.exp(-values[gate]))
    if "A" in values and "WB" in values:
        values["A"] = -np.exp(values["A"])
    return with_saved(values)


def with_saved(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Fill in what an earlier forward run would have saved: the output AV and the log-sum-exp L."""
    if "DO" not in values:
        return values
    scores = np.einsum("...ep,...em->...pm", values["Q"], values["K"]) / np.sqrt(values["Q"].shape[-2])
    weights = r.softmax(scores, -1)
    saved = {
        "AV": np.einsum("...pm,...fm->...fp", weights, values["V"]),
        "L": np.logaddexp.reduce(scores, axis=-1),
    }
    return {name: saved.get(name, value) for name, value in values.items()}


def largest_error(
    name: str, values: dict[str, np.ndarray], given: dict[str, int], reference: r.Reference
) -> float:
    """Return the largest error relative to 1 + |expected| over the outputs and the batch."""
    cascade = load_cascade(name)
    found = evaluate(cascade, values, {k: v for k, v in given.items() if k in cascade.size_symbols()})
    axes = len(cascade.batch)
    lead = next(iter(values.values())).shape[:axes]
    worst = 0.0
    for at in np.ndindex(*lead):
        expected = reference({key: value[at] for key, value in values.items()}, given)
        assert set(expected) == set(cascade.outputs)
        for output, want in expected.items():
            have = found[output][at]
            assert want.shape == have.shape
            known = ~np.isnan(want)
            worst = max(worst, np.max(np.abs(have - want)[known] / (1 + np.abs(want[known]))))
    return worst


def test_every_cascade_has_a_reference():
    """No cascade is shipped that is not compared with a formula; some have tests of their own."""
    elsewhere = {name for name in shipped("einsums") if name.startswith(("grouped/", "derived/"))} - set(
        LIBRARY
    )
    elsewhere |= {"transformer/linear", "attention", *CASES}
    assert elsewhere == set(shipped("einsums")) - set(LIBRARY)


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_values(name):
    """The outputs equal an independently written numpy formula in float64, ragged tiles included."""
    reference, given = LIBRARY[name]

    assert largest_error(name, inputs_of(name, given, seed=1), given, reference) < 1e-12


@pytest.mark.parametrize("name", ATTENTION)
@pytest.mark.parametrize(
    "given", [{"E": 5, "F": 1, "P": 1, "M": 11, "M0": 4}, {"E": 1, "F": 4, "P": 6, "M": 1, "M0": 2}]
)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_attention_for_uneven_shapes_and_large_scores(name, given, size):
    """Every cascade of einsums/attention is scaled softmax attention, for scores of about 1000 too."""
    given = given if "M0" in load_cascade(name).ranks else {k: v for k, v in given.items() if k != "M0"}
    values = inputs_of(name, given, seed=2)
    values["Q"] = values["Q"] * size

    assert largest_error(name, values, given, r.attention) < 1e-12


@pytest.mark.parametrize(
    "name", ["variants/learned-sink-online", "variants/softmax-1-online", "variants/softpick-online"]
)
def test_initial_values_are_safe_for_large_scores(name):
    """One-pass forms with other normalisers do not overflow either (scores softpick: within exp's range)."""
    reference, given = LIBRARY[name]
    values = inputs_of(name, given, seed=3)
    values["Q"] = values["Q"] * (30.0 if "softpick" in name else 1e3)

    assert largest_error(name, values, given, reference) < 1e-9


def test_linear_layer():
    """The linear layer is a matrix product."""
    random = np.random.default_rng(0)
    cascade = load_cascade("transformer/linear").batched()
    shapes = dict(zip(sorted(cascade.size_symbols()), (3, 4, 2, 5), strict=False))
    values = {
        n: random.standard_normal([shapes[k] for k in cascade.tensors[n].ranks]) for n in cascade.inputs
    }

    found = evaluate(cascade, values)["Y"]

    np.testing.assert_allclose(found, values["X"] @ values["W"], rtol=1e-12)
