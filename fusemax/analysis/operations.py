"""How many operations of each name a whole cascade does at given sizes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from fusemax.analysis.passes import Analysis
from fusemax.analysis.work import plain_operations
from fusemax.cascade.sizes import resolve_sizes

DEFAULT = 1024  #: coordinates of a rank that nobody sizes


def sizes_for(found: Analysis, given: Mapping[str, float]) -> dict[str, int]:
    """Return a size for every rank of the cascade that was analysed: the one *given*, or 1024.

    Of a rank that is split, the outermost part is as many as make the whole 1024.
    """
    cascade = found.cascade
    fixed = {name for name, rank in cascade.ranks.items() if rank.size is not None}
    sizes = {name: int(given.get(name, DEFAULT)) for name in cascade.size_symbols() if name not in fixed}
    for name, (outer, *inner) in found.plain.digits.items():
        if name in cascade.ranks and outer in sizes and outer not in given:
            sizes[outer] = max(1, DEFAULT // prod(sizes.get(digit, DEFAULT) for digit in inner))
    return resolve_sizes(cascade, sizes)


def operation_counts(found: Analysis, sizes: Mapping[str, int]) -> dict[str, float]:
    """Return how many operations of each name (``mac``, ``max``, ``exp``) the cascade does, every rank of the size in *sizes*.

    >>> from fusemax.analysis.passes import analyse
    >>> from fusemax.cascade.build import load_cascade
    >>> found = analyse(load_cascade("softmax/stable"))
    >>> operation_counts(found, sizes_for(found, {"M": 8, "P": 1}))["div"]
    8.0
    """
    counts: dict[str, float] = {}
    for einsum in found.cascade.computed:
        for operation in plain_operations(found.cascade, einsum):
            number = prod(sizes[variable.upper()] for variable in operation.variables)
            counts[operation.name] = counts.get(operation.name, 0.0) + number
    return counts
