"""The report of ``fusemax model -o``: tables of steps and memory, a waterfall of the layers, bars of time and of memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fusemax.files import replace_file
from fusemax.plot.layer import Span, Whole, draw_layer, draw_wholes
from fusemax.plot.spec import Picture
from fusemax.quantity import format_quantity
from fusemax.report import Study, write
from fusemax.report.study import Short
from fusemax.table.column import measure, remark, size, text
from fusemax.table.store import write_tables
from fusemax.table.table import table_of_rows

STEPS = (
    text("pass", "prefill or decode"), text("part", "where the step stands"), text("step"), text("work", "kind of work"),
    size("times", "runs in a pass"), measure("time_s", "of all runs", adds="sum"),
    measure("share", "of the pass", unit="1", shown="%"), measure("traffic_B", "through the outermost level", adds="sum"),
    measure("energy_J", "of all runs on one chip", adds="sum"), remark("limit", "what its time is made of"),
    remark("cascade"), remark("mapping"),
)  # fmt: skip
MEMORY = (text("what"), measure("bytes_B", "on one chip", adds="sum"))


def write_report(folder: Path, record: Mapping[str, Any], title: str, command: str) -> Path:
    """Return ``report.html`` in *folder*, beside ``steps.csv``, ``memory.csv``, ``model.json`` and three pictures."""
    passes = {_named(one): one for one in record["passes"]}
    rows = [
        {"pass": name, "part": step["part"], "step": step["name"], "work": step["work"], "times": step["times"],
         "time_s": step["time_s"], "share": step["time_s"] / one["time_s"], "traffic_B": step["traffic_B"],
         "energy_J": step["energy_J"], "limit": step["limit"], "cascade": step["cascade"], "mapping": step["mapping"]}
        for name, one in passes.items() for step in one["steps"]
    ]  # fmt: skip
    memory = {
        key.removesuffix("_B"): record["memory"][key] for key in ("weights_B", "cache_B", "activations_B")
    }
    kept = [{"what": name, "bytes_B": value} for name, value in memory.items()]
    replace_file(folder / "model.json", json.dumps(record, indent=2, allow_nan=False) + "\n")
    write_tables(folder, {"steps": table_of_rows(rows, STEPS), "memory": table_of_rows(kept, MEMORY)})
    works = [work for one in passes.values() for work in one["by_work_s"]]
    pictures = (
        *_layers(folder, passes, works),
        _times(folder, passes, works),
        _memory(folder, memory, record["memory"]["size_B"]),
    )
    page = Study(
        title=title, command=command, said=tuple(_said(record)), pictures=pictures,
        short=tuple(_short(name, one) for name, one in passes.items()),
    )  # fmt: skip
    return write(folder, page)


def _named(one: Mapping[str, Any]) -> str:
    return "prefill" if one["queries"] > 1 or one["reading"] else "decode"


def _layers(folder: Path, passes: Mapping[str, Mapping[str, Any]], works: Sequence[str]) -> list[Picture]:
    found = []
    for name, one in passes.items():
        spans = [
            Span(
                part=step["part"], name=step["name"], work=step["work"], time_s=step["time_s"] / step["layers"],
                limit=step["limit"],
            )
            for step in one["steps"] if step["layers"]
        ]  # fmt: skip
        title = f"One layer of each kind, {name}"
        file = f"layer-{name}"
        paths = draw_layer(title, spans, folder, file, works)
        caption = "Steps in their order, one after another; beside each its time, and what limits it."
        found.append(Picture(file=file, title=title, caption=caption, paths=paths))
    return found


def _times(folder: Path, passes: Mapping[str, Mapping[str, Any]], works: Sequence[str]) -> Picture:
    title = "Where the time of a pass goes"
    wholes = [
        Whole(
            name=name, said=format_quantity(one["time_s"], "s", 3),
            parts={work: time_s / one["time_s"] for work, time_s in one["by_work_s"].items()},
        )
        for name, one in passes.items()
    ]  # fmt: skip
    paths = draw_wholes(title, wholes, "1", folder, "time", works)
    caption = "All layers, by kind of work, as shares of each pass."
    return Picture(file="time", title=title, caption=caption, paths=paths)


def _memory(folder: Path, memory: Mapping[str, float], size_B: float | None) -> Picture:
    title = "Memory of one chip"
    paths = draw_wholes(title, [Whole(name="one chip", parts=memory, mark=size_B)], "B", folder, "memory")
    has = (
        "The machine does not say what it has." if size_B is None else "The line stands at what the chip has."
    )
    return Picture(file="memory", title=title, caption=has, paths=paths)


def _said(record: Mapping[str, Any]) -> Sequence[str]:
    said = [
        f"time {format_quantity(record['time_s'], 's', 4)}, {record['tokens_per_s']:,.4g} tokens per second"
    ]
    if record["parallel_text"]:
        said.append(f"{record['chips']} chips: {record['parallel_text']}")
    if record["energy_per_token_J"] is not None:
        said.append(f"energy of a token {format_quantity(record['energy_per_token_J'], 'J', 4)}")
    if record["cut_searches"]:
        said.append(
            f"searches for mappings that ended before all was tried: {', '.join(record['cut_searches'])}"
        )
    if record["assumed_keys"]:
        said.append(
            f"keys that the configuration lacks, as its kind has them: {', '.join(record['assumed_keys'])}"
        )
    if record["unused_keys"]:
        said.append(f"keys of the configuration that were not used: {', '.join(record['unused_keys'])}")
    return said


def _short(name: str, one: Mapping[str, Any]) -> Short:
    rows = tuple(
        (step["part"], step["name"], step["limit"], str(step["times"]), format_quantity(step["time_s"], "s", 4),
         f"{step['time_s'] / one['time_s']:.1%}", format_quantity(step["traffic_B"], "B", 4))
        for step in one["steps"]
    )  # fmt: skip
    return Short(
        title=f"Steps, {name}", headings=("part", "step", "limited by", "times", "time", "share", "traffic"),
        rows=rows, texts=3,
    )  # fmt: skip
