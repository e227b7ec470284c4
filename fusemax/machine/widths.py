"""Cycles of an operation by the width of its operands: ``mac: {8 bit: 1/2, 16 bit: 1}``.

An operation takes the cycles of the least width that holds its widest operand. Operands that are wider than every entry take
the widest one's cycles as many times as they are as wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fusemax.language.syntax import Binary, Call, Expression, Number
from fusemax.quantity import QuantityError, quantity


def is_width(key: object) -> bool:
    """Return whether *key* of an operation is a width of operands.

    >>> is_width("8 bit"), is_width("2 B"), is_width("mac")
    (True, True, False)
    """
    try:
        return isinstance(key, str) and quantity(key, "B") > 0
    except QuantityError:
        return False


def width_name(key: str) -> str:
    """Return the word for a width in the names of figures.

    >>> width_name("8 bit"), width_name("2 B")
    ('8bit', '16bit')
    """
    return f"{quantity(key, 'B') * 8:g}bit"


def text_of_widths(operation: str, widths: Mapping[str, object]) -> str:
    """Return the formula of the cycles of *operation* for operands of the machine's ``word``.

    Raises
    ------
    ValueError
        For a key that is no width, a width under two keys, and cycles that are no number or formula.
    """
    wrong = [key for key in widths if not is_width(key)]
    if wrong:
        raise ValueError(f"operation {operation!r}: {wrong[0]!r} is no width\nhint: write it as '8 bit'")
    names = [width_name(key) for key in widths]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"operation {operation!r} has the width {twice[0]} twice")
    strange = [v for v in widths.values() if isinstance(v, bool) or not isinstance(v, str | int | float)]
    if strange and not all(isinstance(value, Expression) for value in strange):
        raise ValueError(f"operation {operation!r}: expected cycles, got {strange[0]!r}")
    ordered = sorted((quantity(key, "B"), str(value)) for key, value in widths.items())
    widest, cycles = ordered[-1]
    text = f"({cycles})*max(1, word/{widest!r})"
    for width, cycles in reversed(ordered[:-1]):
        text = f"where(le(word, {width!r}), {cycles}, {text})"
    return text


def cycles_at(entries: Iterable[tuple[float, Expression]], width: Expression) -> Expression:
    """Return the cycles of an operation whose widest operand has *width* bytes; *entries* are cycles by width in bytes.

    >>> from fusemax.language.syntax import Name
    >>> entries = [(1.0, Name("narrow")), (2.0, Name("wide"))]
    >>> [str(cycles_at(entries, Number(bytes_))) for bytes_ in (0.5, 1.0, 2.0, 4.0)]
    ['narrow', 'narrow', 'wide', 'wide*2']
    """
    ordered = sorted(entries, key=lambda entry: entry[0])
    return _known(ordered, width.value) if isinstance(width, Number) else _chosen(ordered, width)


def _known(ordered: Sequence[tuple[float, Expression]], width: float) -> Expression:
    for most, cycles in ordered:
        if width <= most:
            return cycles
    widest, cycles = ordered[-1]
    return Binary("*", cycles, Number(width / widest))


def _chosen(ordered: Sequence[tuple[float, Expression]], width: Expression) -> Expression:
    widest, cycles = ordered[-1]
    times = Call("max", (Number(1.0), Binary("/", width, Number(widest))))
    found: Expression = Binary("*", cycles, times)
    for most, entry in reversed(ordered[:-1]):
        found = Call("where", (Call("le", (width, Number(most))), entry, found))
    return found


def widest_of(widths: Sequence[Expression]) -> Expression:
    """Return the largest of *widths*: a number where all are.

    >>> from fusemax.language.syntax import Name
    >>> str(widest_of([Number(1.0), Number(2.0)])), str(widest_of([Name("word"), Number(2.0)]))
    ('2', 'max(word, 2)')
    """
    if all(isinstance(width, Number) for width in widths):
        return Number(max(width.value for width in widths if isinstance(width, Number)))
    distinct = tuple(dict.fromkeys(widths))
    return distinct[0] if len(distinct) == 1 else Call("max", distinct)
