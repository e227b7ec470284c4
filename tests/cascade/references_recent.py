"""What mechanisms of the last years compute, and some that everybody uses, in numpy, from the sources.

As in ``references``: each function takes the inputs (one slice of the batch) and the sizes, and returns the outputs by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.cascade.references import Array, Values, scores, softmax
from tests.cascade.references_blocks import in_chunks
from tests.cascade.references_variants import path

Sizes = Mapping[str, int]


def scalable(v: Values, n: Sizes) -> dict[str, Array]:
    """Each query's scores times S and the logarithm of how many keys it sees."""
    logits = scores(v)
    out = np.zeros((n["F"], n["M"]))
    for p in range(n["M"]):
        weights = softmax(float(v["S"]) * np.log(p + 1) * logits[p, : p + 1], 0)
        out[:, p] = v["V"][:, : p + 1] @ weights
    return {"AV": out}


def cosine(v: Values, n: Sizes) -> dict[str, Array]:
    """The angle between query and key, over a temperature that is not too small, plus a bias."""
    out = np.zeros((n["F"], n["P"]))
    for p in range(n["P"]):
        q = v["Q"][:, p]
        angles = [q @ k / np.linalg.norm(q) / np.linalg.norm(k) for k in v["K"].T]
        out[:, p] = v["V"] @ softmax(np.array(angles) / max(float(v["TA"]), 0.01) + v["BI"][:, p], 0)
    return {"AV": out}


def entmax(v: Values, n: Sizes) -> dict[str, Array]:
    """1.5-entmax in closed form: the threshold of the largest set of sorted scores that it leaves above itself."""
    rows = scores(v) / 2
    out = np.zeros((n["F"], n["P"]))
    for p, row in enumerate(rows):
        falling = np.sort(row)[::-1]
        for count in range(n["M"], 0, -1):
            mean, square = falling[:count].mean(), (falling[:count] ** 2).mean()
            rest = mean**2 - square + 1 / count
            threshold = mean - np.sqrt(max(rest, 0))
            if rest >= 0 and threshold <= falling[count - 1]:
                break
        out[:, p] = v["V"] @ np.maximum(row - threshold, 0) ** 2
    return {"AV": out}


def path_in_blocks(v: Values, n: Sizes) -> dict[str, Array]:
    """PaTH by products of its matrices, key by key; the result in blocks."""
    return {"AV": in_chunks(path(v, n)["AV"], n)}


def rwkv_6(v: Values, n: Sizes) -> dict[str, Array]:
    """Every pair of tokens: the product of the decays between them; a bonus for the token itself."""
    decay = np.exp(-np.exp(v["W"]))
    out = np.zeros((n["F"], n["T"]))
    for t in range(n["T"]):
        for s in range(t):
            weight = v["K"][:, s] * np.prod(decay[:, s + 1 : t], axis=1)
            out[:, t] += (v["R"][:, t] @ weight) * v["V"][:, s]
        out[:, t] += (v["R"][:, t] @ (v["U"] * v["K"][:, t])) * v["V"][:, t]
    return {"O": out}


def learning_at_test_time(v: Values, n: Sizes) -> dict[str, Array]:
    """The gradient of each token's loss by differences, one step down it, then the model's answer to the query."""
    weights = v["W0"].copy()
    out = np.zeros(v["V"].shape)

    def model(matrix: Array, x: Array) -> Array:
        z = matrix @ x
        away = z - z.mean()
        return x + away / np.sqrt((away**2).mean() + 1e-6) * v["GA"] + v["BE"]

    for t in range(n["T"]):
        k, value = v["K"][:, t], v["V"][:, t]
        slope = np.zeros_like(weights)
        for at in np.ndindex(*weights.shape):
            step = np.zeros_like(weights, dtype=complex)
            step[at] = 1e-30j  # by the complex step, exact to rounding
            slope[at] = np.sum((model(weights + step, k) - value) ** 2).imag / 1e-30
        weights -= v["ET"][t] * slope
        out[:, t] = model(weights, v["Q"][:, t])
    return {"O": out}


def gated_slots(v: Values, n: Sizes) -> dict[str, Array]:
    """Slots are means of all tokens so far, each by its own forgetting."""
    out = np.zeros((n["F"], n["T"]))
    for t in range(n["T"]):
        share = np.zeros((n["N"], t + 1))
        for s in range(t + 1):
            share[:, s] = (1 - v["AL"][:, s]) * np.prod(v["AL"][:, s + 1 : t + 1], axis=1)
        keys, values = v["K"][:, : t + 1] @ share.T, v["V"][:, : t + 1] @ share.T
        out[:, t] = values @ softmax(v["Q"][:, t] @ keys, 0)
    return {"O": out}


def global_window(v: Values, n: Sizes) -> dict[str, Array]:
    """A list of keys for each query, and a softmax over those."""
    logits = scores(v)
    out = np.zeros((n["F"], n["M"]))
    for p in range(n["M"]):
        near = set(range(max(0, p - n["W"]), min(n["M"], p + n["W"] + 1)))
        seen = near | set(range(n["G"])) | {int(key) for key in v["TR"][p]}
        keys = sorted(set(range(n["M"])) if p < n["G"] else seen)
        out[:, p] = v["V"][:, keys] @ softmax(logits[p, keys], 0)
    return {"AV": out}


def slots(v: Values, n: Sizes) -> dict[str, Array]:
    """Each input divides itself among the slots; a slot is the mean of what it got."""
    logits = v["K"].T @ v["SL"] / np.sqrt(n["D"])
    shares = np.array([softmax(row, 0) for row in logits]) + 1e-8
    return {"U": v["V"] @ (shares / shares.sum(axis=0))}
