"""Text for a screen of any width, and for a file, which has none: numbers and words are never broken."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NARROWEST = 24  #: columns of a last cell below which it goes on a line of its own
WIDEST = 1000  #: columns where no terminal says how many there are


def width() -> int:
    """Return the columns of the terminal, or what ``$COLUMNS`` says; :data:`WIDEST` where the output goes to a file."""
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and len(told) < 6 and int(told) > 0:
        return int(told)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDEST


def console(stderr: bool = False, highlight: bool = True) -> Console:
    """Return a console of rich that takes texts as they are and keeps the words of tables whole.

    A table that has no room shows whole words all the same: the terminal then wraps its lines, and nothing is lost.
    """
    from rich.console import Console
    from rich.table import Table

    class Screen(Console):
        """A console that gives a table the room that its longest words need."""

        def print(self, *objects: Any, **choices: Any) -> None:
            """Print *objects*, as a console does."""
            for table in objects:
                if isinstance(table, Table):
                    _keep_words(table)
                    choices = {"crop": False, **choices}
            super().print(*objects, **choices)

    room = None if stderr else width()
    return Screen(markup=False, highlight=highlight, stderr=stderr, width=room)


def _keep_words(table: Table) -> None:
    """Give each column of *table* at least the room of its longest word; of its longest line, where lines are not wrapped."""
    for column in table.columns:
        texts = [str(cell) for cell in (column.header, *column.cells)]
        words = [word for text in texts for word in (text.split("\n") if column.no_wrap else text.split())]
        column.min_width = max([column.min_width or 0, *map(len, words)])


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", is_plain: bool = False
) -> Table:
    """Return *rows* below their *headings*; one that begins with ``>`` is of numbers, which stand right.

    Without headings rows stand for themselves; a plain table has no lines.
    """
    from rich.table import Table

    look: Any = {"box": None, "pad_edge": False} if is_plain else {}
    found = Table(title=title or None, title_justify="left", show_header=bool(headings), **look)
    for heading in headings:
        found.add_column(heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left")
    for row in rows:
        found.add_row(*row)
    return found


def columns(rows: Sequence[Sequence[str]], room: int | None = None) -> str:
    """Return *rows* below each other; the last cell wraps between words in *room* columns, those of a terminal if None.

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
    if room is None:
        room = width()
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
