"""The functions of bands and of dealt tasks for many rows of operands at once, compiled and kept between processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from fusemax.cost import band, deal, visits
from fusemax.cost.code import LISTED, SEVERAL, functions_of
from fusemax.cost.kept import load_kept
from fusemax.cost.lower import HEADER, TYPES


@lru_cache(maxsize=1)
def compiled_rows() -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the functions of :data:`~fusemax.cost.code.SEVERAL` for many rows of operands at once, through numba.

    Each takes float64[rows, operands] and returns float64[rows, values], with the bits of the plain function. The first time
    they take some seconds to compile.
    """
    text = functions_of(band) + functions_of(deal)
    for name, operands in SEVERAL.items():
        text += _rows(name, operands)
    return _compiled(text, tuple(SEVERAL))


@lru_cache(maxsize=1)
def compiled_lists() -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the functions of :data:`~fusemax.cost.code.LISTED` in the same way: the operands of a row are the list."""
    modules = dict.fromkeys(module for needed in LISTED.values() for module in needed)
    text = "".join(functions_of(module) for module in modules)
    for name in LISTED:
        text += _listed_rows(name)
    return _compiled(f"\nVISITS = {visits.VISITS}\n{text}", tuple(LISTED))


def _compiled(text: str, wanted: Sequence[str]) -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the compiled ``NAME_rows`` of *text* for the names *wanted*."""
    types = TYPES | {f"{name}_rows": "float64[:, ::1](float64[:, ::1])" for name in wanted}
    source = f"from numpy import empty\n{HEADER}{text}"
    for function, signature in types.items():
        decorated = f'@njit("{signature}", cache=True, nogil=True, error_model="numpy")\ndef {function}('
        source = source.replace(f"\ndef {function}(", f"\n{decorated}")
    found = load_kept(source)
    return {name: found[f"{name}_rows"] for name in wanted}


def _listed_rows(name: str) -> str:
    """Return the text of a function that calls *name* with every row as a list."""
    several = TYPES[name].startswith("List")
    lines = [
        f"def {name}_rows(rows):",
        "    wide = rows.shape[1]",
        f"    values = len({name}([rows[0, n] for n in range(wide)]))" if several else "    values = 1",
        "    results = empty((rows.shape[0], values))",
        "    for i in range(rows.shape[0]):",
        f"        found = {name}([rows[i, n] for n in range(wide)])",
        "        for n in range(values):",
        f"            results[i, n] = found{'[n]' if several else ''}",
        "    return results",
    ]
    return "\n\n" + "\n".join(lines) + "\n"


def _rows(name: str, operands: int) -> str:
    """Return the text of a function that calls *name* for every row."""
    several = TYPES[name].startswith("UniTuple")
    values = int(TYPES[name].split(",")[1].split(")")[0]) if several else 1
    lines = [
        f"def {name}_rows(rows):",
        f"    results = empty((rows.shape[0], {values}))",
        "    for i in range(rows.shape[0]):",
        f"        found = {name}({', '.join(f'rows[i, {n}]' for n in range(operands))})",
        *(f"        results[i, {n}] = found{f'[{n}]' if several else ''}" for n in range(values)),
        "    return results",
    ]
    return "\n\n" + "\n".join(lines) + "\n"
