"""What every cascade of the library computes, as numpy formulas written from the sources and not from the cascades.

Each function takes the inputs (one slice of the batch) and the sizes, and returns the outputs by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Array = np.ndarray
Values = Mapping[str, Array]
Reference = Callable[[Values, Mapping[str, int]], dict[str, Array]]


def softmax(x: Array, axis: int) -> Array:
    """Return the softmax along *axis*."""
    shifted = np.exp(x - x.max(axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)


def scores(v: Values) -> Array:
    """Return the scaled scores [P, M]."""
    return v["Q"].T @ v["K"] / np.sqrt(v["Q"].shape[0])


def _attend(weights: Array, values: Array) -> dict[str, Array]:
    """Return the output [F, P] of weights [P, M] and values [F, M]."""
    return {"AV": values @ weights.T}


def attention(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Scaled softmax attention."""
    return _attend(softmax(scores(v), 1), v["V"])


def causal(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Scaled softmax attention in which query p sees keys 0 to p."""
    out = np.empty((v["V"].shape[0], v["Q"].shape[1]))
    for p in range(out.shape[1]):
        seen = slice(0, p + 1)
        out[:, p] = v["V"][:, seen] @ softmax(scores(v)[p, seen], 0)
    return {"AV": out}


def masked(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Scaled softmax attention under a mask; zeros where nothing is seen."""
    out = np.zeros((v["V"].shape[0], v["Q"].shape[1]))
    for p in range(out.shape[1]):
        seen = v["MASK"][:, p] > 0
        if seen.any():
            out[:, p] = v["V"][:, seen] @ softmax(scores(v)[p, seen], 0)
    return {"AV": out}


def softmax_alone(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """The softmax over m."""
    return {"A": softmax(v["I"], 0)}


def log_sum_exp(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """log(sum(exp(x)))."""
    return {"L": np.logaddexp.reduce(v["I"], axis=0)}


def paper(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Dot product, then a scaled sum."""
    return {"Z": np.dot(v["A"], v["B"]) * v["A"].sum()}


def linear_layer(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Rows times weights, with the axes in any order that the inputs have."""
    return {"Y": v["X"] @ v["W"]}


def sigmoid(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Sigmoid attention with bias -log(M)."""
    return _attend(1 / (1 + np.exp(-(scores(v) - np.log(n["M"])))), v["V"])


def softmax_1(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """exp(x) / (1 + sum(exp(x))), as a softmax with one more key of score 0 and value 0."""
    return with_sink({**v, "SK": np.zeros(v["Q"].shape[1])}, n)


def with_sink(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """A softmax over the keys and one sink whose value is 0."""
    extended = np.concatenate([scores(v), v["SK"][:, None]], axis=1)
    return _attend(softmax(extended, 1)[:, :-1], v["V"])


def softpick(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """relu(exp(x) - 1) / (sum |exp(x) - 1| + eps)."""
    raised = np.expm1(scores(v))
    weights = np.maximum(raised, 0) / (np.abs(raised).sum(1, keepdims=True) + 1e-6)
    return _attend(weights, v["V"])


def additive(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Softmax of v . tanh(k + q)."""
    s = np.einsum("a,amp->pm", v["VA"], np.tanh(v["KA"][:, :, None] + v["QA"][:, None, :]))
    return _attend(softmax(s, 1), v["V"])


def alibi(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Causal softmax of scores less slope times distance."""
    p, m = np.ogrid[: n["P"], : n["M"]]
    biased = np.where(m <= p, scores(v) - v["SL"] * (p - m), -np.inf)
    return _attend(softmax(biased, 1), v["V"])


def soft_cap(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Softmax of 50 tanh(x / 50)."""
    return _attend(softmax(50 * np.tanh(scores(v) / 50), 1), v["V"])


def differential(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """One attention less 0.8 times another."""
    one = attention({"Q": v["Q1"], "K": v["K1"], "V": v["V"]}, n)["AV"]
    other = attention({"Q": v["Q2"], "K": v["K2"], "V": v["V"]}, n)["AV"]
    return {"AV": one - 0.8 * other}


def grouped_query(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Attention for each query head with its group's keys and values."""
    heads = [
        [attention({"Q": q, "K": v["K"][g], "V": v["V"][g]}, n)["AV"] for q in group]
        for g, group in enumerate(v["Q"])
    ]
    return {"AV": np.array(heads)}


def multi_query(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Attention for each query head with the same keys and values."""
    return {"AV": np.array([attention({"Q": q, "K": v["K"], "V": v["V"]}, n)["AV"] for q in v["Q"]])}


def latent(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Multi-head latent attention, not absorbed: keys and values are expanded from the latent."""
    out = []
    for head in range(v["Q"].shape[0]):
        keys = np.concatenate([v["WQ"][head].T @ v["CL"], v["KR"]])
        queries = np.concatenate([v["Q"][head], v["QR"][head]])
        out.append(attention({"Q": queries, "K": keys, "V": v["WV"][head] @ v["CL"]}, n)["AV"])
    return {"AV": np.array(out)}


def agent(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Agents attend to the keys, queries to the agents."""
    gathered = attention({"Q": v["G"], "K": v["K"], "V": v["V"]}, n)["AV"]
    return attention({"Q": v["Q"], "K": v["G"], "V": gathered}, n)


def agent_pooled(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """The same with agents that are means of W consecutive queries."""
    pooled = v["Q"].reshape(v["Q"].shape[0], -1, n["W"]).mean(2)
    return agent({**v, "G": pooled}, n)


def landmark(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """A softmax in each block, weighted by a softmax over the landmarks of the blocks."""
    gates = softmax(v["Q"].T @ v["KL"] / np.sqrt(n["E"]), 1)
    out = np.zeros((n["F"], n["P"]))
    for block in range(v["KL"].shape[1]):
        keys = slice(block * n["M0"], (block + 1) * n["M0"])
        inside = softmax(scores(v)[:, keys], 1)
        out += gates[:, block] * (v["V"][:, keys] @ inside.T)
    return {"AV": out}


def _windows(v: Values, n: Mapping[str, int], stride: int) -> dict[str, Array]:
    out = np.empty((v["V"].shape[0], v["Q"].shape[1]))
    for p in range(out.shape[1]):
        keys = p + stride * np.arange(n["W"])
        out[:, p] = v["V"][:, keys] @ softmax(v["K"][:, keys].T @ v["Q"][:, p] / np.sqrt(n["E"]), 0)
    return {"AV": out}


def neighbourhood(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Query p sees the padded keys p to p+W-1."""
    return _windows(v, n, 1)


def dilated(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Query p sees every DI-th padded key."""
    return _windows(v, n, n["DI"])


def neighbourhood_2d(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Query (x, y) sees a window of padded keys."""
    out = np.empty((n["F"], n["X"], n["Y"]))
    for x in range(n["X"]):
        for y in range(n["Y"]):
            keys = v["K"][:, x : x + n["U"], y : y + n["W"]].reshape(n["E"], -1)
            values = v["V"][:, x : x + n["U"], y : y + n["W"]].reshape(n["F"], -1)
            out[:, x, y] = values @ softmax(keys.T @ v["Q"][:, x, y] / np.sqrt(n["E"]), 0)
    return {"AV": out}


def sliding_window(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Query p sees the last W keys up to its own."""
    out = np.empty((v["V"].shape[0], v["Q"].shape[1]))
    for p in range(out.shape[1]):
        keys = slice(max(0, p - n["W"] + 1), p + 1)
        out[:, p] = v["V"][:, keys] @ softmax(scores(v)[p, keys], 0)
    return {"AV": out}


def window_sinks(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Query p sees the sinks and a window of padded keys."""
    out = np.empty((n["F"], n["P"]))
    for p in range(n["P"]):
        keys = np.concatenate([v["KS"], v["K"][:, p : p + n["W"]]], axis=1)
        values = np.concatenate([v["VS"], v["V"][:, p : p + n["W"]]], axis=1)
        out[:, p] = values @ softmax(keys.T @ v["Q"][:, p] / np.sqrt(n["E"]), 0)
    return {"AV": out}


def block_sparse(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Query p sees the blocks of its row of the table."""
    out = np.empty((n["F"], n["P"]))
    for p in range(n["P"]):
        keys = np.concatenate([np.arange(n["M0"]) + int(block) * n["M0"] for block in v["T"][p]])
        out[:, p] = v["V"][:, keys] @ softmax(scores(v)[p, keys], 0)
    return {"AV": out}


def routed(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Query p sees the J blocks whose mean key has the largest product with it."""
    means = v["K"].reshape(n["E"], -1, n["M0"]).mean(2)
    best = np.argsort(-(v["Q"].T @ means), axis=1)[:, : n["J"]]
    return block_sparse({**v, "T": best}, n)


def top_k(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Query p sees the J keys of largest score."""
    best = np.argsort(-scores(v), axis=1)[:, : n["J"]]
    out = np.empty((n["F"], n["P"]))
    for p in range(n["P"]):
        out[:, p] = v["V"][:, best[p]] @ softmax(scores(v)[p, best[p]], 0)
    return {"AV": out}


def dual(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Attention inside windows of W tokens, then attention between channels over all tokens."""
    windows = [
        attention({name: v[name][:, at : at + n["W"]] for name in "QKV"}, n)["AV"]
        for at in range(0, v["Q"].shape[1], n["W"])
    ]
    tokens = np.concatenate(windows, axis=1)
    q, k, values = v["WQ"] @ tokens, v["WK"] @ tokens, v["WV"] @ tokens
    out = softmax(q @ k.T / np.sqrt(tokens.shape[1]), 1) @ values
    return {"AV": out.reshape(out.shape[0], -1, n["W"])}


def _phi(x: Array) -> Array:
    return np.where(x > 0, x + 1, np.exp(x))


def linear_attention(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """phi(q) . phi(k) as weights, by the matrix of all pairs."""
    weights = _phi(v["Q"]).T @ _phi(v["K"])
    return _attend(weights / weights.sum(1, keepdims=True), v["V"])


def linear_one_sequence(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """The same with projections of one sequence."""
    return linear_attention({name: v[f"W{name}"] @ v["X"] for name in "QKV"}, n)


def linear_causal(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """The same with the lower triangle of the matrix of all pairs."""
    weights = np.tril(_phi(v["Q"]).T @ _phi(v["K"]))
    return _attend(weights / weights.sum(1, keepdims=True), v["V"])


def lightning(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Sum over j <= i of 0.9**(i-j) (q_i . k_j) v_j, cut into blocks."""
    length = v["Q"].shape[1]
    i, j = np.ogrid[:length, :length]
    decay = np.where(j <= i, 0.9 ** np.maximum(i - j, 0), 0.0)
    out = v["V"] @ ((v["Q"].T @ v["K"]) * decay).T
    blocks = -(-length // n["I0"])
    padded = np.full((out.shape[0], blocks * n["I0"]), np.nan)
    padded[:, :length] = out
    return {"AV": padded.reshape(out.shape[0], blocks, n["I0"])}


def mamba(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """The selective scan, one step after the other."""
    x = v["X"]
    state = np.zeros(v["A"].shape)
    out = np.empty(x.shape)
    for t in range(x.shape[1]):
        step = np.log1p(np.exp(v["WD"] @ x[:, t]))
        state = np.exp(step[:, None] * v["A"]) * state + np.outer(step * x[:, t], v["WB"] @ x[:, t])
        out[:, t] = state @ (v["WC"] @ x[:, t]) + v["DS"] * x[:, t]
    return {"Y": out}


def gated_delta(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """S = a S (I - b k k^T) + b v k^T, one step after the other (equation 10 of the paper)."""
    size, length = v["K"].shape
    state = np.zeros((v["V"].shape[0], size))
    out = np.empty(v["V"].shape)
    for t in range(length):
        k, b = v["K"][:, t], v["BE"][t]
        state = v["AL"][t] * state @ (np.eye(size) - b * np.outer(k, k)) + b * np.outer(v["V"][:, t], k)
        out[:, t] = state @ v["Q"][:, t]
    return {"O": out}


def titans(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Gradient steps on |M k - v|^2 / 2 with momentum 0.9, rate 0.1 and forgetting 0.05."""
    memory = np.zeros((v["V"].shape[0], v["K"].shape[0]))
    surprise = np.zeros_like(memory)
    out = np.empty(v["V"].shape)
    for t in range(v["K"].shape[1]):
        gradient = np.outer(memory @ v["K"][:, t] - v["V"][:, t], v["K"][:, t])
        surprise = 0.9 * surprise - 0.1 * gradient
        memory = 0.95 * memory + surprise
        out[:, t] = memory @ v["Q"][:, t]
    return {"O": out}


def _normal(x: Array) -> Array:
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)


def layer_norm(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """LayerNorm over d."""
    return {"Y": _normal(v["X"]) * v["GA"][:, None] + v["BI"][:, None]}


def layer_norm_linear(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """LayerNorm over d, then a linear layer."""
    return {"Y": v["W"] @ (_normal(v["X"]) * v["GA"][:, None])}


def rms_norm(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """RMSNorm over d."""
    return {"Y": v["X"] / np.sqrt((v["X"] ** 2).mean(0) + 1e-5) * v["GA"][:, None]}


def rms_norm_linear(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """RMSNorm over d, then a linear layer."""
    return {"Y": v["W"] @ rms_norm(v, n)["Y"]}


def attention_layer_norm(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Attention, then LayerNorm over its output without gain and bias."""
    return {"Y": _normal(attention(v, n)["AV"])}


def backward(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Gradients of attention through the Jacobian of each row's softmax."""
    weights = softmax(scores(v), 1)
    to_weights = v["DO"].T @ v["V"]
    to_scores = np.empty_like(weights)
    for p, row in enumerate(weights):
        to_scores[p] = (np.diag(row) - np.outer(row, row)) @ to_weights[p]
    scale = 1 / np.sqrt(v["Q"].shape[0])
    return {
        "DQ": v["K"] @ to_scores.T * scale,
        "DK": v["Q"] @ to_scores * scale,
        "DV": v["DO"] @ weights,
    }


def _self_attention(v: Values, seen: Array) -> dict[str, Array]:
    q, k, values = (v[f"W{name}"] @ v["X"] for name in "QKV")
    s = q.T @ k / np.sqrt(q.shape[0]) - np.log(v["X"].shape[1])
    return {"Y": values @ (seen / (1 + np.exp(-s))).T + v["X"]}


def self_attention(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Sigmoid self-attention with a residual."""
    return _self_attention(v, np.ones((v["X"].shape[1],) * 2))


def self_attention_causal(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """The same, each position seeing those before it and itself."""
    return _self_attention(v, np.tril(np.ones((v["X"].shape[1],) * 2)))


def _gelu(x: Array) -> Array:
    cubic = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    return x / 2 * (1 + np.tanh(cubic))


def focal(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Query times a mix of local context (a depth-wise convolution) and global context (its mean)."""
    local = np.array(
        [
            [_gelu(kernel @ row[p : p + n["W"]]) for p in range(n["P"])]
            for kernel, row in zip(v["KW"], v["Z0"], strict=True)
        ]
    )
    context = local * v["GA"] + _gelu(local.mean(1))[:, None] * v["GB"]
    return {"Y": v["Q"] * (v["WH"] @ context)}


def grouped_linear(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """A product of its own for each group."""
    return {"Y": np.array([x @ w for x, w in zip(v["X"], v["W"], strict=True)])}


def linear(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """A matrix product."""
    return {"Y": v["X"] @ v["W"]}


def latent_cache(v: Values, n: Mapping[str, int]) -> dict[str, Array]:
    """Softmax attention of queries that are a latent part above a rotary part, to a latent cache that is key and value."""
    keys = np.concatenate([v["C"], v["KR"]])
    queries = np.concatenate([v["QC"], v["QR"]], axis=1)
    weights = [softmax(head.T @ keys, 1) for head in queries]
    return {"AV": np.array([v["C"] @ row.T for row in weights])}
