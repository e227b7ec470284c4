"""Ranks in parts: which sizes are products of the sizes of other ranks."""

from __future__ import annotations

from fusemax.cascade.ir import Rank
from fusemax.language.syntax import Binary, Expression, Name


def parts(rank: Rank | None) -> tuple[str, ...]:
    """Return the ranks whose sizes multiply to that of *rank*, outermost first; none for any other size."""
    found = _factors(rank.size) if rank is not None and rank.size is not None else ()
    return found if len(found) > 1 else ()


def _factors(size: Expression) -> tuple[str, ...]:
    if isinstance(size, Name):
        return (size.name,)
    if isinstance(size, Binary) and size.operator == "*":
        left, right = _factors(size.left), _factors(size.right)
        return (*left, *right) if left and right else ()
    return ()
