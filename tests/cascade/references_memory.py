"""Recurrent memories as numpy formulas, written from the sources and not from the cascades."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.cascade.references import Array, Values

Sizes = Mapping[str, int]


def sigmoid(x: Array) -> Array:
    """Return 1/(1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def comba(v: Values, n: Sizes) -> dict[str, Array]:
    """The state times a matrix in each step; the query less a share of the key."""
    state, out = np.zeros((n["F"], n["E"])), np.zeros((n["F"], n["T"]))
    for t in range(n["T"]):
        k = v["K"][:, t]
        kept = v["AL"][t] * np.eye(n["E"]) - v["BT"][t] * np.outer(k, k)
        state = state @ kept + v["BE"][t] * np.outer(v["V"][:, t], k)
        out[:, t] = state @ (v["Q"][:, t] - v["DC"] * k)
    return {"O": out}


def mesa(v: Values, n: Sizes) -> dict[str, Array]:
    """The linear system solved outright; as many steps as features do the same."""
    keys, values = np.zeros((n["E"], n["E"])), np.zeros((n["F"], n["E"]))
    out = np.zeros((n["F"], n["T"]))
    for t in range(n["T"]):
        k = v["K"][:, t]
        keys = v["GA"][t] * keys + v["BE"][t] * np.outer(k, k)
        values = v["GA"][t] * values + v["BE"][t] * np.outer(v["V"][:, t], k)
        out[:, t] = values @ np.linalg.solve(keys + np.diag(v["LA"]), v["Q"][:, t])
    return {"O": out}


def atlas(v: Values, n: Sizes) -> dict[str, Array]:
    """One step of descent on the weighted squared errors of the last tokens."""
    state, out = np.zeros((n["F"], n["E"])), np.zeros((n["F"], n["T"]))
    for t in range(n["T"]):
        slope = np.zeros_like(state)
        for s in range(max(0, t - n["W"] + 1), t + 1):
            error = state @ v["K"][:, s] - v["V"][:, s]
            slope += v["GA"][t - s, t] * np.outer(error, v["K"][:, s])
        state = v["AL"][t] * state - v["ET"][t] * slope
        out[:, t] = state @ v["Q"][:, t]
    return {"O": out}


def longhorn(v: Values, n: Sizes) -> dict[str, Array]:
    """Feature by feature: what is kept, and the step of the regression."""
    state, out = np.zeros((n["D"], n["N"])), np.zeros((n["D"], n["T"]))
    for t in range(n["T"]):
        k = v["K"][:, t]
        step = v["BE"][:, t] / (1 + v["BE"][:, t] * (k @ k))
        state = (1 - np.outer(step, k**2)) * state + np.outer(step * v["X"][:, t], k)
        out[:, t] = state @ v["Q"][:, t]
    return {"O": out}


def gated_linear_unit(v: Values, n: Sizes) -> dict[str, Array]:
    """a = sigmoid(LA)**(8 r); h = a h + sqrt(1 - a**2) (i x)."""
    h, out = np.zeros(n["D"]), np.zeros((n["D"], n["T"]))
    for t in range(n["T"]):
        x = v["X"][:, t]
        a = sigmoid(v["LA"]) ** (8 * sigmoid(v["WA"] @ x))
        h = a * h + np.sqrt(1 - a**2) * sigmoid(v["WX"] @ x) * x
        out[:, t] = h
    return {"Y": out}


def slstm(v: Values, n: Sizes) -> dict[str, Array]:
    """Without the stabiliser: exponential input gates, a normaliser beside the cell."""
    cell, norm, hidden = np.zeros(n["H"]), np.ones(n["H"]), np.zeros(n["H"])
    out = np.zeros((n["H"], n["T"]))
    for t in range(n["T"]):
        z, i, f, o = (v[f"{gate}X"][:, t] + v[f"R{gate}"] @ hidden for gate in "ZIFO")
        cell = sigmoid(f) * cell + np.exp(i) * np.tanh(z)
        norm = sigmoid(f) * norm + np.exp(i)
        hidden = sigmoid(o) * cell / norm
        out[:, t] = hidden
    return {"Y": out}
