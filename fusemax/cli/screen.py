"""Text for a screen of any width, and for a file, which has none."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

NARROWEST = 24  #: columns of a last cell below which it goes on a line of its own
WIDEST = 100_000  #: columns where no terminal says how many there are: a file has none


def width() -> int:
    """Return the columns of the terminal; :data:`WIDEST` where the output goes to a file or a pipe."""
    import os

    told = os.environ.get("COLUMNS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDEST


def columns(rows: Sequence[Sequence[str]], room: int | None = None) -> str:
    """Return *rows* below each other; the last cell wraps between words, no word is broken.

    >>> print(columns([("a", "one two three"), ("long", "four")], room=12))
    a
      one two
      three
    long
      four
    >>> print(columns([("a", "one two"), ("long", "four")], room=80))
    a     one two
    long  four
    """
    room = width() if room is None else room
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    indent = sum(widths) + 2 * len(widths)
    lines: list[str] = []
    for *cells, last in rows:
        head = "".join(cell.ljust(size + 2) for cell, size in zip(cells, widths, strict=True))
        beside = room - indent >= NARROWEST
        start = " " * indent if beside else "  "
        whole = textwrap.wrap(
            last, max(room - len(start), 1), break_long_words=False, break_on_hyphens=False
        ) or [""]
        if beside:
            lines += [(head + whole[0]).rstrip(), *(start + text for text in whole[1:])]
        else:
            lines += ["  ".join(cells), *(start + text for text in whole if text)]
    return "\n".join(lines)
