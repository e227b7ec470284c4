"""The figures of a page: each with its drawing, caption and number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fusemax.errors import FusemaxError
from fusemax.plot.spec import Picture


@dataclass(frozen=True, slots=True)
class Shown:
    """One figure of the page."""

    name: str
    svg: str
    caption: str
    file: str
    is_wide: bool


def picture_of(folder: Path, picture: Picture, position: int) -> Shown:
    """Return what the page shows of *picture*, read from *folder*; raise FusemaxError where its file is missing."""
    path = folder / f"{picture.file}.svg"
    if not picture.paths:
        return Shown(picture.title or picture.file, "", picture.caption, "", is_wide=False)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FusemaxError(f"{path}: the figure cannot be read ({error.strerror})") from None
    numbered = re.match(r"figure-0*(\d+[a-z]?)-", picture.file)
    width = re.search(r'<svg[^>]*?\bwidth="([\d.]+)pt"', text)
    return Shown(
        name=f"Figure {numbered[1] if numbered else position}",
        svg=inline_svg(text, picture.file, picture.title or picture.file),
        caption=picture.caption,
        file=picture.file,
        is_wide=width is None or float(width[1]) > 300,
    )


def inline_svg(text: str, name: str, label: str) -> str:
    """Return the SVG document *text* as an element of a page.

    Its identifiers begin with *name*, so that those of several pictures on a page do not meet; it has no
    fixed size and bears *label* for readers who hear the page.

    Raises
    ------
    FusemaxError
        When *text* is no SVG document.
    """
    start = text.find("<svg")
    if start < 0:
        raise FusemaxError(f"{name}.svg: not an SVG document")
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", text[start:], flags=re.DOTALL)
    head, close, rest = body.partition(">")
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    safe = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    joined = f'{head} role="img" aria-label="{safe}"{close}{rest}'
    joined = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', joined)
    joined = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", joined)
    return re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', joined).strip()
