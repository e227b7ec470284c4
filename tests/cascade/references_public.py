"""Attention of the last years and one loss as numpy formulas, written from the sources and not from the cascades."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.cascade.references import Array, Values, softmax

Sizes = Mapping[str, int]


def contextual_position(v: Values, n: Sizes) -> dict[str, Array]:
    """Query by query: gates, their sums from the right, what lies between two learned positions."""
    out = np.zeros((n["F"], n["M"]))
    for p in range(n["M"]):
        logits = v["Q"][:, p] @ v["K"][:, : p + 1] / np.sqrt(n["E"])
        gates = 1 / (1 + np.exp(-logits))
        places = np.minimum(np.cumsum(gates[::-1])[::-1], n["L"] - 1)
        learned = np.interp(places, np.arange(n["L"]), v["Q"][:, p] @ v["Z"])
        out[:, p] = v["V"][:, : p + 1] @ softmax(logits + learned, 0)
    return {"AV": out}


def temporal_latent(v: Values, n: Sizes) -> dict[str, Array]:
    """Query by query: the weighted latents that it has seen, added up chunk by chunk."""
    out = np.zeros((n["H"], n["F"], n["M"]))
    for p in range(n["M"]):
        latent, rotary = (np.zeros((len(v[name]), p // n["S"] + 1)) for name in ("CL", "KR"))
        for m in range(p + 1):
            latent[:, m // n["S"]] += v["W"][m] * v["CL"][:, m]
            rotary[:, m // n["S"]] += v["W"][m] * v["KR"][:, m]
        for h in range(n["H"]):
            logits = (v["Q"][h, :, p] @ latent + v["QR"][h, :, p] @ rotary) / np.sqrt(n["C"] + n["R"])
            out[h, :, p] = v["WV"][h] @ latent @ softmax(logits, 0)
    return {"O": out}


def grouped_tied(v: Values, n: Sizes) -> dict[str, Array]:
    """Keys put together of half a value and the shared half."""
    out = np.zeros((n["G"], n["R"], 2 * n["A"], n["M"]))
    for g, tied in enumerate(v["KV"]):
        keys = np.concatenate([tied[: n["A"]], v["KR"]])
        for r in range(n["R"]):
            for p in range(n["M"]):
                logits = v["Q"][g, r, :, p] @ keys[:, : p + 1] / np.sqrt(2 * n["A"])
                out[g, r, :, p] = tied[:, : p + 1] @ softmax(logits, 0)
    return {"AV": out}


def page_bounds(v: Values, n: Sizes) -> dict[str, Array]:
    """Pages in the order of the largest score that any key within their bounds could have."""
    pages = v["K"].reshape(n["E"], -1, n["M0"])
    out = np.zeros((n["F"], n["P"]))
    for p in range(n["P"]):
        q = v["Q"][:, p, None]
        bounds = (np.maximum(q, 0) * pages.max(2) + np.minimum(q, 0) * pages.min(2)).sum(0)
        chosen = np.argsort(-bounds)[: n["J"]]
        keys = np.concatenate([np.arange(c * n["M0"], (c + 1) * n["M0"]) for c in chosen])
        out[:, p] = v["V"][:, keys] @ softmax(v["Q"][:, p] @ v["K"][:, keys] / np.sqrt(n["E"]), 0)
    return {"AV": out}


def block_diffusion(v: Values, n: Sizes) -> dict[str, Array]:
    """The three parts of the mask: own block, clean blocks before a noisy one, clean blocks up to a clean one."""
    out = np.zeros((n["F"], 2 * n["N"]))
    for p in range(2 * n["N"]):
        own, noisy = p % n["N"] // n["C"], p < n["N"]
        clean = n["N"] + np.arange(n["C"] * (own if noisy else own + 1))
        keys = [*(range(own * n["C"], (own + 1) * n["C"]) if noisy else ()), *clean]
        out[:, p] = v["V"][:, keys] @ softmax(v["Q"][:, p] @ v["K"][:, keys] / np.sqrt(n["E"]), 0)
    return {"AV": out}


def attention_residuals(v: Values, n: Sizes) -> dict[str, Array]:
    """Token by token: layers of unit root mean square are scored."""
    scale = np.sqrt((v["H"] ** 2).mean(1) + 1e-6)
    weights = softmax(np.einsum("d,ldt->lt", v["W"], v["H"]) / scale, 0)
    return {"Y": np.einsum("lt,ldt->dt", weights, v["H"])}


def mixture_of_depths(v: Values, n: Sizes) -> dict[str, Array]:
    """The chosen tokens in their order as a sequence of their own."""
    score = v["WR"] @ v["X"]
    chosen = np.sort(np.argsort(-score)[: n["J"]])
    x, y = v["X"][:, chosen], v["X"].copy()
    for j, t in enumerate(chosen):
        logits = (v["WQ"] @ x)[:, j] @ (v["WK"] @ x)[:, : j + 1] / np.sqrt(n["E"])
        y[:, t] += score[t] * (v["WV"] @ x[:, : j + 1]) @ softmax(logits, 0)
    return {"Y": y}


def sequence_ratio(v: Values, n: Sizes) -> dict[str, Array]:
    """The mean over answers of the lesser of ratio and clipped ratio times the advantage."""
    advantage = (v["R"] - v["R"].mean()) / np.sqrt(v["R"].var() + 1e-8)
    total = 0.0
    for g, length in enumerate(v["LEN"].astype(int)):
        ratio = np.prod(np.exp(v["LP"][g, :length] - v["LO"][g, :length])) ** (1 / length)
        total -= min(ratio * advantage[g], np.clip(ratio, 0.8, 1.2) * advantage[g])
    return {"L": np.array(total / n["G"])}
