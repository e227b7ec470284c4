"""Small random chains of reductions over one rank, some of which can be reduced and some of which cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Choose = Callable[[Sequence[Any]], Any]
MAPS = (
    "X[m,p]*{y}",
    "X[m,p] - {y}",
    "(X[m,p] - {y})**2",
    "exp(X[m,p] - {y})",
    "exp(X[m,p] - {y})*W[m]",
    "relu(X[m,p] - {y})",
    "abs(exp(X[m,p] - {y}) - exp(-{y}))",
    "X[m,p]*W[m]/(1 + {y}*{y})",
    "{t}*W[m]",
    "{t} + X[m,p]",
    "{t}/(2 + abs({y}))",
)
TAILS = ("{y}/M", "max({y}, 0)", "1/sqrt({y}*{y} + 1)", "{y} + {z}")


def random_chain(choose: Choose) -> str:
    """Return the YAML of a chain of two to four reductions over M with maps and epilogues between them."""
    rows = ["Y0[p] = X[m,p] :: " + choose(("max", "sum")) + "[m]"]
    values, maps = ["Y0[p]"], ["X[m,p]"]
    for number in range(1, choose((2, 3, 4))):
        if choose((True, False)):
            tail = choose(TAILS).format(y=choose(values), z=choose(values))
            rows.append(f"E{number}[p] = {tail}")
            values.append(f"E{number}[p]")
        mapped = choose(MAPS).format(y=values[-1], t=maps[-1])
        rows.append(f"T{number}[m,p] = {mapped}")
        maps.append(f"T{number}[m,p]")
        operator = choose(("sum", "sum", "sum", "max", "min"))
        term = choose(("{t}", "{t}*W[m]", "{t}*X[m,p]")).format(t=maps[-1])
        rows.append(f"Y{number}[p] = {term} :: {operator}[m]")
        values.append(f"Y{number}[p]")
    text = "\n".join(f"  {row}" for row in rows)
    last = values[-1].split("[")[0]
    kept = _needed(rows, last)
    text = "\n".join(f"  {row}" for row in rows if row.split("[")[0] in kept)
    inputs = "X: [M, P]" + (", W: [M]" if "W[" in text else "")
    return (
        f"title: chain\nsource: made by chance\ninputs: {{{inputs}}}\noutputs: [{last}]\neinsums: |\n{text}\n"
    )


def _needed(rows: Sequence[str], last: str) -> set[str]:
    needed = {last}
    for row in reversed(rows):
        name, expression = row.split("[", 1)[0], row.split(" = ", 1)[1]
        if name in needed:
            needed |= {other.split("[", 1)[0] for other in rows if other.split("[", 1)[0] + "[" in expression}
    return needed
