"""What the recurrent mechanisms, their forms in chunks, and whole layers compute, in numpy, from the sources.

As in ``references``: each function takes the inputs (one slice of the batch) and the sizes, and returns the outputs by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.cascade.references import Array, Values, attention, softmax

Sizes = Mapping[str, int]


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _silu(x: Array) -> Array:
    return x * _sigmoid(x)


def in_chunks(out: Array, sizes: Sizes) -> Array:
    """Return [F, T] as [F, I1, I0], with nothing known of the places beyond the end."""
    chunks = -(-out.shape[1] // sizes["I0"])
    padded = np.full((out.shape[0], chunks * sizes["I0"]), np.nan)
    padded[:, : out.shape[1]] = out
    return padded.reshape(out.shape[0], chunks, sizes["I0"])


def gated_linear(v: Values, n: Sizes) -> dict[str, Array]:
    """Sum over earlier tokens of (q . k times all gates between, feature by feature) v."""
    length = v["Q"].shape[1]
    out = np.zeros((v["V"].shape[0], length))
    for p in range(length):
        for m in range(p + 1):
            decay = np.exp(v["LG"][:, m + 1 : p + 1].sum(1))
            out[:, p] += np.sum(v["Q"][:, p] * decay * v["K"][:, m]) * v["V"][:, m]
    return {"AV": in_chunks(out, n) if "I0" in n else out}


def _fenwick(position: int, key: int) -> int:
    """Return the level of *key* for the query at *position*: blocks are taken off the front, the largest power of 2 first."""
    if key == position:
        return 0
    bit = position.bit_length() - 1
    return bit + 1 if key < 2**bit else _fenwick(position - 2**bit, key - 2**bit)


def log_linear(v: Values, n: Sizes) -> dict[str, Array]:
    """Scores times the decay between key and query, times the weight of the key's level."""
    out = np.zeros((n["F"], n["M"]))
    for p in range(n["M"]):
        for m in range(p + 1):
            decay = np.exp(v["LG"][m + 1 : p + 1].sum())
            out[:, p] += v["Q"][:, p] @ v["K"][:, m] * decay * v["WL"][_fenwick(p, m), p] * v["V"][:, m]
    return {"AV": out}


def mamba_2(v: Values, n: Sizes) -> dict[str, Array]:
    """The matrix of the state-space model: C_p . B_m times the decay between, times step and input."""
    step = np.log1p(np.exp(v["DT"]))
    out = np.zeros(v["X"].shape)
    for p in range(step.size):
        for m in range(p + 1):
            decay = np.exp(v["A"] * step[m + 1 : p + 1].sum())
            out[:, p] += v["CX"][:, p] @ v["BX"][:, m] * decay * step[m] * v["X"][:, m]
    return {"Y": in_chunks(out, n) if "I0" in n else out}


def rwkv_7(v: Values, n: Sizes) -> dict[str, Array]:
    """S = S (diag(w) - kh^T (a * kh)) + v^T k by matrices, one step after the other."""
    state = np.zeros((v["V"].shape[0], v["K"].shape[0]))
    out = np.zeros(v["V"].shape)
    for t in range(v["V"].shape[1]):
        removal = np.outer(v["KH"][:, t], v["A"][:, t] * v["KH"][:, t])
        state = state @ (np.diag(np.exp(v["LW"][:, t])) - removal) + np.outer(v["V"][:, t], v["K"][:, t])
        out[:, t] = state @ v["R"][:, t]
    return {"O": in_chunks(out, n) if "I0" in n else out}


def _turned(x: Array, base: float = 10000.0) -> Array:
    """Turn the pairs [2, A, M] by position times frequency, as complex numbers."""
    count, length = x.shape[1:]
    angle = np.outer(base ** (-np.arange(count) / count), np.arange(length))
    whole = (x[0] + 1j * x[1]) * np.exp(1j * angle)
    return np.array([whole.real, whole.imag])


def rotary(v: Values, n: Sizes) -> dict[str, Array]:
    """Rotation in the plane of each pair."""
    heads = np.array([_turned(head.reshape(2, n["A"], -1)) for head in v["X"]])
    return {"YL": heads[:, 0], "YH": heads[:, 1]}


def swiglu(v: Values, n: Sizes) -> dict[str, Array]:
    """(silu(x G) * x U) D."""
    return {"Y": (_silu(v["X"] @ v["WG"]) * (v["X"] @ v["WU"])) @ v["WD"]}


