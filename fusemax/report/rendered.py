"""The page itself: its template filled, pictures inside it, links to its sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusemax.plot.labels import tick
from fusemax.report.agreement import is_unexplained
from fusemax.report.words import listed, percent, times

_TEMPLATE = Path(__file__).with_name("report.html.jinja")


_CONTENTS = "<!-- contents -->"


def rendered(content: Mapping[str, Any]) -> str:
    """Return the page of *content*: what the template shows, by name."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "times": lambda value: "–" if value is None else times(value),
        "percent": lambda value: "–" if value is None else percent(value),
        "difference": difference,
        "number": lambda value: "–" if value is None else f"{value:.6g}",
        "tick": lambda value: "" if value is None else tick(value),
        "raw": Markup,
        "listed": listed,
        "begun": lambda text: text[:1].upper() + text[1:],
    }
    environment.tests["unexplained"] = is_unexplained
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return _with_contents(template.render({**content, "contents_mark": Markup(_CONTENTS)}))


def _with_contents(page: str) -> str:
    """Return *page* with links to its sections where the mark for them stands; a page of one section has none."""
    sections = re.findall(r'^<section id="([^"]+)">\n<h2>(.*?)</h2>', page, flags=re.MULTILINE)
    links = "".join(f'<li><a href="#{anchor}">{title}</a></li>\n' for anchor, title in sections)
    listed = f'<nav aria-label="Contents">\n<ol>\n{links}</ol>\n</nav>' if len(sections) > 1 else ""
    return page.replace(_CONTENTS, listed, 1)


def difference(value: float | None) -> str:
    """Return a relative difference, in percent where that reads well.

    >>> [difference(value) for value in (0.0, 3e-16, 2.4e-5, -0.021, 0.5, None)]
    ['0', '+3e-16', '+0.0024%', '−2.1%', '+50%', '–']
    """
    if value is None or value != value:
        return "–"
    if abs(value) < 1e-6:
        return f"{value:+.0e}".replace("-", "−", 1 if value < 0 else 0) if value else "0"
    return f"{100 * value:+.2g}%".replace("-", "−")
