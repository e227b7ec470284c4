"""Small random cascades: products, broadcasts, reductions, scans, prefixes, windows, selections, splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Choose = Callable[[Sequence[Any]], Any]
SIZES = {"M1": 2, "M0": 2, "P": 3, "T": 3, "K": 3, "M": 4}


def random_cascade(choose: Choose) -> str:
    """Return the YAML of a cascade of two to seven Einsums; *choose* picks one of a sequence."""
    makers = [_pointwise, _pointwise, _reduction, _reduction, _broadcast, _prefix, _window, _selection, _scan]
    makers += [_down, _nested]
    known: list[tuple[str, tuple[str, ...], bool]] = [
        ("X", ("m1", "m0", "p"), False),
        ("A", ("t", "p"), False),
        ("B", ("t",), False),
    ]
    rows: list[str] = []
    for number in range(choose(range(2, 8))):
        rows += choose(makers)(choose, known, f"T{number}")
    text = "\n".join("  " + row for row in rows)
    inputs = {"X": "[M, P]", "A": "[T, P]", "B": "[T]"}
    used = {name: ranks for name, ranks in inputs.items() if f"{name}[" in text}
    outputs = [name for name, _, _ in known if name not in inputs]
    return "\n".join(
        [
            "title: random",
            "source: made by chance",
            "ranks: {K: T}",
            "inputs: {" + ", ".join(f"{name}: {ranks}" for name, ranks in used.items()) + "}",
            f"outputs: [{', '.join(outputs)}]",
            "einsums: |",
            text,
            "",
        ]
    )


def _access(tensor, **changes: str) -> str:
    name, ranks, scanned = tensor
    indices = [changes.get(rank, rank) for rank in ranks]
    if scanned and "t" not in changes:
        indices = [f"{index}+1" if index == "t" else index for index in indices]
    if name == "X" and "m1" not in changes:
        indices = ["m1*M0+m0", *indices[2:]]
    return f"{name}[{','.join(indices)}]"


def _pointwise(choose: Choose, known, name: str) -> list[str]:
    one, other = choose(known), choose(known)
    ranks = tuple(dict.fromkeys((*one[1], *other[1])))
    if len(ranks) > 3:
        ranks, other = one[1], one
    known.append((name, ranks, False))
    return [f"{name}[{','.join(ranks)}] = {_access(one)}*{_access(other)}"]


def _reduction(choose: Choose, known, name: str) -> list[str]:
    one, other = choose(known), choose(known)
    ranks = tuple(dict.fromkeys((*one[1], *other[1])))
    if len(ranks) > 4 or not ranks:
        return _pointwise(choose, known, name)
    over = choose([(rank,) for rank in ranks] + [pair for pair in [("m1", "m0")] if set(pair) <= set(ranks)])
    left = tuple(rank for rank in ranks if rank not in over)
    operator = choose(["sum", "max", "sum", "any"])
    known.append((name, left, False))
    return [f"{name}[{','.join(left)}] = {_access(one)}*{_access(other)} :: {operator}[{','.join(over)}]"]


def _broadcast(choose: Choose, known, name: str) -> list[str]:
    """A tensor without a rank, read along it again together with one that has it."""
    one = choose([tensor for tensor in known if tensor[1]])
    less = choose(known)
    if not set(less[1]) <= set(one[1]):
        return _pointwise(choose, known, name)
    known.append((name, one[1], False))
    return [f"{name}[{','.join(one[1])}] = {_access(one)} - {_access(less)}"]


def _prefix(choose: Choose, known, name: str) -> list[str]:
    """All earlier coordinates of t, or all later ones, reduced for each t."""
    candidates = [tensor for tensor in known if "t" in tensor[1] and not tensor[2]]
    one = choose(candidates)
    ranks = tuple(dict.fromkeys(("t", *one[1])))
    comparison = choose(["k <= t", "k < t", "k >= t", "k <= t, k >= t - 1"])
    known.append((name, ranks, False))
    other = choose([t for t in known[:-1] if t[1] == ("t",) and not t[2]] or [("B", ("t",), False)])
    return [f"{name}[{','.join(ranks)}] = {_access(one, t='k')}*{_access(other)} :: sum[k] | {comparison}"]


def _window(choose: Choose, known, name: str) -> list[str]:
    one = choose([tensor for tensor in known if "t" in tensor[1] and not tensor[2]])
    shift = choose(["t-1", "t+1"])
    known.append((name, one[1], False))
    return [f"{name}[{','.join(one[1])}] = {_access(one)} + {_access(one, t=shift)}"]


def _selection(choose: Choose, known, name: str) -> list[str]:
    candidates = [tensor for tensor in known if "t" in tensor[1] or "p" in tensor[1]]
    one = choose(candidates)
    rank = choose([rank for rank in ("t", "p") if rank in one[1]])
    where = {"t": ["0", "T", "1"] if one[2] else ["0", "T-1", "1"], "p": ["0", "P-1", "2"]}[rank]
    other = choose(known)
    left = tuple(dict.fromkeys((*(r for r in one[1] if r != rank), *other[1])))
    if len(left) > 3:
        left, other = tuple(r for r in one[1] if r != rank), None
    known.append((name, left, False))
    return [
        f"{name}[{','.join(left)}] = {_access(one, **{rank: choose(where)})}"
        + (f"*{_access(other)}" if other else "")
    ]


def _down(choose: Choose, known, name: str) -> list[str]:
    """A running value over t from the last coordinate to the first, sometimes two steps back."""
    one = choose([tensor for tensor in known if "t" in tensor[1] and not tensor[2]])
    ranks = one[1]
    at = {c: ",".join(c if rank == "t" else rank for rank in ranks) for c in ("t", "t+1", "t+2", "T", "T+1")}
    two = choose([True, False])
    rows = [f"{name}[{at['T']}] = 0", *([f"{name}[{at['T+1']}] = 0"] if two else []), "loop t:"]
    rows.append(
        f"  {name}[{at['t']}] = {name}[{at['t+1']}] + {_access(one)}"
        + (f"*{name}[{at['t+2']}]" if two else "")
    )
    known.append((name, ranks, False))
    return rows


def _nested(choose: Choose, known, name: str) -> list[str]:
    """A running value over t and over p at once, from up to three neighbours."""
    one = choose([tensor for tensor in known if set(tensor[1]) == {"t", "p"} and not tensor[2]])
    near = choose([("t,p+1", "t+1,p"), ("t,p",), ("t+1,p",), ("t,p", "t,p+1", "t+1,p")])
    rows = [f"{name}[0,0] = 0", f"{name}[0,p+1] = 0", f"{name}[t+1,0] = 0", "loop t:", "  loop p:"]
    rows.append(f"    {name}[t+1,p+1] = {_access(one)} + {' + '.join(f'{name}[{at}]' for at in near)}")
    rows.append(f"{name}E[] = {name}[T,P]")
    known.append((f"{name}E", (), False))
    return rows


def _scan(choose: Choose, known, name: str) -> list[str]:
    """A running value over t, with what follows from it inside the loop, sometimes with a sum over p."""
    one = choose([tensor for tensor in known if "t" in tensor[1]])
    ranks = one[1]
    first = ",".join("0" if rank == "t" else rank for rank in ranks)
    here, later = ",".join(ranks), ",".join("t+1" if rank == "t" else rank for rank in ranks)
    start = choose([t for t in known if set(t[1]) <= set(ranks) - {"t"}] + [None])
    rows = [f"{name}[{first}] = {_access(start) if start else '0'}", "loop t:"]
    with_sum = "p" in ranks and choose([True, False])
    if with_sum:
        rest = tuple(rank for rank in ranks if rank != "p")
        rows.append(f"  {name}S[{','.join(rest)}] = {name}[{here}] :: sum[p]")
        rows.append(f"  {name}[{later}] = {name}[{here}] + {_access(one)}*{name}S[{','.join(rest)}]")
        known.append((f"{name}S", rest, False))
    else:
        rows.append(f"  {name}[{later}] = {name}[{here}] + {_access(one)}")
    known.append((name, ranks, True))
    return rows
