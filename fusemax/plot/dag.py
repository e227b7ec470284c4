"""The data flow of a cascade as a picture: Einsums coloured by pass, pass boundaries drawn, crossing tensors heavy.

Einsums stand in rows from the top down; a row holds those that need only rows above it. Between two passes over the
chosen rank runs a boundary: what crosses it with that rank has to be kept whole, loaded again or made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path as File
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from fusemax.analysis.answer import RankPasses
from fusemax.analysis.passes import Analysis
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.errors import FusemaxError
from fusemax.plot.style import styled

# Light tints of Okabe and Ito's colours, told apart by lightness too; the last stands for Einsums without the rank.
TINTS = ("#cfe8f7", "#fbe0a6", "#bfe6d8", "#f3cfe2", "#f7cdb3", "#f8f2a9")
PLAIN, EDGE, HEAVY = "#eeeeee", "#8a8a8a", "#b04a00"
LETTER, HEIGHT, ROW, GAP, MARGIN, ROOM = 0.062, 0.22, 0.42, 0.16, 0.12, 0.6  #: inches
SLOT = 0.12  #: inches for a tensor that passes a row
LONGEST = 46  #: letters of an Einsum that are shown
LEAST_WIDTH = 3.75  #: inches, for the line under the title


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One Einsum, or one input, in the picture: its text, its place in inches, its pass."""

    name: str
    text: str
    x: float
    y: float
    width: float
    level: int | None
    is_input: bool


def draw(cascade: Cascade, analysis: Analysis, path: File, rank: str | None = None) -> File:
    """Return *path* after the picture of *cascade* stands there; its ending tells the format (svg, png, pdf).

    Raises
    ------
    FusemaxError
        When the rank does not exist, or the file cannot be written.
    """
    entry = analysis.rank(rank) if rank else analysis.main
    rows, bands = _rows(cascade, entry)
    boxes = _placed(cascade, entry, rows)
    left = min(box.x - box.width / 2 for box in boxes.values()) - ROOM
    right = max(*(box.x + box.width / 2 + ROOM for box in boxes.values()), left + LEAST_WIDTH)
    top, bottom = 0.56, -(len(rows) - 1) * ROW - HEIGHT / 2 - MARGIN
    with styled(), matplotlib.rc_context({"svg.fonttype": "path"}):
        figure = Figure(figsize=(right - left, top - bottom))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        axes.axis("off")
        _title(axes, cascade, analysis, entry)
        _boundaries(axes, bands)
        _arrows(axes, cascade, entry, boxes)
        for box in boxes.values():
            if box.text:
                _box(axes, box)
        try:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=200)
        except (OSError, ValueError) as error:
            raise FusemaxError(f"{path}: cannot be drawn ({error})") from None
    return path


def _rows(cascade: Cascade, entry: RankPasses) -> tuple[list[list[str]], list[int]]:
    """Return the names row by row, and the numbers of the rows above which a later pass begins.

    A tensor that is read further down holds a narrow place, called after it, in each row in between.
    """
    level = {name: at.number for at in entry.levels for name in at.einsums}
    before = _predecessors(cascade)
    row: dict[str, int] = {}
    begins: dict[int, int] = {}
    band: dict[str, int] = {}
    for einsum in cascade.computed:
        above = [name for name in before[einsum.name] if name in band]
        band[einsum.name] = max([level.get(einsum.name, 1), *(band[name] for name in above)])
    at = 1
    for number in sorted(set(band.values())):
        begins[number] = at
        members = [name for name in band if band[name] == number]
        for name in members:
            row[name] = max([at, *(row[b] + 1 for b in before[name] if b in row)])
        at = max(row[name] for name in members) + 1
    for name in cascade.inputs:
        row[name] = min((row[n] for n in before if name in before[n]), default=1) - 1
    return _ordered(_with_passing(row, before), before, row), list(begins.values())[1:]


def _predecessors(cascade: Cascade) -> dict[str, list[str]]:
    """Return, for each Einsum, the inputs and the Einsums that it reads, initial values and itself left out."""
    maker = {output.tensor: einsum.name for einsum in cascade.computed for output in einsum.outputs}
    before: dict[str, list[str]] = {}
    for einsum in cascade.computed:
        sources = dict.fromkeys(maker.get(access.tensor, access.tensor) for access in einsum.reads)
        before[einsum.name] = [name for name in sources if name != einsum.name]
    return before


