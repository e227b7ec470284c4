"""The cascades of grouped heads against attention and its gradients from their formulas, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from fusemax.cascade.build import load_cascade
from fusemax.cascade.evaluate import evaluate

SIZES = {"B": 2, "H": 2, "R": 3, "E": 5, "F": 4}
SHAPES = [(7, 7), (8, 8), (3, 10)]


def inputs_of(P: int, M: int) -> dict[str, np.ndarray]:
    """Random inputs, the same for the same shape."""
    rng = np.random.default_rng([P, M])
    b, g, r, e, f = SIZES.values()
    shapes = {"Q": (b, g, r, e, P), "K": (b, g, e, M), "V": (b, g, f, M)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def seen(P: int, M: int, mask: str) -> np.ndarray:
    """Which key (row) each query (column) sees; the last query sees the last key."""
    m, p = np.arange(M)[:, None], np.arange(P)[None, :] + M - P
    return {"all": m >= 0 * p, "causal": m <= p, "window": (m <= p) & (m > p - 3)}[mask]


def probabilities(x: dict[str, np.ndarray], mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Attention weights [b,g,r,m,p] and the log-sum-exp of the scores [b,g,r,p]."""
    scores = np.einsum("bgrep,bgem->bgrmp", x["Q"], x["K"]) / np.sqrt(SIZES["E"])
    weights = np.where(mask, np.exp(scores), 0.0)
    return weights / weights.sum(axis=-2, keepdims=True), np.log(weights.sum(axis=-2))


@pytest.mark.parametrize(("P", "M"), SHAPES)
@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("attention", "all"),
        ("grouped/split-k", "all"),
        ("grouped/causal", "causal"),
        ("grouped/window", "window"),
        ("grouped/window-compared", "window"),
    ],
)
def test_forward(name: str, mask: str, P: int, M: int) -> None:
    """The output is softmax(QK)V over the keys that the mask leaves, also for ragged tiles."""
    x = inputs_of(P, M)
    weights, _ = probabilities(x, seen(P, M, mask))
    sizes = {"M0": 4} | ({"W": 3} if mask == "window" else {})
    expected = np.einsum("bgrmp,bgfm->bgrfp", weights, x["V"])
    np.testing.assert_allclose(evaluate(load_cascade(name), x, sizes)["AV"], expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("P", "M"), SHAPES)
@pytest.mark.parametrize(
    ("name", "mask"),
    [("backward", "all"), ("backward-causal", "causal"), ("backward-window", "window")],
)
def test_backward(name: str, mask: str, P: int, M: int) -> None:
    """The gradients are those of sum(O*dO) by central differences."""
    x = inputs_of(P, M)
    kept = seen(P, M, mask)
    weights, logsumexp = probabilities(x, kept)
    out = np.einsum("bgrmp,bgfm->bgrfp", weights, x["V"])
    gradient = np.random.default_rng(1).normal(size=out.shape)
    got = evaluate(
        load_cascade(f"grouped/{name}"), {**x, "O": out, "DO": gradient, "L": logsumexp},
        {"W": 3} if mask == "window" else {},
    )  # fmt: skip

    def loss(changed: dict[str, np.ndarray]) -> float:
        w, _ = probabilities(changed, kept)
        return float((np.einsum("bgrmp,bgfm->bgrfp", w, changed["V"]) * gradient).sum())

    rng = np.random.default_rng(2)
    for tensor in "QKV":
        direction = rng.normal(size=x[tensor].shape)
        step = 1e-5
        moved = [loss({**x, tensor: x[tensor] + s * step * direction}) for s in (1, -1)]
        slope = (moved[0] - moved[1]) / (2 * step)
        assert slope == pytest.approx(float((got["D" + tensor] * direction).sum()), rel=1e-6, abs=1e-8)
