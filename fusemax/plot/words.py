"""Words that have room: how wide a text is, and what stands for one that is too wide."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from unicodedata import east_asian_width

from fusemax.plot.labels import value_text
from fusemax.table.column import Column

POINTS = 8.0  #: size of the smallest text
CUT = "…"
LONGEST_TICK = 1.5  #: inches of a name below an axis
LONGEST_NAME = 2.4  #: inches of a name left of a row


@cache
def inches(text: str, points: float = POINTS, weight: str = "normal") -> float:
    """Return how wide *text* is, in inches; a letter of a wide script, which other fonts draw, is as wide as it is high.

    >>> round(inches("latency (s)"), 1), inches("融合") >= 2 * POINTS / 72
    (0.6, True)
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    wide = sum(east_asian_width(letter) in "WF" for letter in text)
    narrow = "".join(letter for letter in text if east_asian_width(letter) not in "WF")
    font = FontProperties(family="sans-serif", size=points, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(narrow or " ", font, ismath=False)
    return (width * (bool(narrow)) + wide * points) / 72


def widest(texts: Sequence[str]) -> float:
    """Return the inches of the widest of *texts*."""
    return max(map(inches, texts), default=0.0)


def cut(texts: Sequence[str], room: float) -> tuple[str, ...]:
    """Return *texts*, those wider than *room* inches cut: at their ends, or in the middle where the ends tell them apart.

    A few words in brackets at the end stay.

    >>> cut(["a long name of a first thing", "a long name of a second thing", "short"], 1.0)
    ('a long n…st thing', 'a long …nd thing', 'short')
    >>> cut(["a long name of a thing (M)"], 1.0)
    ('a long nam… (M)',)
    """
    ended = [_ended(text, room) for text in texts]
    if len(set(ended)) < len(set(texts)):
        ended = [_middled(text, room) for text in texts]
    return tuple(ended)


def _ended(text: str, room: float) -> str:
    if inches(text) <= room:
        return text
    start = text.rfind(" (") if text.endswith(")") else -1
    kept = CUT + text[start:] if start > 0 and inches(text[start:]) < room / 3 else CUT
    count = next((n for n in range(len(text), 0, -1) if inches(text[:n].rstrip() + kept) <= room), 1)
    return text[:count].rstrip() + kept


def _middled(text: str, room: float) -> str:
    if inches(text) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        found = text[: kept // 2] + CUT + text[-(kept - kept // 2) :]
        if inches(found) <= room:
            return found
    return text[:1] + CUT


def told_apart(values: Sequence[object], column: Column | None) -> tuple[str, ...]:
    """Return the texts of *values* of *column*, with as many digits as tell them apart.

    >>> told_apart([500e6, 500.5e6], Column(name="clock", role="size", unit="Hz"))
    ('500 MHz', '500.5 MHz')
    """

    def written(digits: int) -> tuple[str, ...]:
        return tuple(
            value if isinstance(value, str) else value_text(value, column, digits) for value in values
        )

    found = map(written, range(3, 16))
    return next((texts for texts in found if len(set(texts)) == len(set(values))), written(15))
