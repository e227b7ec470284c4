"""What the newer sparse mechanisms, those for images, and the losses compute, in numpy, from the sources.

As in ``references``: each function takes the inputs (one slice of the batch) and the sizes, and returns the outputs by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.cascade.references import Array, Values, attention, softmax

Sizes = Mapping[str, int]


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _attend(query: Array, keys: Array, values: Array) -> Array:
    """Return the output [F] of one query [E] over keys [E, n] and values [F, n]."""
    return attention({"Q": query[:, None], "K": keys, "V": values}, {})["AV"][:, 0]


def recycled(v: Values, n: Sizes) -> dict[str, Array]:
    """A full step; then steps over its J best keys and the new tokens so far."""
    full = _attend(v["QF"], v["K"], v["V"])
    best = np.argsort(v["QF"] @ v["K"])[::-1][: n["J"]]
    out = [
        _attend(
            v["Q"][:, p],
            np.hstack([v["K"][:, best], v["KN"][:, : p + 1]]),
            np.hstack([v["V"][:, best], v["VN"][:, : p + 1]]),
        )
        for p in range(n["P"])
    ]
    return {"FV": full, "AV": np.array(out).T}


def predicted_mask(v: Values, n: Sizes) -> dict[str, Array]:
    """Low-rank scores to all keys, a mask of the J largest in each row, a masked softmax."""
    low = softmax((v["CQ"] @ v["Q"]).T @ (v["CK"] @ v["K"]) @ v["PN"] / np.sqrt(n["C"]), 1)
    connectivity = low @ v["PB"].T
    border = np.sort(connectivity, axis=1)[:, -n["J"]][:, None]
    logits = np.where(connectivity >= border, v["Q"].T @ v["K"] / np.sqrt(n["E"]), -np.inf)
    return {"AV": v["V"] @ softmax(logits, 1).T}


def native(v: Values, n: Sizes) -> dict[str, Array]:
    """Three attentions of each query, added up under gates."""
    blocks, gates = n["M"] // n["M0"], _sigmoid(v["GL"])
    cut = [slice(b * n["M0"], (b + 1) * n["M0"]) for b in range(blocks)]
    keys = np.array([np.einsum("emd,dm->e", v["WK"], v["K"][:, b]) for b in cut]).T
    values = np.array([np.einsum("fmc,cm->f", v["WV"], v["V"][:, b]) for b in cut]).T
    out = np.zeros((n["R"], n["F"], n["P"]))
    for p in range(n["P"]):
        weights = np.array([softmax(q[:, p] @ keys / np.sqrt(n["E"]), 0) for q in v["Q"]])
        best = np.argsort(weights.sum(0))[::-1][: n["J"]]
        chosen = np.concatenate([np.arange(n["M"])[cut[b]] for b in best])
        for r in range(n["R"]):
            parts = [
                values @ weights[r],
                _attend(v["Q"][r, :, p], v["K"][:, chosen], v["V"][:, chosen]),
                _attend(v["Q"][r, :, p], v["K"][:, -n["W"] :], v["V"][:, -n["W"] :]),
            ]
            out[r, :, p] = sum(gates[g, r, p] * part for g, part in enumerate(parts))
    return {"AV": out}


def native_causal(v: Values, n: Sizes) -> dict[str, Array]:
    """Query by query: softmax over the blocks that are over, the own block and the best of those, the window."""
    size, gates = n["M0"], _sigmoid(v["GL"])
    out = np.zeros((n["R"], n["F"], n["M"]))
    for p in range(n["M"]):
        over = [slice(b * size, (b + 1) * size) for b in range((p + 1) // size)]
        own = p // size
        shares = np.zeros((n["R"], len(over)))
        parts = np.zeros((3, n["R"], n["F"]))
        if over:
            keys = np.array([np.einsum("emd,dm->e", v["WK"], v["K"][:, b]) for b in over]).T
            values = np.array([np.einsum("fmc,cm->f", v["WV"], v["V"][:, b]) for b in over]).T
            shares = np.array([softmax(q[:, p] @ keys / np.sqrt(n["E"]), 0) for q in v["Q"]])
            parts[0] = shares @ values.T
        others = [b for b in np.argsort(-shares.sum(0)) if b != own][: n["J"] - 1]
        chosen = [m for b in (own, *others) for m in range(b * size, min((b + 1) * size, p + 1))]
        near = list(range(max(0, p - n["W"] + 1), p + 1))
        for r in range(n["R"]):
            for at, seen in ((1, chosen), (2, near)):
                parts[at, r] = _attend(v["Q"][r, :, p], v["K"][:, seen], v["V"][:, seen])
        out[:, :, p] = np.einsum("gr,grf->rf", gates[:, :, p], parts)
    return {"AV": out}


def documents(v: Values, n: Sizes) -> dict[str, Array]:
    """Each query sees the keys of its own document up to its own place."""
    out = np.zeros((n["F"], n["M"]))
    for p in range(n["M"]):
        seen = [m for m in range(p + 1) if v["DM"][m] == v["DP"][p]]
        out[:, p] = _attend(v["Q"][:, p], v["K"][:, seen], v["V"][:, seen])
    return {"AV": out}


def lengths(v: Values, n: Sizes) -> dict[str, Array]:
    """Attention to the keys that are there, head by head."""
    out = np.zeros((n["B"], n["H"], n["F"], n["P"]))
    for b, h in np.ndindex(n["B"], n["H"]):
        known = slice(int(v["LE"][b]))
        one = {"Q": v["Q"][b, h], "K": v["K"][b, h][:, known], "V": v["V"][b, h][:, known]}
        out[b, h] = attention(one, n)["AV"]
    return {"AV": out}


def shifted_groups(v: Values, n: Sizes) -> dict[str, Array]:
    """Roll the tokens, cut them into groups, attend causally to the group and to the sinks."""
    out = np.zeros((n["C"], n["F"], n["P"] // n["W"], n["W"]))
    for c in range(n["C"]):
        q, k, values = (np.roll(v[x][c], -c * n["C0"], axis=1) for x in "QKV")
        for place in range(n["P"]):
            group = slice(place - place % n["W"], place + 1)
            seen = np.hstack([v["KS"][c], k[:, group]]), np.hstack([v["VS"][c], values[:, group]])
            out[c, :, place // n["W"], place % n["W"]] = _attend(q[:, place], *seen)
    return {"AV": out}


def varied_window(v: Values, n: Sizes) -> dict[str, Array]:
    """Stretch and move each window; read keys and values there by numpy's interpolation, zeros beside the ends."""
    width, length = n["W"], n["P"]
    places = np.arange(-1, length + 1)
    out = np.zeros((n["F"], length // width, width))
    for at in range(length // width):
        pooled = v["X"][:, at * width : (at + 1) * width].mean(1)
        active = np.where(pooled > 0, pooled, 0.01 * pooled)
        middle = at * width + (width - 1) / 2
        reach = (np.arange(width) - (width - 1) / 2) * (1 + v["WS"] @ active)
        wanted = middle + reach + v["WO"] @ active * width / 2
        k, values = (
            np.array([np.interp(wanted, places, np.pad(row, 1), left=0, right=0) for row in v[x]])
            for x in "KV"
        )
        for w in range(width):
            out[:, at, w] = _attend(v["Q"][:, at * width + w], k, values)
    return {"AV": out}


def spectral_gating(v: Values, n: Sizes) -> dict[str, Array]:
    """numpy's real transform, times the gate, and back."""
    spectrum = np.fft.rfft(v["X"], axis=0) * (v["GR"] + 1j * v["GI"])
    return {"Y": np.fft.irfft(spectrum, n=n["N"], axis=0)}


def _normal(x: Array) -> Array:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def _gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def token_mixing_gate(v: Values, n: Sizes) -> dict[str, Array]:
    """x + linear(norm x) * mixer(norm x)."""
    x = _normal(v["X"])
    tokens = x + v["W2"] @ _gelu(v["W1"] @ _normal(x))
    gate = tokens + _gelu(_normal(tokens) @ v["U1"].T) @ v["U2"].T
    return {"Y": v["X"] + (x @ v["WL"].T) * gate}


def strip_gates(v: Values, n: Sizes) -> dict[str, Array]:
    """Means over columns and over rows, numpy's convolution, norm of each group, sigmoid; both gates on the image."""
    groups = n["C"] // n["C0"]

    def gate(strip: Array, kernel: Array) -> Array:
        rows = [np.convolve(row, w[::-1], "same") for row, w in zip(strip, kernel, strict=True)]
        grouped = np.array(rows).reshape(groups, -1)
        normal = _normal(grouped).reshape(strip.shape)
        return _sigmoid(normal * v["GA"][:, None] + v["BI"][:, None])

    one, other = gate(v["X"].mean(2), v["KI"]), gate(v["X"].mean(1), v["KJ"])
    out = v["X"] * one[:, :, None] * other[:, None, :]
    return {"Y": out.reshape(groups, n["C0"], *out.shape[1:])}


def position_channel(v: Values, n: Sizes) -> dict[str, Array]:
    """al * position attention + x, and be * channel attention + x, added up."""
    x = v["X"]
    tokens = (v["WV"] @ x) @ softmax((v["WQ"] @ x).T @ (v["WK"] @ x), 1).T
    channels = softmax(x @ x.T, 1) @ x
    return {"Y": v["AL"] * tokens + x + v["BE"] * channels + x}


def token_aware_pooling(v: Values, n: Sizes) -> dict[str, Array]:
    """Mix three means for each token by its own softmax; keys and values from the mixture."""
    x, length = v["X"], n["M"]
    wide = np.pad(x, ((0, 0), (2, 2)))
    mixed = np.zeros_like(x)
    for m in range(length):
        near = wide[:, m + 1 : m + 4]
        weights = softmax(np.einsum("jdu,du->j", v["WJ"], near), 0)
        means = [x[:, m], near.mean(1), wide[:, m : m + 5 : 2].mean(1)]
        mixed[:, m] = np.array(means).T @ weights
    return attention({"Q": v["WQ"] @ x, "K": v["WK"] @ mixed, "V": v["WV"] @ mixed}, n)


def cross_entropy(v: Values, n: Sizes) -> dict[str, Array]:
    """Minus the logarithm of the softmax at the label."""
    logits = v["X"].T @ v["W"]
    lse = np.log(np.exp(logits).sum(1))
    return {"L": lse, "LO": -np.log([softmax(row, 0)[int(y)] for row, y in zip(logits, v["Y"], strict=True)])}


def cross_entropy_backward(v: Values, n: Sizes) -> dict[str, Array]:
    """Derivatives of the weighted loss by a complex step of 1e-30."""

    def loss(x: Array, w: Array) -> complex:
        logits = x.T @ w
        picked = logits[np.arange(n["N"]), v["Y"].astype(int)]
        return complex(np.sum(v["GL"] * (np.log(np.exp(logits).sum(1)) - picked)))

    def slopes(name: str) -> Array:
        out = np.zeros(v[name].shape)
        for at in np.ndindex(*out.shape):
            moved = {key: v[key].astype(complex) for key in ("X", "W")}
            moved[name][at] += 1e-30j
            out[at] = loss(moved["X"], moved["W"]).imag / 1e-30
        return out

    return {"DX": slopes("X"), "DW": slopes("W")}


def info_nce(v: Values, n: Sizes) -> dict[str, Array]:
    """The mean of -log softmax at the diagonal of the cosines over 0.07, over rows and over columns."""
    x, y = (v[name] / np.linalg.norm(v[name], axis=0) for name in "XY")
    cosines = x.T @ y / 0.07
    both = np.log(np.diag(softmax(cosines, 0))) + np.log(np.diag(softmax(cosines, 1)))
    return {"LO": np.asarray(-both.mean() / 2)}


def sinkhorn(v: Values, n: Sizes) -> dict[str, Array]:
    """Scale the rows, then the columns, of exp(-C/0.5) to the marginals, T times."""
    kernel = np.exp(-v["C"] / 0.5)
    rows, columns = np.ones(n["M"]), np.ones(n["N"])
    for _ in range(n["T"]):
        rows = np.exp(v["AL"]) / (kernel @ columns)
        columns = np.exp(v["BE"]) / (kernel.T @ rows)
    plan = rows[:, None] * kernel * columns[None, :]
    return {"PL": plan, "W": np.asarray(np.sum(plan * v["C"]))}
