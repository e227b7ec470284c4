"""What the newer variants of attention compute, as numpy formulas written from the sources and not from the cascades.

As in ``references``: each function takes the inputs (one slice of the batch) and the sizes, and returns the outputs by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.cascade.references import Array, Values, attention, scores, softmax

Sizes = Mapping[str, int]


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _causal(logits: Array, values: Array) -> Array:
    """Return [F, P] of logits [P, M] and values [F, M], query by query over the keys that it sees."""
    rows = [values[:, : p + 1] @ softmax(logits[p, : p + 1], 0) for p in range(logits.shape[0])]
    return np.array(rows).T


def forgetting(v: Values, n: Sizes) -> dict[str, Array]:
    """Add the logarithm of the product of the gates between key and query to each score."""
    gates = _sigmoid(v["GL"])
    logits = scores(v)
    for p in range(n["M"]):
        for m in range(p):
            logits[p, m] += np.log(np.prod(gates[m + 1 : p + 1]))
    return {"AV": _causal(logits, v["V"])}


def stick_breaking(v: Values, n: Sizes) -> dict[str, Array]:
    """Break the stick from the newest key on: each takes sigmoid(score) of what is left."""
    share = _sigmoid(scores(v))
    out = np.zeros((n["F"], n["M"]))
    for p in range(n["M"]):
        left = 1.0
        for m in reversed(range(p)):
            out[:, p] += left * share[p, m] * v["V"][:, m]
            left *= 1 - share[p, m]
    return {"AV": out}


def path(v: Values, n: Sizes) -> dict[str, Array]:
    """Logit = k_m^T H_{m+1} ... H_p q_p with H = I - beta w w^T, by matrix products."""
    size, length = v["K"].shape
    turn = [np.eye(size) - v["BE"][t] * np.outer(v["W"][:, t], v["W"][:, t]) for t in range(length)]
    logits = np.zeros((length, length))
    for p in range(length):
        for m in range(p + 1):
            row = v["K"][:, m]
            for matrix in turn[m + 1 : p + 1]:
                row = row @ matrix
            logits[p, m] = row @ v["Q"][:, p] / np.sqrt(size)
    return {"AV": _causal(logits, v["V"])}


def selective(v: Values, n: Sizes) -> dict[str, Array]:
    """The published steps: relu of head 0's scores, no first column, no diagonal, shifted down, summed down."""
    length = n["M"]
    heads = [scores({"Q": q, "K": k}) for q, k in zip(v["Q"], v["K"], strict=True)]
    select = np.tril(np.maximum(heads[0], 0), -1)
    select[:, 0] = 0
    masked = np.cumsum(np.vstack([np.zeros(length), select[:-1]]), axis=0)
    return {
        "AV": np.array([_causal(head - masked, values) for head, values in zip(heads, v["V"], strict=True)])
    }


def qk_norm(v: Values, n: Sizes) -> dict[str, Array]:
    """Softmax attention of queries and keys over their root mean squares, times gains."""
    q, k = (
        v[x] / np.sqrt(np.mean(v[x] ** 2, axis=0) + 1e-6) * v[gain][:, None]
        for x, gain in (("Q", "GQ"), ("K", "GK"))
    )
    return attention({"Q": q, "K": k, "V": v["V"]}, n)


def multi_token(v: Values, n: Sizes) -> dict[str, Array]:
    """Masked scores padded with zeros, cut out window by window; then softmax, heads mixed."""
    length, reach = n["M"], n["C"]
    weights = []
    for h, kernel in enumerate(v["TH"]):
        seen = np.tril(scores({"Q": v["Q"][h], "K": v["K"][h]}))
        padded = np.pad(seen, ((n["U"] - 1, 0), (reach, reach)))
        mixed = np.full((length, length), -np.inf)
        for p in range(length):
            for m in range(p + 1):
                mixed[p, m] = np.sum(kernel * padded[p : p + n["U"], m : m + 2 * reach + 1])
        weights.append(softmax(mixed, 1))
    heads = np.tensordot(v["WG"], np.array(weights), 1)
    return {"AV": np.array([values @ head.T for head, values in zip(heads, v["V"], strict=True)])}


def tensor_product(v: Values, n: Sizes) -> dict[str, Array]:
    """Outer products of the factors, token by token, then attention head by head."""

    def whole(heads: Array, features: Array) -> Array:
        tokens = [heads[:, :, t].T @ features[:, :, t] / heads.shape[0] for t in range(heads.shape[2])]
        return np.moveaxis(np.array(tokens), 0, 2)

    q, k, values = whole(v["AQ"], v["BQ"]), whole(v["AK"], v["BK"]), whole(v["AV0"], v["BV"])
    return {
        "AV": np.array([attention({"Q": q[h], "K": k[h], "V": values[h]}, n)["AV"] for h in range(n["H"])])
    }


def talking_heads(v: Values, n: Sizes) -> dict[str, Array]:
    """Logits of all heads, mixed; softmax; weights mixed; values."""
    logits = np.array([scores({"Q": q, "K": k}) for q, k in zip(v["Q"], v["K"], strict=True)])
    weights = softmax(np.tensordot(v["WL"].T, logits, 1), 2)
    mixed = np.tensordot(v["WW"].T, weights, 1)
    return {"AV": np.array([values @ head.T for head, values in zip(mixed, v["V"], strict=True)])}


def two_simplicial(v: Values, n: Sizes) -> dict[str, Array]:
    """Attention over pairs of keys, laid out as single keys and values that are products."""
    pairs = [(m, k) for m in range(n["M"]) for k in range(n["N"])]
    keys = np.array([v["K"][:, m] * v["KN"][:, k] for m, k in pairs]).T
    values = np.array([v["V"][:, m] * v["VN"][:, k] for m, k in pairs]).T
    return attention({"Q": v["Q"], "K": keys, "V": values}, n)


