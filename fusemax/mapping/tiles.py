"""Tile formulas that use other tiles (``M0: 256 - P0``), written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fusemax.cascade.ir import is_variable
from fusemax.language.formula import substituted
from fusemax.language.syntax import Binary, Call, Expression, Name, Negative, names
from fusemax.mapping.spec import Fit, Rule


class TileError(ValueError):
    """Tiles that need each other, or one that is not known before the costs are; the text says which."""


def written_out(key: str, tiles: Mapping[str, Rule]) -> Rule:
    """Return the rule of tile *key* with other tiles in it replaced by their rules.

    Raises
    ------
    TileError
        When tiles need each other, or a tile is found by ``fit``.

    >>> from fusemax.language.formula import formula
    >>> str(written_out("M0", {"P0": formula("2*E", "1"), "M0": formula("256 - P0", "1")}))
    '256 - 2*E'
    """
    return _rule(key, tiles, (key,))


def _rule(key: str, tiles: Mapping[str, Rule], around: tuple[str, ...]) -> Rule:
    rule = tiles[key]
    return rule if isinstance(rule, Fit) else _expression(rule, tiles, around)


def _expression(expression: Expression, tiles: Mapping[str, Rule], around: tuple[str, ...]) -> Expression:
    if isinstance(expression, Name):
        return _other(expression, tiles, around)
    if isinstance(expression, Call):
        arguments = tuple(_expression(a, tiles, around) for a in expression.arguments)
        return replace(expression, arguments=arguments)
    if isinstance(expression, Binary):
        left, right = (_expression(side, tiles, around) for side in (expression.left, expression.right))
        return replace(expression, left=left, right=right)
    if isinstance(expression, Negative):
        return replace(expression, operand=_expression(expression.operand, tiles, around))
    return expression


def _other(name: Name, tiles: Mapping[str, Rule], around: tuple[str, ...]) -> Expression:
    if name.name not in tiles or name.name == around[-1]:
        return name
    if name.name in around:
        raise TileError(f"{' and '.join(sorted(around))} need each other")
    rule = _rule(name.name, tiles, (*around, name.name))
    if isinstance(rule, Fit):
        raise TileError(f"{name.name} is found by fit(): no other tile can use it")
    return rule


def tile_expression(rule: Expression) -> Expression:
    """Return a tile rule with dotted figures under their full names."""
    return substituted(rule, {})


def variables_of(expression: Expression) -> tuple[str, ...]:
    """Return the rank variables in an index expression."""
    return tuple(name for name in names(expression) if is_variable(name))