def _passing(name: str, row: int) -> str:
    """Return what the place of tensor *name* in a row that it only passes is called."""
    return f"{name} {row}"


def _with_passing(row: Mapping[str, int], before: Mapping[str, Sequence[str]]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(row.values()) + 1)]
    for name, at in row.items():
        rows[at].append(name)
    for name, at in row.items():
        last = max((row[reader] for reader in before if name in before[reader]), default=at)
        for between in range(at + 1, last):
            rows[between].append(_passing(name, between))
    return rows


def _ordered(
    rows: list[list[str]], before: Mapping[str, Sequence[str]], row: Mapping[str, int]
) -> list[list[str]]:
    """Return the rows with each name near the middle of what it is joined to, by a few sweeps down and up."""
    joined: dict[str, list[str]] = {name: [] for names in rows for name in names}
    for reader, sources in before.items():
        for source in sources:
            way = [source, *(_passing(source, r) for r in range(row[source] + 1, row[reader])), reader]
            for one, other in pairwise(way) if row[source] < row[reader] else ():
                joined[one].append(other)
                joined[other].append(one)
    place = {name: (at + 0.5) / len(names) for names in rows for at, name in enumerate(names)}
    for _ in range(6):
        for number in (*range(len(rows)), *reversed(range(len(rows)))):
            middle = {n: sum(place[j] for j in joined[n]) / max(1, len(joined[n])) for n in rows[number]}
            rows[number].sort(key=lambda name: middle[name])
            place |= {name: (at + 0.5) / len(rows[number]) for at, name in enumerate(rows[number])}
    return rows


def _placed(cascade: Cascade, entry: RankPasses, rows: list[list[str]]) -> dict[str, Box]:
    level = {name: at.number for at in entry.levels for name in at.einsums}
    texts = {name: f"{name}[{', '.join(cascade.tensors[name].ranks)}]" for name in cascade.inputs}
    texts |= {einsum.name: _shown(einsum) for einsum in cascade.computed}
    widths = [[len(texts[name]) * LETTER + 0.14 if name in texts else SLOT for name in row] for row in rows]
    widest = max([4.0, *(sum(row) + GAP * (len(row) - 1) for row in widths)])
    boxes: dict[str, Box] = {}
    for number, (row, sizes) in enumerate(zip(rows, widths, strict=True)):
        x = MARGIN + (widest - sum(sizes) - GAP * (len(row) - 1)) / 2
        for name, size in zip(row, sizes, strict=True):
            boxes[name] = Box(
                name=name,
                text=texts.get(name, ""),
                x=x + size / 2,
                y=-number * ROW,
                width=size,
                level=level.get(name),
                is_input=name in cascade.inputs,
            )
            x += size + GAP
    return boxes


def _shown(einsum: Einsum) -> str:
    text = str(einsum)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _title(axes: Axes, cascade: Cascade, analysis: Analysis, entry: RankPasses) -> None:
    passes = _passes(entry)
    for whole, parts in analysis.plain.digits.items():
        if entry.rank in parts:
            passes = f"{_passes(analysis.rank(whole))} over {whole}; in each tile {passes}"
    left = axes.get_xlim()[0] + MARGIN
    axes.text(left, 0.46, cascade.name, fontweight="bold", va="center")
    words = f"{passes} over {entry.rank}; heavy: crosses into a later pass; dashed: previous step"
    axes.text(left, 0.28, words, va="center", color="#555555", fontsize=7)


def _passes(entry: RankPasses) -> str:
    return "1 pass" if entry.passes == 1 else f"{entry.passes} passes"


def _boundaries(axes: Axes, bands: Sequence[int]) -> None:
    left, right = (x + sign * MARGIN for x, sign in zip(axes.get_xlim(), (1, -1), strict=True))
    dashes = {"color": "#333333", "linestyle": (0, (5, 3)), "linewidth": 0.8, "zorder": 0}
    for number, row in enumerate(bands, start=2):
        y = -(row - 0.5) * ROW
        axes.plot([left, right], [y, y], **dashes)
        axes.text(right, y - 0.03, f"pass {number}", ha="right", va="top", fontsize=6.5, color="#333333")


