"""The figures of a taxonomy, from its tables: passes by mechanism and form, and traffic bound against buffer size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fusemax.plot.spec import Picture
from fusemax.plot.style import COLUMN_WIDTH, PAGE_WIDTH, Look, looks, save, styled
from fusemax.table.table import Tables

FORMS = ("written", "deferred", "online")
WORDS = {"written": "as usually written", "deferred": "divisions deferred", "online": "online"}
MOST_ROWS = 60  #: mechanisms below each other; more stand in columns side by side
LETTER = 0.047  #: inches that a letter of a label takes, on average
Rows = Sequence[dict[str, str]]


def draw(tables: Tables) -> tuple[Picture, ...]:
    """Return the pictures that are drawn from *tables* and put beside them."""
    passes, traffic = (_rows(tables, name) for name in ("passes", "traffic"))
    found: list[Picture] = []
    with styled():
        if passes:
            files = save(_passes(passes), tables.folder, "passes")
            found.append(
                Picture(file="passes", title="Passes of each mechanism", caption=_PASSES, paths=files)
            )
        if traffic:
            files = save(_traffic(traffic), tables.folder, "traffic")
            found.append(Picture(file="traffic", title="Loads against memory", caption=_TRAFFIC, paths=files))
    return tuple(found)


_PASSES = "The fewest passes over the rank named, of each form of a mechanism."
_TRAFFIC = "What one group of queries must load beyond every operand once, for each size of fast memory: a lower bound."


def _rows(tables: Tables, name: str) -> Rows:
    return [{key: str(value) for key, value in row.items()} for row in tables.table(name).frame.to_dicts()]


def _passes(rows: Rows) -> Figure:
    """Return a row of marks for each mechanism, at the passes of its forms; long lists stand in columns side by side."""
    names = list(dict.fromkeys(row["mechanism"] for row in rows))
    columns = ceil(len(names) / MOST_ROWS)
    each = ceil(len(names) / columns)
    look = looks(("", "deferred", "online", "", "", "written"))
    width, height = (COLUMN_WIDTH if columns == 1 else PAGE_WIDTH), 0.62 + 0.155 * each
    figure = Figure(figsize=(width, height))
    highest = max(int(row["passes"]) for row in rows)
    for at in range(columns):
        mine = names[at * each : (at + 1) * each]
        room = width / columns
        text = max(len(_label(rows, name)) for name in mine) * LETTER + 0.08
        left, bottom = at * room + text, 0.36 + 0.155 * (each - len(mine))
        axes = figure.add_axes(
            (left / width, bottom / height, (room - text - 0.1) / width, 0.155 * len(mine) / height)
        )
        _marks(axes, [row for row in rows if row["mechanism"] in mine], mine, look)
        axes.set_xticks(range(1, highest + 1))
        axes.set_xlim(0.6, highest + 0.4)
        axes.set_xlabel("least passes")
    handles = {
        text: one for axes in figure.axes for one, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        [*handles.values()], [*handles], loc="upper center", ncols=3, frameon=False, fontsize=6.5,
        handletextpad=0.1, columnspacing=0.8, borderpad=0.1,
    )  # fmt: skip
    return figure


def _marks(axes: Axes, rows: Rows, names: Sequence[str], look: Mapping[str, Look]) -> None:
    """Draw the rows of *names* into *axes*: a mark for each form, a line from the fewest passes to the most."""
    for form in FORMS:
        mine = [row for row in rows if row["form"] == form]
        if not mine:
            continue
        mark = look[form]
        axes.scatter(
            [int(row["passes"]) + _aside(rows, row) for row in mine], [names.index(row["mechanism"]) for row in mine],
            s=26, marker=mark.marker, color=mark.color, edgecolor="black", linewidth=0.4, label=WORDS[form], zorder=3,
        )  # fmt: skip
    for at, name in enumerate(names):
        counts = [int(row["passes"]) for row in rows if row["mechanism"] == name]
        axes.plot([min(counts), max(counts)], [at, at], color="#bbbbbb", linewidth=1.0, zorder=2)
    axes.set_yticks(range(len(names)), [_label(rows, name) for name in names], fontsize=6.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.tick_params(length=0)


def _label(rows: Rows, name: str) -> str:
    """Return the name of a mechanism with the rank over which its passes are counted."""
    return f"{name} ({next(row['rank'] for row in rows if row['mechanism'] == name)})"


def _aside(rows: Rows, row: dict[str, str]) -> float:
    """Return how far the mark of *row* stands beside its count, where forms of one mechanism share it."""
    same = [r["form"] for r in rows if r["mechanism"] == row["mechanism"] and r["passes"] == row["passes"]]
    return 0.2 * (same.index(row["form"]) - (len(same) - 1) / 2)


def _traffic(rows: Rows) -> Figure:
    """Return a panel for each length: bytes that one group of queries must load beyond the compulsory ones."""
    lengths = sorted({int(row["length"]) for row in rows})
    cascades = list(dict.fromkeys(row["cascade"] for row in rows))
    look = looks(("", *cascades))
    height = 2.1
    figure = Figure(figsize=(PAGE_WIDTH, height))
    left, gap, right = 0.62, 0.18, 0.1
    width = (PAGE_WIDTH - left - right - gap * (len(lengths) - 1)) / len(lengths)
    highest = max(float(row["group_extra_B"]) for row in rows) / 2**20
    for at, length in enumerate(lengths):
        x = (left + at * (width + gap)) / PAGE_WIDTH
        axes = figure.add_axes((x, 0.42 / height, width / PAGE_WIDTH, 1 - 0.9 / height))
        for name in cascades:
            mine = [row for row in rows if row["cascade"] == name and int(row["length"]) == length]
            xs = [float(row["buffer_B"]) / 2**20 for row in mine]
            ys = [float(row["group_extra_B"]) / 2**20 for row in mine]
            style = look[name]
            label = f"{name} ({mine[0]['passes']} {'pass' if mine[0]['passes'] == '1' else 'passes'})"
            axes.plot(
                xs,
                ys,
                color=style.color,
                marker=style.marker,
                linestyle=style.dash,
                markersize=3.5,
                label=label,
                clip_on=False,
            )
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(_size))
        axes.set_ylim(0, highest * 1.04)
        axes.set_title(f"{length:,} keys")
        axes.grid(axis="y")
        axes.set_xlabel("fast memory (MiB)")
        if at:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("extra loads (MiB)")
            handles, texts = axes.get_legend_handles_labels()
            figure.legend(
                handles, texts, loc="upper center", ncols=len(cascades), frameon=False, borderpad=0.1
            )
    return figure


def _size(value: float, _: object) -> str:
    return f"{value:g}" if value >= 1 else f"1/{1 / value:g}"
