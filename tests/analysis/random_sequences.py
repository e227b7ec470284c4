"""Small random cascades in which one sequence goes by several names: whole, in tiles, masked, in bands, in windows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Choose = Callable[[Sequence[Any]], Any]
SIZES = {"M": 4, "P": 4, "M1": 2, "M0": 2, "E": 2, "U": 2}
NAMES = {
    "m": "S",
    "p": "S",
    "e": "E",
    "u": "U",
    "m1": "M1",
    "m0": "M0",
}  #: the sequence or rank that a variable runs over
TILES = "m1*M0+m0"
MASKS = (
    "m <= p", "m < p", "p <= m", "m <= p, m >= p - 1", "m >= p - 1, m <= p + 1", "m == p", "m != p", "m <= p - 1, m >= p - 2",
    "p - m < 2, m <= p", "m + p < M",
)  # fmt: skip
INPUTS = {"X": ("S",), "G": ("S",), "D": ("S",), "K": ("S", "E"), "W": ("U",), "R": ("S", "S")}
OWN = {"X": "[M]", "G": "[P]", "D": "[M]", "K": "[M, E]", "W": "[U]", "R": "[M, P]"}

Tensor = tuple[str, tuple[str, ...]]


def random_sequences(choose: Choose) -> str:
    """Return the YAML of a cascade of two to seven Einsums; *choose* picks one of a sequence."""
    known: list[Tensor] = list(INPUTS.items())
    makers = [
        _pair,
        _pair,
        _map,
        _fold,
        _fold,
        _fold_map,
        _window,
        _back,
        _back,
        _select,
        _scan,
        _chain,
        _chain,
        _chain,
    ]
    rows: list[str] = []
    for number in range(choose(range(2, 8))):
        rows += choose(makers)(choose, known, f"T{number}")
    text = "\n".join("  " + row for row in rows)
    used = [f"{name}: {OWN[name]}" for name in INPUTS if f"{name}[" in text]
    outputs = [name for name, _ in known if name not in INPUTS]
    tie = choose(["same: [[M, P]]", "ranks: {P: M}"])
    if not used:
        used, text = ["X: [M]"], text + "\n  Z[m] = X[m]*2"
        outputs.append("Z")
    return "\n".join(
        [
            "title: random",
            "source: made by chance",
            tie,
            "inputs: {" + ", ".join(used) + "}",
            f"outputs: [{', '.join(outputs)}]",
            "einsums: |",
            text,
            "",
        ]
    )


def _read(choose: Choose, tensor: Tensor, left: str = "") -> tuple[str, tuple[str, ...]]:
    """Return an access to *tensor*, and the variables in it; *left* is the variable of its first sequence."""
    name, ranks = tensor
    free = [v for v in (left, "m", "p", "m", "p") if v in ("m", "p")]
    variables: list[str] = []
    for rank in ranks:
        if rank == "S":
            variables.append(next((v for v in free if v not in variables), "m"))
        else:
            variables.append(rank.lower())
    if "M1" in ranks and "S" in ranks:
        variables = [v if v not in ("m", "p") else "p" for v in variables]
    if len(ranks) == 1 and ranks[0] == "S" and left not in ("m", "p"):
        variables = [choose(["m", "p"])]
    return f"{name}[{','.join(variables)}]", tuple(variables)


def _finish(
    choose: Choose, known: list[Tensor], name: str, body: str, variables, over=(), conditions=()
) -> list[str]:
    """Write one Einsum; a part of them runs over tiles instead of over m."""
    kept = tuple(v for v in dict.fromkeys(variables) if v not in over)
    masks = [c for c in conditions if c]
    if {"m", "p"} <= set(variables) and choose([True, False, False]):
        masks.append(choose(MASKS))
    tiled = "m" in variables and "m1" not in variables and choose([True, False, False, False])
    out, folded, mask = ",".join(kept), ",".join(over), ", ".join(dict.fromkeys(masks))
    row = f"{name}[{out}] = {body}"
    if over:
        row += f" :: {choose(['sum', 'sum', 'max', 'any'])}[{folded}]"
    if mask:
        row += f" | {mask}"
    if tiled and ("m" in over or choose([True, False])):
        row = _in_tiles(row)
        if "m" not in over:
            known.append(
                (name, tuple(rank for v in kept for rank in (("M1", "M0") if v == "m" else (NAMES[v],))))
            )
            return [row]
    known.append((name, tuple(NAMES[v] for v in kept)))
    return [row]


def _in_tiles(row: str) -> str:
    """Return *row* with m written as a tile and a place in it."""
    head, body = row.split(" = ", 1)
    folds = re.sub(r"(?<=[\[,])m(?=[\],])", "m1,m0", head)
    main, *rest = body.split(" :: ")
    main, *mask = main.split(" | ") if not rest else [main]
    tail = ""
    if rest:
        fold, *mask = rest[0].split(" | ")
        tail = " :: " + re.sub(r"(?<=[\[,])m(?=[\],])", "m1,m0", fold)
    main = re.sub(r"\bm\b", TILES, main)
    conditions = f" | {re.sub(chr(92) + 'bm' + chr(92) + 'b', f'({TILES})', mask[0])}" if mask else ""
    return f"{folds} = {main}{tail}{conditions}"


def _pair(choose: Choose, known: list[Tensor], name: str) -> list[str]:
    """Scores of two tensors under the two names of the sequence, sometimes under labels that have to agree."""
    one, first = _read(choose, choose(known), "m")
    two, second = _read(choose, choose(known), "p")
    body = choose([f"{one}*{two}", f"{one} - {two}", f"where(eq(D[m],D[p]), {one}*{two}, 0)"])
    more = ("m", "p") if body.startswith("where") else ()
    return _finish(choose, known, name, body, (*more, *first, *second))


def _map(choose: Choose, known: list[Tensor], name: str) -> list[str]:
    one, first = _read(choose, choose(known))
    two, second = _read(choose, choose(known))
    return _finish(choose, known, name, f"{one}*{two}", (*first, *second))


def _fold(choose: Choose, known: list[Tensor], name: str) -> list[str]:
    one, first = _read(choose, choose([tensor for tensor in known if tensor[1]]))
    return _finish(choose, known, name, one, first, (choose(first),))


def _fold_map(choose: Choose, known: list[Tensor], name: str) -> list[str]:
    one, first = _read(choose, choose([tensor for tensor in known if tensor[1]]), choose(["m", "p"]))
    two, second = _read(choose, choose(known))
    return _finish(choose, known, name, f"{one}*{two}", (*first, *second), (choose([*first, *second]),))


def _window(choose: Choose, known: list[Tensor], name: str) -> list[str]:
    """A few neighbours, or one shifted copy."""
    tensor = choose([tensor for tensor in known if "S" in tensor[1]])
    access, variables = _read(choose, tensor, "m")
    if choose([True, False]):
        shifted = re.sub(r"\bm\b", choose(["m-1", "m+1"]), access)
        return _finish(choose, known, name, f"{access} + {shifted}", variables)
    over = choose([("u",), ()]) if "u" not in variables else ()
    window = re.sub(r"\bm\b", "m+u", access)
    return _finish(choose, known, name, window, (*variables, "u"), over, (choose(["m + u < M", ""]),))


def _back(choose: Choose, known: list[Tensor], name: str) -> list[str]:
    """A tensor read again beside one that has fewer ranks."""
    one = choose([tensor for tensor in known if tensor[1]])
    less = choose([tensor for tensor in known if len(tensor[1]) < 2])
    access, variables = _read(choose, one, choose(["m", "p"]))
    other, more = _read(choose, less, choose([*variables, "m"]))
    return _finish(choose, known, name, f"{access} - {other}", (*variables, *more))


def _select(choose: Choose, known: list[Tensor], name: str) -> list[str]:
    tensor = choose([tensor for tensor in known if "S" in tensor[1]])
    access, variables = _read(choose, tensor, "m")
    chosen = re.sub(r"\bm\b", choose(["0", "M-1", "1"]), access)
    other, more = _read(choose, choose(known))
    return _finish(choose, known, name, f"{chosen}*{other}", (*[v for v in variables if v != "m"], *more))


def _scan(choose: Choose, known: list[Tensor], name: str) -> list[str]:
    """A running value, read at its last generation or at each."""
    access, variables = _read(choose, choose([t for t in known if "S" in t[1]]), "m")
    rest = [v for v in variables if v != "m"]
    tail = "".join(f",{v}" for v in rest)
    rows = [f"{name}[0{tail}] = 0", "loop m:", f"  {name}[m+1{tail}] = {name}[m{tail}] + {access}"]
    last = f"{name}[M{tail}]" if choose([True, False]) else ""
    if last:
        rows.append(f"{name}L[{','.join(rest)}] = {last}*2")
        known.append((f"{name}L", tuple(NAMES[v] for v in rest)))
    else:
        rows.append(f"{name}E[m{tail}] = {name}[m+1{tail}]*2")
        known.append((f"{name}E", tuple(NAMES[v] for v in ("m", *rest))))
    return rows


def _chain(choose: Choose, known: list[Tensor], name: str) -> list[str]:
    """A fold over the sequence and its result beside what it came from, once or twice, as in a softmax."""
    tensor = choose([tensor for tensor in known if "S" in tensor[1]])
    access, variables = _read(choose, tensor, choose(["m", "p"]))
    over = choose([v for v in variables if v in ("m", "p")])
    rest = tuple(v for v in variables if v != over)
    masks = [choose(MASKS)] if {"m", "p"} <= set(variables) and choose([True, True, False]) else []
    rows: list[str] = []
    for step in range(choose([1, 2, 2])):
        folded, mapped = f"{name}F{step}", f"{name}B{step}"
        mask = masks if choose([True, True, True, False]) else []
        rows += _row(
            choose, f"{folded}[{','.join(rest)}] = {access} :: {choose(['sum', 'max'])}[{over}]", mask
        )
        mask = masks if choose([True, True, True, False]) else []
        kept = ",".join(variables)
        rows += _row(choose, f"{mapped}[{kept}] = {access} - {folded}[{','.join(rest)}]", mask, plain=True)
        known += [(folded, tuple(NAMES[v] for v in rest)), (mapped, tuple(NAMES[v] for v in variables))]
        access = f"{mapped}[{kept}]"
    return rows


def _row(choose: Choose, row: str, masks: Sequence[str], plain: bool = False) -> list[str]:
    """Return one Einsum under *masks*, sometimes over tiles."""
    row += f" | {', '.join(masks)}" if masks else ""
    return [_in_tiles(row) if not plain and "[m]" in row and choose([True, False, False]) else row]