def _arrows(axes: Axes, cascade: Cascade, entry: RankPasses, boxes: Mapping[str, Box]) -> None:
    crossing = {*entry.crossing, *entry.read_again}
    maker = {output.tensor: einsum.name for einsum in cascade.computed for output in einsum.outputs}
    for einsum in cascade.computed:
        drawn: set[str] = set()
        for tensor in dict.fromkeys(access.tensor for access in einsum.reads):
            name = maker.get(tensor, tensor)
            if name == einsum.name or name in drawn:
                continue
            drawn.add(name)
            start, end = boxes[name], boxes[einsum.name]
            heavy = tensor in crossing and (end.level or 0) > _from_level(cascade, start, boxes)
            look: dict[str, Any] = (
                {"linewidth": 1.7, "color": HEAVY} if heavy else {"linewidth": 0.8, "color": EDGE}
            )
            look["zorder"] = 2 if heavy else 1
            if start.y > end.y:
                rows = range(round(-start.y / ROW) + 1, round(-end.y / ROW))
                _down(axes, [start, *(boxes[_passing(name, row)] for row in rows), end], look)
            else:
                _back(axes, start, end, boxes, look)


def _from_level(cascade: Cascade, start: Box, boxes: Mapping[str, Box]) -> int:
    """Return the pass in which a tensor is made, or an input first read."""
    if not start.is_input:
        return start.level or 0
    readers = [boxes[reader.name].level for reader in cascade.readers(start.name) if reader.name in boxes]
    return min((level for level in readers if level), default=0)


def _down(axes: Axes, way: Sequence[Box], look: Mapping[str, Any]) -> None:
    """Draw an arrow from row to row through the places that the tensor holds in between."""
    start, end = way[0], way[-1]
    x, y = start.x, start.y - HEIGHT / 2
    points, codes = [(x, y)], [Path.MOVETO]
    for box in way[1:]:
        # arrows that come from either side end a little to that side, so that they can be told apart
        to = box.x + (max(-0.4 * box.width, min(0.4 * box.width, (x - box.x) / 3)) if box is end else 0)
        top, middle = box.y + HEIGHT / 2, (y + box.y + HEIGHT / 2) / 2
        points += [(x, middle), (to, middle), (to, top)]
        codes += [Path.CURVE4] * 3
        x, y = to, top
        if box is not end:
            y = box.y - HEIGHT / 2
            points.append((x, y))
            codes.append(Path.LINETO)
    axes.add_patch(
        FancyArrowPatch(path=Path(points, codes), arrowstyle="-|>", mutation_scale=7, fill=False, **look)
    )


def _back(axes: Axes, start: Box, end: Box, boxes: Mapping[str, Box], look: Mapping[str, Any]) -> None:
    """Draw the arrow of a running value around the side: it is read in the next step."""
    between = [box for box in boxes.values() if start.y - 0.01 <= box.y <= end.y + 0.01]
    side = 1 if start.x > sum(box.x for box in boxes.values()) / len(boxes) else -1
    far = side * (max(side * box.x + box.width / 2 for box in between) + 0.25)
    points = [
        (start.x + side * start.width / 2, start.y),
        (far, start.y),
        (far, end.y),
        (end.x + side * end.width / 2, end.y),
    ]
    path = Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    arrow = FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=7, fill=False, linestyle="--", **look)
    axes.add_patch(arrow)


def _box(axes: Axes, box: Box) -> None:
    face = "white" if box.is_input else PLAIN if box.level is None else TINTS[(box.level - 1) % len(TINTS)]
    axes.add_patch(
        FancyBboxPatch(
            (box.x - box.width / 2, box.y - HEIGHT / 2),
            box.width,
            HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=face,
            edgecolor="#bbbbbb" if box.is_input else "#555555",
            linewidth=0.7,
            zorder=3,
        )
    )
    axes.text(
        box.x, box.y - 0.01, box.text, ha="center", va="center", fontsize=6.5, family="monospace", zorder=4
    )