def geglu(v: Values, n: Sizes) -> dict[str, Array]:
    """(gelu(x G) * x U) D, with the GELU in its tanh form."""
    gate = v["X"] @ v["WG"]
    gelu = 0.5 * gate * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
    return {"Y": (gelu * (v["X"] @ v["WU"])) @ v["WD"]}


def experts(v: Values, n: Sizes) -> dict[str, Array]:
    """Token by token: the shared experts, and the J of largest share, their shares made to add up to 1."""
    out = v["X"].copy()
    for p in range(n["P"]):
        x = v["X"][:, p]
        shares = softmax(v["WR"] @ x, 0)
        best = sorted(range(n["N"]), key=lambda one: -shares[one])[: n["J"]]
        for one in best:
            inner = _silu(v["WG"][one] @ x) * (v["WU"][one] @ x)
            out[:, p] += shares[one] / shares[best].sum() * v["WD"][one] @ inner
        for shared in range(n["S"]):
            out[:, p] += v["VD"][shared] @ (_silu(v["VG"][shared] @ x) * (v["VU"][shared] @ x))
    return {"Y": out}


def logits(v: Values, n: Sizes) -> dict[str, Array]:
    """RMSNorm of each row, times the vocabulary."""
    x = v["X"] / np.sqrt(np.mean(v["X"] ** 2, axis=1, keepdims=True) + 1e-5)
    return {"L": (x * v["GA"]) @ v["W"]}


def _attend_causally(q: Array, k: Array, values: Array) -> Array:
    """Return the output [F, P] of one head, query by query."""
    rows = [
        attention({"Q": q[:, p : p + 1], "K": k[:, : p + 1], "V": values[:, : p + 1]}, {})["AV"][:, 0]
        for p in range(q.shape[1])
    ]
    return np.array(rows).T


def parallel_block(v: Values, n: Sizes) -> dict[str, Array]:
    """x + attention(norm x) + feed-forward(norm x)."""
    x = v["X"]
    normal = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * v["GA"][:, None]
    out = x + v["WD"] @ (_silu(v["WG"] @ normal) * (v["WU"] @ normal))
    for h in range(n["H"]):
        out = out + v["WO"][:, h] @ _attend_causally(*(v[f"W{name}"][h] @ normal for name in "QKV"))
    return {"Y": out}


def _rms(x: Array, gain: Array) -> Array:
    return x / np.sqrt(np.mean(x**2, axis=0) + 1e-6) * gain.reshape(-1, 1)


def decoder_block(v: Values, n: Sizes) -> dict[str, Array]:
    """x + attention(norm x), then + feed-forward(norm of that), head by head."""
    normal = _rms(v["X"], v["G1"])

    def placed(weights: Array, gain: Array) -> Array:
        features = _rms(weights @ normal, gain)
        return _turned(features.reshape(2, n["A"], -1)).reshape(n["E"], -1)

    out = v["X"].copy()
    for h in range(n["H"]):
        k, values = placed(v["WK"][h], v["GK"]), v["WV"][h] @ normal
        for r in range(n["R"]):
            out += v["WO"][:, h, r] @ _attend_causally(placed(v["WQ"][h, r], v["GQ"]), k, values)
    again = _rms(out, v["G2"])
    return {"Y": out + v["WD"] @ (_silu(v["WG"] @ again) * (v["WU"] @ again))}


def mamba_2_layer(v: Values, n: Sizes) -> dict[str, Array]:
    """Projections, numpy's convolution cut to the past, the scan of each head, the gated norm, the way back."""

    def mixed(x: Array, kernel: Array) -> Array:
        flat, weights = x.reshape(-1, x.shape[-1]), kernel.reshape(-1, kernel.shape[-1])
        rows = [np.convolve(row, w[::-1])[: row.size] for row, w in zip(flat, weights, strict=True)]
        return _silu(np.array(rows)).reshape(x.shape)

    x = v["X"]
    inner = mixed(v["WX"] @ x, v["CX"])
    b, c = mixed(v["WB"] @ x, v["CB"]), mixed(v["WC"] @ x, v["CC"])
    scanned = np.zeros(inner.shape)
    for h in range(n["H"]):
        raw = v["WT"][h] @ x + v["TB"][h]
        one = {"X": inner[h], "BX": b, "CX": c, "DT": raw, "A": v["A"][h]}
        scanned[h] = mamba_2(one, {})["Y"] + v["DS"][h] * inner[h]
    gated = scanned * _silu(v["WZ"] @ x)
    normal = gated / np.sqrt(np.mean(gated**2, axis=(0, 1)) + 1e-5) * v["GA"][:, :, None]
    return {"Y": x + np.tensordot(v["WO"], normal, 2)}
