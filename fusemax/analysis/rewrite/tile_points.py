"""What a tile of the split form is counted and divided by: its points, and a named correction written out."""

from __future__ import annotations

from typing import Any

import sympy

from fusemax.analysis.rewrite.loops import Writer
from fusemax.analysis.rewrite.symbols import to_sympy
from fusemax.analysis.rewrite.tiles import Frame
from fusemax.cascade.ir import Einsum
from fusemax.language.syntax import Binary, Call, Expression, Name


def points_of_tile(frame: Frame) -> Expression:
    """Return how many points a tile has; the last one may have fewer."""
    tile, size = Name(frame.inner[0].upper()), Name(frame.seen.variables[0].upper())
    left = Binary("-", size, Binary("*", Name(frame.outer), tile))
    return Call("min", (tile, left))


def expanded(factor: sympy.Expr, made: list[Einsum], writer: Writer) -> sympy.Expr:
    """Return a named correction written out again, to see what it divides by."""
    table: dict[Any, Any] = {
        writer.symbol(e.output): to_sympy(e.expression, writer.positive) for e in made if not e.action
    }
    return table.get(factor, factor)
