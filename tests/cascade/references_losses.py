"""What losses and the gradients of norms compute, in numpy, from the sources.

As in ``references``: each function takes the inputs (one slice of the batch) and the sizes, and returns the outputs by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.cascade.references import Array, Values, softmax

Sizes = Mapping[str, int]


def focal(v: Values, n: Sizes) -> dict[str, Array]:
    """Minus (1 - p)^2 log p of each token's class."""
    p = np.array([softmax(v["Z"][:, t], 0)[int(v["Y"][t])] for t in range(n["N"])])
    return {"L": np.array(-((1 - p) ** 2 * np.log(p)).sum())}


def poly(v: Values, n: Sizes) -> dict[str, Array]:
    """Cross-entropy with shares of classes, and twice what their probability lacks."""
    p = softmax(v["Z"], 0)
    return {"L": 2 - (v["T"] * (np.log(p) + 2 * p)).sum(0)}


def group_relative(v: Values, n: Sizes) -> dict[str, Array]:
    """Answer by answer, token by token; the estimate of the divergence is Schulman's third."""
    total = 0.0
    for g in range(n["G"]):
        advantage = (v["R"][g] - np.mean(v["R"])) / (np.std(v["R"]) + 1e-4)
        for t in range(n["T"]):
            ratio = np.exp(v["LP"][g, t] - v["LO"][g, t])
            gain = min(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
            away = v["LR"][g, t] - v["LP"][g, t]
            total += gain - 0.04 * (np.exp(away) - away - 1)
    return {"L": np.array(-total / (n["G"] * n["T"]))}


def siglip(v: Values, n: Sizes) -> dict[str, Array]:
    """Minus the log-sigmoid of each pair's logit, with the sign of whether they belong together."""
    x, y = (v[name] / np.linalg.norm(v[name], axis=0) for name in "XY")
    signs = 2 * np.eye(n["M"]) - 1
    return {"L": np.array(-np.log(1 / (1 + np.exp(-signs * (10 * x.T @ y - 10)))).sum() / n["M"])}


def supervised_contrastive(v: Values, n: Sizes) -> dict[str, Array]:
    """For each anchor the mean over its positives of the log-softmax among all others."""
    logits, total = v["X"].T @ v["X"] / 0.1, 0.0
    for i in range(n["N"]):
        others = [j for j in range(n["N"]) if j != i]
        log_p = dict(zip(others, np.log(softmax(logits[i, others], 0)), strict=True))
        total -= np.mean([log_p[j] for j in others if v["Y"][j] == v["Y"][i]])
    return {"L": np.array(total / n["N"])}


def barlow_twins(v: Values, n: Sizes) -> dict[str, Array]:
    """The matrix of correlations of features against the identity."""
    of_both = np.corrcoef(v["X"], v["Y"])[: n["D"], n["D"] :]
    weights = np.where(np.eye(n["D"]) > 0, 1.0, 0.005)
    return {"L": np.array((weights * (of_both - np.eye(n["D"])) ** 2).sum())}


def batch_norm_backward(v: Values, n: Sizes) -> dict[str, Array]:
    """Gradients by differences of the forward pass."""

    def loss(x: Array, gain: Array) -> float:
        normal = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
        return float((normal * gain * v["DY"]).sum())

    dx, dg, step = np.zeros_like(v["X"]), np.zeros_like(v["G"]), 1e-5
    for at in np.ndindex(*dx.shape):
        move = np.zeros_like(dx)
        move[at] = step
        dx[at] = (loss(v["X"] + move, v["G"]) - loss(v["X"] - move, v["G"])) / (2 * step)
    for c in range(n["C"]):
        dg[c] = loss(v["X"], np.eye(n["C"])[c])
    return {"DX": dx, "DG": dg, "DB": v["DY"].sum(0)}


def group_norm(v: Values, n: Sizes) -> dict[str, Array]:
    """Group by group: less its mean, over its deviation, with a gain and a bias for each channel."""
    out = np.zeros((n["G"], n["C0"], n["N"]))
    for g in range(n["G"]):
        of_group = slice(g * n["C0"], (g + 1) * n["C0"])
        x = v["X"][of_group]
        normal = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
        out[g] = normal * v["GA"][of_group, None] + v["BE"][of_group, None]
    return {"Y": out}


def softmax_backward(v: Values, n: Sizes) -> dict[str, Array]:
    """The Jacobian of each column's softmax, times the gradient."""
    columns = zip(v["A"].T, v["DA"].T, strict=True)
    return {"DX": np.stack([(np.diag(a) - np.outer(a, a)) @ d for a, d in columns], 1)}


def sparsemax(v: Values, n: Sizes) -> dict[str, Array]:
    """The threshold from sorted scores: as many of the largest as stay above it."""
    out = np.zeros((n["F"], n["P"]))
    for p in range(n["P"]):
        falling = np.sort(v["Z"][:, p])[::-1]
        means = (np.cumsum(falling) - 1) / np.arange(1, n["M"] + 1)
        threshold = means[np.flatnonzero(falling > means)[-1]]
        out[:, p] = v["V"] @ np.maximum(v["Z"][:, p] - threshold, 0)
    return {"AV": out}
