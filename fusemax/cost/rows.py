"""The functions of bands, tasks and circuits for many rows of operands at once, compiled and kept between processes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fusemax.cost import band, deal
from fusemax.cost.code import LISTED, SEVERAL, helpers
from fusemax.cost.kept import is_kept, load_kept
from fusemax.cost.lower import HEADER, TYPES

FUNCTION = re.compile(r"^(def (\w+)\(.*\n(?:(?:[ \t)].*)?\n)*)", re.MULTILINE)  #: with what stands in it


def compiled_rows(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function called *name* (of :data:`~fusemax.cost.code.SEVERAL` or LISTED) for many rows of operands at once.

    It takes float64[rows, operands] and returns float64[rows, values], with the bits of the plain function. The first time
    it takes some seconds to compile: it, and what it calls.
    """
    return _compiled(name)


@lru_cache(maxsize=64)
def is_compiled(name: str) -> bool:
    """Return whether :func:`compiled_rows` of *name* took no time to compile when this was first asked."""
    return is_kept(_source(name))


@lru_cache(maxsize=64)
def _compiled(name: str) -> Callable[[np.ndarray], np.ndarray]:
    return load_kept(_source(name))[f"{name}_rows"]


def _source(name: str) -> str:
    text = f"from numpy import empty\n{HEADER}{helpers([name])}{_rows(name)}"
    source = _with_only(text, f"{name}_rows")
    types = {**TYPES, f"{name}_rows": "float64[:, ::1](float64[:, ::1])"}
    for function, signature in types.items():
        decorated = f'@njit("{signature}", cache=True, nogil=True, error_model="numpy")\ndef {function}('
        source = source.replace(f"\ndef {function}(", f"\n{decorated}")
    return source


def _with_only(text: str, wanted: str) -> str:
    """Return *text* without the functions that the one called *wanted* does not call, directly or not."""
    bodies = {name: body for body, name in FUNCTION.findall(text)}
    called = {name: bodies.keys() & set(re.findall(r"\w+", body)) for name, body in bodies.items()}
    kept, reached = set[str](), {wanted}
    while reached:
        kept |= reached
        reached = {other for name in reached for other in called[name]} - kept
    return FUNCTION.sub(lambda found: found[1] if found[2] in kept else "", text)


def plain(name: str) -> Callable[..., Any]:
    """Return the function called *name* for the operands of one row."""
    modules = LISTED.get(name, (band, deal))
    function = next(getattr(module, name) for module in modules if hasattr(module, name))
    return (lambda *row: function(list(row))) if name in LISTED else function


def _rows(name: str) -> str:
    """Return the text of a function that calls *name* for every row."""
    if name in LISTED:
        call = f"{name}([rows[i, n] for n in range(rows.shape[1])])"
        several, values = TYPES[name].startswith("List"), f"len({call.replace('rows[i', 'rows[0')})"
        store = (
            ["for n in range(len(found)):", "    results[i, n] = found[n]"]
            if several
            else ["results[i, 0] = found"]
        )
    else:
        call = f"{name}({', '.join(f'rows[i, {n}]' for n in range(SEVERAL[name]))})"
        several = TYPES[name].startswith("UniTuple")
        values = TYPES[name].split(",")[1].split(")")[0].strip() if several else "1"
        store = [f"results[i, {n}] = found{f'[{n}]' if several else ''}" for n in range(int(values))]
    lines = [
        f"def {name}_rows(rows):",
        f"    results = empty((rows.shape[0], {values if several else 1}))",
        "    for i in range(rows.shape[0]):",
        f"        found = {call}",
        *(f"        {line}" for line in store),
        "    return results",
    ]
    return "\n\n" + "\n".join(lines) + "\n"
