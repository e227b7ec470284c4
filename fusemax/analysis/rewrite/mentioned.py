"""What the Einsums of a draft mention: what of the ranks, sizes and constants is still needed."""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.cascade.ir import Einsum, Tensor
from fusemax.language.syntax import Name, walk


def used_ranks(einsums: tuple[Einsum, ...], inputs: Mapping[str, Tensor]) -> set[str]:
    """Return the ranks and sizes that *einsums* and *inputs* name."""
    used = {rank for tensor in inputs.values() for rank in tensor.ranks}
    for einsum in einsums:
        used |= {variable.upper() for variable in einsum.variables}
        used |= {einsum.loop.upper()} if einsum.loop else set()
        sides = (side for condition in einsum.conditions for side in (condition.left, condition.right))
        for part in (*einsum.outputs, einsum.expression, *sides):
            used |= {node.name for node in walk(part) if isinstance(node, Name) and node.name[0].isupper()}
    return used


def is_mentioned(einsums: tuple[Einsum, ...], name: str) -> bool:
    """Return whether a formula or a condition of *einsums* has the name *name*."""
    parts = [
        p for e in einsums for p in (e.expression, *(s for c in e.conditions for s in (c.left, c.right)))
    ]
    return any(isinstance(node, Name) and node.name == name for part in parts for node in walk(part))
