"""What further mechanisms and losses compute, in numpy, from the sources.

As in ``references``: each function takes the inputs (one slice of the batch) and the sizes, and returns the outputs by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from tests.cascade.references import Array, Values, scores, softmax

Sizes = Mapping[str, int]


def cog(v: Values, n: Sizes) -> dict[str, Array]:
    """Query by query: exponentials of magnitudes with the sign of the score, over the sum of their magnitudes."""
    out = np.zeros((n["F"], n["M"]))
    for p in range(n["M"]):
        row = scores(v)[p, : p + 1]
        signed = np.sign(row) * np.exp(np.abs(row))
        out[:, p] = v["V"][:, : p + 1] @ signed / np.abs(signed).sum()
    return {"AV": out}


def _rounded(vector: Array) -> Array:
    """Return *vector* as whole numbers from -127 to 127 times its scale."""
    scale = max(abs(vector)) / 127
    return np.array([round(float(x)) for x in vector / scale]) * scale


def smoothed_keys(v: Values, n: Sizes) -> dict[str, Array]:
    """Keys less their mean, and queries, rounded token by token; then softmax attention."""
    centred = v["K"] - v["K"].mean(1, keepdims=True)
    keys = np.stack([_rounded(key) for key in centred.T], 1)
    queries = np.stack([_rounded(query) for query in v["Q"].T], 1)
    return {"AV": v["V"] @ softmax(scores({"Q": queries, "K": keys}), 1).T}


def multi_matrix(v: Values, n: Sizes) -> dict[str, Array]:
    """Head by head, with keys and values of one head."""
    keys, values = v["WK"] @ v["Y"], v["WV"] @ v["Y"]
    out = np.zeros((n["O"], n["P"]))
    for h in range(n["H"]):
        queries = v["WQ"][h] @ v["WC"] @ v["X"]
        out += v["WO"][:, h] @ values @ softmax(scores({"Q": queries, "K": keys}), 1).T
    return {"Z": out}


def hashed(v: Values, n: Sizes) -> dict[str, Array]:
    """The bucket is the largest of [xR; -xR]; a query sees the keys of its own."""
    both = np.concatenate((v["R"], -v["R"]), 1)
    own, theirs = (v["Q"].T @ both).argmax(1), (v["K"].T @ both).argmax(1)
    out = np.full((n["F"], n["P"]), np.nan)
    for p in range(n["P"]):
        seen = theirs == own[p]
        if seen.any():
            out[:, p] = v["V"][:, seen] @ softmax(scores(v)[p, seen], 0)
    return {"AV": out}


def _causal(queries: Array, keys: Array, values: Array) -> Array:
    out = np.zeros((len(values), queries.shape[1]))
    logits = scores({"Q": queries, "K": keys})
    for p in range(queries.shape[1]):
        out[:, p] = values[:, : p + 1] @ softmax(logits[p, : p + 1], 0)
    return out


def cross_layer(v: Values, n: Sizes) -> dict[str, Array]:
    """Two layers; the second asks the keys and values of the first."""
    keys, values = v["WK"] @ v["X"], v["WV"] @ v["X"]
    between = v["X"] + v["WO"] @ _causal(v["WQ"] @ v["X"], keys, values)
    return {"Z": between + v["WP"] @ _causal(v["WR"] @ between, keys, values)}


def _gelu(x: Array) -> Array:
    """GELU in its tanh form."""
    return 0.5 * x * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def expert_choice(v: Values, n: Sizes) -> dict[str, Array]:
    """Each expert takes the tokens that give it the largest shares."""
    shares = softmax(v["WG"] @ v["X"], 0)
    out = np.zeros((n["D"], n["P"]))
    for expert in range(n["N"]):
        for token in np.argsort(-shares[expert])[: n["J"]]:
            hidden = _gelu(v["W1"][expert] @ v["X"][:, token])
            out[:, token] += shares[expert, token] * (v["W2"][expert] @ hidden)
    return {"Y": out}


def label_smoothing(v: Values, n: Sizes) -> dict[str, Array]:
    """The cross-entropy of the smoothed distribution, word by word."""
    chances = softmax(v["X"].T @ v["W"], 1)
    wanted = np.full((n["N"], n["V"]), 0.1 / n["V"])
    wanted[np.arange(n["N"]), v["Y"].astype(int)] += 0.9
    return {"L": -(wanted * np.log(chances)).sum(1)}


def distillation(v: Values, n: Sizes) -> dict[str, Array]:
    """The divergence at temperature 2, times 4."""
    teacher, student = softmax(v["T"] / 2, 1), softmax(v["S"] / 2, 1)
    return {"L": 4 * (teacher * np.log(teacher / student)).sum(1)}


def preference(v: Values, n: Sizes) -> dict[str, Array]:
    """-log sigmoid of the difference of two log-ratios."""
    ratios = []
    for one in "WL":
        chances = softmax(v[f"Z{one}"], 1)[np.arange(n["T"]), v[f"Y{one}"].astype(int)]
        ratios.append(float(np.log(chances).sum() - v[f"R{one}"].sum()))
    return {"L": np.array(-np.log(1 / (1 + np.exp(-0.1 * (ratios[0] - ratios[1])))))}


def delta_product(v: Values, n: Sizes) -> dict[str, Array]:
    """The state as a matrix, moved on by the product of two Householder matrices."""
    state, out = np.zeros((n["F"], n["E"])), np.zeros((n["F"], n["T"]))
    for t in range(n["T"]):
        state = v["AL"][t] * state
        for key, value, rate in (("K", "V", "BE"), ("L", "U", "BG")):
            k = v[key][:, t]
            state = state @ (np.eye(n["E"]) - v[rate][t] * np.outer(k, k))
            state = state + v[rate][t] * np.outer(v[value][:, t], k)
        out[:, t] = state @ v["Q"][:, t]
    return {"O": out}


def statistics_pooling(v: Values, n: Sizes) -> dict[str, Array]:
    """The weighted mean, and the root of the weighted variance about it."""
    weights = softmax(np.tanh(v["X"].T @ v["W"].T + v["BI"]) @ v["U"], 0)
    mean = v["X"] @ weights
    spread = np.array([(weights * (row - m) ** 2).sum() for row, m in zip(v["X"], mean, strict=True)])
    return {"MU": mean, "SG": np.sqrt(np.maximum(spread, 1e-9))}
