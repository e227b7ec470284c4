"""The report as one HTML file: pictures inside it, no scripts, nothing fetched, the same bytes each run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax import __version__
from fusemax.errors import FusemaxError
from fusemax.files import file_hash, replace_file
from fusemax.plot.labels import tick
from fusemax.plot.spec import Picture
from fusemax.report import story
from fusemax.report.study import Points, Study
from fusemax.report.summary import (
    EQUAL,
    Agreement,
    Headline,
    Numbers,
    agreements,
    headline,
    is_unexplained,
    ratios,
)
from fusemax.table.store import USUAL, read_columns, read_tables
from fusemax.table.table import Table, Tables, need_columns

if TYPE_CHECKING:
    import polars

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_CONTENTS = "<!-- contents -->"
NEEDED = ("part", "configuration")
COMPARED = (
    "table",
    "part",
    "configuration",
    "seq_len",
    "quantity",
    "published",
    "ours",
    "relative_difference",
    "reason",
)


@dataclass(frozen=True, slots=True)
class _Picture:
    """One figure of the page."""

    name: str
    svg: str
    caption: str
    file: str
    is_wide: bool


def write(folder: Path, study: Study) -> Path:
    """Return ``report.html`` in *folder*, written from the tables and the SVG files that lie there.

    Raises
    ------
    FusemaxError
        When a table, one of its columns or a figure is missing, or a baseline is no configuration.
    """
    if study.points:
        tables = read_tables(folder)
        content = {**_common(folder, tables.tables, study), **_points(tables, study.points)}
    else:  # the tables are not looked at: they may be larger than memory
        content = {**_common(folder, (*read_columns(folder), *USUAL), study), **_NO_POINTS}
    return replace_file(folder / "report.html", _render(content))


def _common(folder: Path, tables: Iterable[str], study: Study) -> dict[str, Any]:
    """Return what the page of every kind of study shows, by the name that the template has for it."""
    return {
        "study": study,
        "version": __version__,
        "pictures": [_picture(folder, picture, at) for at, picture in enumerate(study.pictures, 1)],
        "columns": read_columns(folder),
        "hashes": _hashes(folder, dict.fromkeys(tables)),
    }


_NO_POINTS: Mapping[str, Any] = {
    "points": None, "scope": None, "headlines": [], "leads": [], "stories": [], "agreement": "", "agreements": (),
    "groups": [], "reasons": [], "labels": [], "comparison": [],
}  # fmt: skip


def _points(tables: Tables, points: Points) -> dict[str, Any]:
    """Return what the page of a study of configurations at points shows besides."""
    results = tables.table("results").frame
    need_columns(results, NEEDED, "results")
    compared = tables.get("comparison")
    comparison = None if compared is None else compared.frame
    if comparison is not None:
        need_columns(comparison, COMPARED, "comparison")
    numbers = Numbers(tables.table("results"), comparison, points.labels, points.sums)
    heads = _headlines(tables.table("results"), numbers, points)
    found = () if comparison is None else agreements(comparison)
    return {
        "points": points,
        "scope": _scope(results, numbers),
        "headlines": heads,
        "leads": [text for head in heads if (text := story.lead(numbers, head, points.baselines))],
        "stories": [(head.part, story.steps(numbers, head)) for head in heads],
        "agreement": story.agreement(found),
        "agreements": found,
        "groups": _groups(found),
        "reasons": list(dict.fromkeys(reason for item in found for reason in item.reasons)),
        "labels": [] if comparison is None else [n for n in numbers.labels if n in comparison.columns],
        "comparison": [] if comparison is None else comparison.to_dicts(),
    }


def _headlines(results: Table, numbers: Numbers, points: Points) -> list[Headline]:
    """Return the means of each part that the story tells of: those asked for, or all that tell something."""
    frame = results.frame
    everywhere = set(
        frame["configuration"]
    )  # a baseline that is nowhere is a mistake, one of another part is not
    found = []
    for part in points.parts or frame["part"].unique(maintain_order=True):
        names = frame.filter(frame["part"] == part)["configuration"].unique(maintain_order=True).to_list()
        baselines = [name for name in points.baselines if name in names or name not in everywhere]
        if points.parts or _differs(numbers, part, names):
            found.append(headline(numbers, results, part, baselines or names[:1]))
    return found


def _differs(numbers: Numbers, part: str, names: Sequence[str]) -> bool:
    """Return whether a configuration of *part* is faster or slower than the first somewhere, or does not fit."""
    cases = [case for name in names for case in numbers.cases(part, name)]
    return any(numbers.lost(case) for case in cases) or any(
        abs(ratio - 1) > EQUAL for ratio in ratios(numbers, cases, numbers.time, names[0]).values()
    )


def _scope(results: polars.DataFrame, numbers: Numbers) -> dict[str, Any]:
    """Return how many points there are, and the labels, lengths and configurations that they span."""
    label = numbers.label_of(results)
    lengths = sorted(results["seq_len"].drop_nulls().unique()) if "seq_len" in results.columns else []
    values = [] if label is None else results[label].drop_nulls().unique(maintain_order=True).to_list()
    texts = [value if isinstance(value, str) else f"{label} {tick(value)}" for value in values]
    return {
        "points": results.height,
        "labels": texts,
        "lengths": [tick(length) for length in lengths],
        "configurations": results["configuration"].unique(maintain_order=True).to_list(),
    }


def _groups(found: Sequence[Agreement]) -> list[tuple[str, list[Agreement]]]:
    tables: dict[str, list[Agreement]] = {}
    for item in found:
        tables.setdefault(item.table, []).append(item)
    return list(tables.items())


def _picture(folder: Path, picture: Picture, position: int) -> _Picture:
    path = folder / f"{picture.file}.svg"
    if not picture.paths:
        return _Picture(picture.title or picture.file, "", picture.caption, "", is_wide=False)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FusemaxError(f"{path}: the figure cannot be read ({error.strerror})") from None
    numbered = re.match(r"figure-0*(\d+[a-z]?)-", picture.file)
    width = re.search(r'<svg[^>]*?\bwidth="([\d.]+)pt"', text)
    return _Picture(
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


def _hashes(folder: Path, tables: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of the CSV file of each of *tables* in *folder*."""
    paths = (folder / f"{name}.csv" for name in tables)
    return {path.name: file_hash(path) for path in paths if path.is_file()}


def _render(content: Mapping[str, Any]) -> str:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "times": lambda value: "–" if value is None else story.times(value),
        "percent": lambda value: "–" if value is None else story.percent(value),
        "difference": difference,
        "number": lambda value: "–" if value is None else f"{value:.6g}",
        "tick": lambda value: "" if value is None else tick(value),
        "raw": Markup,
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