def power(v: Values, n: Sizes) -> dict[str, Array]:
    """Squares of scores, each times the product of the gates between key and query, normalised."""
    gates = _sigmoid(v["GL"])
    length = gates.shape[0]
    out = np.zeros((n["F"], length))
    for p in range(length):
        weights = [(v["Q"][:, p] @ v["K"][:, m]) ** 2 * np.prod(gates[m + 1 : p + 1]) for m in range(p + 1)]
        out[:, p] = v["V"][:, : p + 1] @ np.array(weights) / np.sum(weights)
    return {"AV": out}


def reversed_attention(v: Values, n: Sizes) -> dict[str, Array]:
    """A softmax over the queries for each key."""
    return {"AV": v["V"] @ softmax(scores(v), 0).T}


def calibrated(v: Values, n: Sizes) -> dict[str, Array]:
    """Weights row by row: sinks times 0.4, what is left of 1 to the others in proportion."""
    weights = softmax(scores(v), 1)
    sinks = [m for m in range(1, n["M"]) if weights[:, m].mean() > 5 / n["M"]]
    others = [m for m in range(n["M"]) if m not in sinks]
    assert sinks
    for row in weights:
        row[sinks] *= 0.4
        row[others] *= (1 - row[sinks].sum()) / row[others].sum()
    return {"AV": v["V"] @ weights.T}


def redistributed(v: Values, n: Sizes) -> dict[str, Array]:
    """Where a row looks at the image, its sinks keep 0.6 and the rest is shared by the other visual tokens."""
    sinks, visual = v["SI"] > 0, v["VI"] > 0
    weights = softmax(scores(v), 1)
    for row in weights:
        on_image, on_sinks = row[visual].sum(), row[visual & sinks].sum()
        if on_image >= 0.2 and on_sinks <= 0.5 * on_image:
            budget = 0.4 * row[sinks].sum()
            row[sinks] *= 0.6
            row[visual & ~sinks] *= 1 + budget / row[visual & ~sinks].sum()
    return {"AV": v["V"] @ weights.T}


def mixture_of_heads(v: Values, n: Sizes) -> dict[str, Array]:
    """The heads that a token takes, one after the other."""
    out = np.zeros((n["O"], n["P"]))
    for p in range(n["P"]):
        token = v["X"][:, p]
        kinds = softmax(v["WA"] @ token, 0)
        shared, routed = softmax(v["WS"] @ token, 0), softmax(v["WR"] @ token, 0)
        taken = sorted(range(n["R"]), key=lambda r: -routed[r])[: n["J"]]
        parts = [("S", s, kinds[0] * shared[s]) for s in range(n["S"])]
        parts += [("R", r, kinds[1] * routed[r]) for r in taken]
        for kind, h, weight in parts:
            one = {"Q": v[f"Q{kind}"][h][:, p : p + 1], "K": v[f"K{kind}"][h], "V": v[f"V{kind}"][h]}
            out[:, p] += weight * v[f"O{kind}"][h] @ attention(one, n)["AV"][:, 0]
    return {"Y": out}


def relative_convolutional(v: Values, n: Sizes) -> dict[str, Array]:
    """Causal convolutions channel by channel (numpy's, kernel turned round), then Transformer-XL's scores."""

    def convolved(x: Array, kernel: Array) -> Array:
        rows = [np.convolve(row, w[::-1])[: row.size] for row, w in zip(x, kernel, strict=True)]
        return np.array(rows)

    q, k, values = convolved(v["Q"], v["CQ"]), convolved(v["K"], v["CK"]), convolved(v["V"], v["CV"])
    length = n["M"]
    logits = np.zeros((length, length))
    for p in range(length):
        for m in range(p + 1):
            logits[p, m] = (q[:, p] + v["BU"]) @ k[:, m] + (q[:, p] + v["BV"]) @ v["RE"][:, p - m]
    return {"AV": _causal(logits / np.sqrt(n["E"]), values)}


def position_invariant(v: Values, n: Sizes) -> dict[str, Array]:
    """Segments laid out anew for each query, the most important last; all turned to their places; attention."""
    segments, length = n["N"], n["L"]
    out = np.zeros((n["F"], n["P"]))

    def turned(x: Array, place: int) -> Array:
        """Return the pairs [2, E] as complex numbers, turned."""
        return (x[0] + 1j * x[1]) * np.exp(1j * place * v["TH"])

    width = np.sqrt(2 * n["E"])
    for p in range(n["P"]):
        query = v["Q"][:, :, p]
        plain = np.einsum("ce,cenl->nl", query, v["K"]) / width
        mean = softmax(plain.ravel(), 0).reshape(plain.shape).mean(1)
        order = sorted(range(segments), key=lambda s: mean[s])
        keys = [
            turned(v["K"][:, :, s, k], at * length + k) for at, s in enumerate(order) for k in range(length)
        ]
        values = [v["V"][:, s, k] for s in order for k in range(length)]
        here = turned(query, segments * length + p)
        logits = np.array([np.real(np.vdot(here, key)) for key in keys]) / width
        out[:, p] = np.array(values).T @ softmax(logits, 0)
    return {"AV": out}


def sinkhorn(v: Values, n: Sizes) -> dict[str, Array]:
    """Divide the matrix of exponentials by its sums over keys, then over queries, again and again."""
    plan = np.exp(scores(v))
    for _ in range(n["T"]):
        plan = plan / plan.sum(1, keepdims=True)
        plan = plan / plan.sum(0, keepdims=True) * n["P"] / n["M"]
    return {"AV": v["V"] @ plan.T}
