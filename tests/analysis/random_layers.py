"""Small random layers over one sequence: attention under masks of all kinds, norms, runs of scans, windows with strides.

The sequence is ``m`` for keys and ``p`` for queries, whole or in tiles; half of it is ``h`` where every second one is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Choose = Callable[[Sequence[Any]], Any]
SIZES = {"M": 4, "P": 4, "M1": 2, "M0": 2, "P1": 2, "P0": 2, "E": 2, "U": 2, "H": 2}
MASKS = (
    "", "m <= p", "m < p", "m >= p", "m > p", "m == p", "m != p", "m <= p, m >= p - 1", "m >= p - 1, m <= p + 1",
    "m <= p, m >= p - 2", "m + p < M", "m + p >= M - 1", "m < 2", "m >= M - 2", "m <= p, m < 3", "m <= p, m > 0",
    "m <= p + 1", "m < M - 1", "p > 0, m <= p", "m1 <= p1", "m1 == p1", "m1 < p1", "m1 == p1, m0 <= p0", "m0 <= p0",
    "m1 >= p1",
)  # fmt: skip
INPUTS = {"X": "[M, E]", "D": "[M]", "W": "[U]", "Y": "[M]", "C": "[E]"}


def random_layers(choose: Choose) -> str:
    """Return the YAML of a cascade of one to three layers; *choose* picks one of a sequence."""
    tiled = choose([False, False, True])
    stream, flat = "X", "Y"
    rows: list[str] = []
    for number in range(choose([1, 1, 2, 2, 3])):
        make = choose([_attention, _attention, _attention, _norm, _scans, _scans, _window, _pool])
        made, stream, flat = make(choose, f"L{number}", stream, flat, tiled)
        rows += made
    outputs = [
        row.split("[")[0] for row in (r.strip() for r in rows) if "[" in row and not row.startswith("loop")
    ]
    text = "\n".join("  " + row for row in rows)
    used = ", ".join(f"{name}: {ranks}" for name, ranks in INPUTS.items() if re.search(rf"\b{name}\[", text))
    ranks = "{P: M}"
    if tiled or "2*h" in text:
        ranks = "{M: M1*M0, P: M, P1: M1, P0: M0}" if tiled else "{P: M, M: 2*H}"
    return "\n".join(
        [
            "title: random", "source: made by chance", f"ranks: {ranks}", f"inputs: {{{used}}}",
            f"outputs: [{', '.join(dict.fromkeys(outputs))}]", "einsums: |", text, "",
        ]
    )  # fmt: skip


def _masked(row: str, mask: str) -> str:
    return f"{row} | {mask}" if mask else row


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|\W", text)


def _attention(choose: Choose, name: str, stream: str, flat: str, tiled: bool) -> tuple[list[str], str, str]:
    """Scores, softmax and weighted values under one mask, or without it on some of the Einsums."""
    masks = [m for m in MASKS if tiled or not any(word in m for word in ("m1", "m0", "p1", "p0"))]
    mask = choose(masks)
    tiles = any(word in mask for word in ("m1", "m0", "p1", "p0"))
    keys, queries = choose([(stream, stream), (stream, "X"), ("X", stream)])
    labels = choose([False, False, True])
    scores = f"{keys}[m,e]*{queries}[p,e]"
    scores = f"where(eq(D[m],D[p]), {scores}, 0)" if labels else scores
    loose = choose([(), (), (), (0,), (1,), (2,), (3,), (4,), (1, 2)])
    s, g, n, d, a, v = (f"{name}{letter}" for letter in "SGNDAV")
    plain = [
        f"{s}[m,p] = {scores} :: sum[e]",
        f"{g}[p] = {s}[m,p] :: max[m]",
        f"{n}[m,p] = {s}[m,p] - {g}[p]",
        f"{d}[p] = {n}[m,p] :: sum[m]",
        f"{a}[m,p] = {n}[m,p]/{d}[p]",
        f"{v}[p,e] = {a}[m,p]*{stream}[m,e] :: sum[m]",
    ]
    if choose([False, False, True]):  # divided at the end
        plain[4:] = [f"{a}[p,e] = {n}[m,p]*{stream}[m,e] :: sum[m]", f"{v}[p,e] = {a}[p,e]/{d}[p]"]
    rows = []
    for number, row in enumerate(plain):
        here = "" if number in loose or "m" not in _words(row) else mask
        rows.append(_masked(row, here))
    if tiles:  # what is written in tiles is read in tiles: the layer ends here
        return [*_tiles_of(rows, s, n, a), f"{name}Z[p1,p0,e] = {v}[p1,p0,e] + X[p1*M0+p0,e]"], stream, flat
    end = choose([True, False])
    rows.append(f"{name}Z[p,e] = {v}[p,e] + {stream}[p,e]" if end else f"{name}Z[p,e] = {v}[p,e]*2")
    return rows, f"{name}Z", flat


def _tiles_of(rows: list[str], *pairs: str) -> list[str]:
    """Return *rows* over tiles; tensors of pairs are kept in tiles, others are read whole."""
    out = []
    for row in rows:
        head, body = row.split(" = ", 1)
        body, *mask = body.split(" | ")
        body, *fold = body.split(" :: ")
        for name in pairs:
            head = head.replace(f"{name}[m,p]", f"{name}[m1,m0,p1,p0]")
            body = body.replace(f"{name}[m,p]", f"{name}[m1,m0,p1,p0]")
        head = head.replace("[p]", "[p1,p0]").replace("[p,e]", "[p1,p0,e]")
        for name in pairs:
            body = body.replace(f"{name}[p,e]", f"{name}[p1,p0,e]")
        for letter in "GD":
            stem = pairs[0][:-1] + letter
            body = body.replace(f"{stem}[p]", f"{stem}[p1,p0]")
        body = "".join({"m": "m1*M0+m0", "p": "p1*M0+p0"}.get(part, part) for part in _words(body))
        tail = f" :: {fold[0].replace('[m]', '[m1,m0]')}" if fold else ""
        out.append(f"{head} = {body}{tail}" + (f" | {mask[0]}" if mask else ""))
    return out


def _norm(choose: Choose, name: str, stream: str, flat: str, tiled: bool) -> tuple[list[str], str, str]:
    over = choose(["e", "m"])
    left = "m" if over == "e" else "e"
    rows = [
        f"{name}S[{left}] = {stream}[m,e]*{stream}[m,e] :: sum[{over}]",
        f"{name}N[m,e] = {stream}[m,e]/{name}S[{left}]" + choose(["", "*C[e]"]),
    ]
    return rows, f"{name}N", flat


def _scans(choose: Choose, name: str, stream: str, flat: str, tiled: bool) -> tuple[list[str], str, str]:
    """One to three running values, each of the one before, up or down, then read at some generation."""
    rows, last = [], f"{flat}[m]"
    for number in range(choose([1, 1, 2, 3])):
        state = f"{name}S{number}"
        if choose([True, True, False]):
            rows += [f"{state}[0] = 0", "loop m:", f"  {state}[m+1] = {state}[m] + {last}"]
            last, end = choose([(f"{state}[m+1]", f"{state}[M]"), (f"{state}[m]", f"{state}[M]")])
        else:
            rows += [f"{state}[M] = 0", "loop m:", f"  {state}[m] = {state}[m+1] + {last}"]
            last, end = choose([(f"{state}[m]", f"{state}[0]"), (f"{state}[m+1]", f"{state}[0]")])
    how = choose(["each", "end", "both", "fold"])
    if how == "each":
        rows.append(f"{name}Z[m] = {flat}[m]*{last}")
    elif how == "end":
        rows.append(f"{name}Z[m] = {flat}[m] - {end}")
    elif how == "both":
        rows.append(f"{name}Z[m] = {last} - {end}")
    else:
        mask = choose([m for m in MASKS if m and not any(w in m for w in ("m1", "m0", "p1", "p0"))])
        rows.append(f"{name}Z[m] = {flat}[m]*{flat}[p] :: sum[p] | {mask}")
    return rows, stream, f"{name}Z"


def _window(choose: Choose, name: str, stream: str, flat: str, tiled: bool) -> tuple[list[str], str, str]:
    """A convolution: windows of two, one after the other, padded or cut at the end, then something over all of it."""
    at = choose(["m+u", "m+u-1", "m+2*u", "m-u"])
    cut = {"m+u": "m + u < M", "m+u-1": "m + u >= 1, m + u <= M", "m+2*u": "m + 2*u < M", "m-u": "m >= u"}[at]
    rows = [_masked(f"{name}C[m] = {flat}[{at}]*W[u] :: sum[u]", choose([cut, cut, ""]))]
    how = choose(["keep", "mean", "read"])
    if how == "mean":
        rows += [f"{name}G[] = {name}C[m] :: max[m]", f"{name}Z[m] = {name}C[m] - {name}G[]"]
    elif how == "read":
        rows += [f"{name}G[] = {name}C[m] :: sum[m]", f"{name}Z[m] = {flat}[m] - {name}G[]"]
    else:
        rows += [f"{name}Z[m] = {name}C[m]*{flat}[m]"]
    return rows, stream, f"{name}Z"


def _pool(choose: Choose, name: str, stream: str, flat: str, tiled: bool) -> tuple[list[str], str, str]:
    """Every second element, or the sums of tiles; then their sum against each."""
    if tiled:
        rows = [
            f"{name}B[m1] = {flat}[m1*M0+m0] :: {choose(['sum', 'max'])}[m0]",
            choose([f"{name}G[] = {name}B[m1] :: sum[m1]", f"{name}G[] = {name}B[M1-1]*2"]),
        ]
    else:
        at = choose(["2*h", "2*h+1"])
        over = " :: sum[u]" if "u" in at else ""
        rows = [
            f"{name}B[h] = {flat}[{at}]*{'W[u]' if over else '2'}{over}",
            f"{name}G[] = {name}B[h] :: max[h]",
        ]
    rows.append(f"{name}Z[m] = {flat}[m] - {name}G[]")
    return rows, stream, f"{name}Z"
