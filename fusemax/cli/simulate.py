"""``fusemax simulate``: a mapping executed, tile by tile or register by register."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from fusemax.cli.options import CASCADE, MACHINE, SECONDS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fusemax.simulate.tile.result import Buffer, Phase, Simulation

EPOCHS_SHOWN = 6  #: by a trace or a picture, where nothing is said
MOST_EPOCHS = 100_000  #: four million tasks, in 128 MB
TASKS_PER_EPOCH = 40  #: tasks written down for each epoch that a trace or a picture shows


def simulate(
    cascade: str = CASCADE,
    machine: str = MACHINE,
    mapping: str = typer.Option(
        ..., "--mapping", help="A mapping beside the machine, your own file, or best."
    ),
    seconds: float | None = SECONDS,
    values: list[str] = typer.Option([], "--set", help="Sizes and figures: M=4096 E=64 L3.ports=1 ..."),
    level: Literal["tile", "pe"] = typer.Option("tile", "--level", help="Tile by tile, or every register."),
    formats: bool = typer.Option(
        False, "--formats", help="With --level pe: a run in each number format too."
    ),
    json: bool = typer.Option(False, "--json", help="Everything as JSON, in SI units and cycles."),
    trace: Path = typer.Option(None, "--trace", help="Write the first tasks for Perfetto, as JSON."),
    gantt: Path = typer.Option(None, "--gantt", help="Draw the first tasks and the utilization, as SVG."),
    epochs: int = typer.Option(
        None,
        "--epochs",
        min=1,
        help="How many epochs a trace or a picture shows (6, if nothing is said).",
    ),
) -> None:
    """Run a mapping on a machine: cycles, who waited for whom, how full each buffer was."""
    from fusemax.cli.arguments import mapped_on, sizes_and_figures
    from fusemax.errors import FusemaxError

    if level == "pe" and (trace or gantt):
        raise FusemaxError("--trace and --gantt show tiles; leave them out with --level pe")
    if level != "pe" and formats:
        raise FusemaxError("--formats runs registers in each number format; give --level pe with it")
    if epochs is not None and not (trace or gantt):
        raise FusemaxError("--epochs says how much --trace or --gantt shows; give one of them with it")
    if epochs is not None and epochs > MOST_EPOCHS:
        raise FusemaxError(f"--epochs {epochs}: a trace or a picture shows {MOST_EPOCHS} epochs at most")
    if gantt is not None and gantt.suffix != ".svg":
        raise FusemaxError(f"{gantt}: expected a path that ends in .svg; a .png is written beside it")
    epochs = epochs or EPOCHS_SHOWN
    sizes, figures = sizes_and_figures(values)
    mapped, described = mapped_on(cascade, machine, mapping, sizes, figures, seconds)
    if level == "pe":
        from fusemax.simulate.array import command

        command(mapped, described, sizes, figures, json, formats)
        return
    from fusemax.simulate.tiles import simulate as run

    events = TASKS_PER_EPOCH * epochs if trace or gantt else 0
    answer = run(mapped, described, sizes, figures, events=events)
    title = f"{mapped.cascade.name} on {machine}, mapping {mapped.name}"
    written = _write(answer, title, trace, gantt, epochs)
    _print(answer, title, json)
    for file_ in written:
        typer.echo(f"wrote {file_}", err=json)


def _write(answer: Simulation, title: str, trace: Path | None, gantt: Path | None, epochs: int) -> list[Path]:
    written: list[Path] = []
    if trace is not None:
        from fusemax.files import replace_file
        from fusemax.simulate.trace import chrome_trace

        written.append(replace_file(trace, chrome_trace(answer)))
    if gantt is not None:
        for number, phase in enumerate(answer.phases):
            several = len(answer.phases) > 1
            path = gantt.with_stem(f"{gantt.stem}-{number + 1}-{phase.nest}") if several else gantt
            written += _draw(phase, f"{title}, nest {phase.nest}" if several else title, path, epochs)
    return written


def _draw(phase: Phase, title: str, path: Path, epochs: int) -> tuple[Path, ...]:
    from fusemax.plot.gantt import Bar, draw_gantt
    from fusemax.plot.strip import Strip

    shown = [event for event in phase.events if event.number < epochs and not event.unit.endswith("moves")]
    horizon = max((event.end for event in shown), default=0)
    bars = [
        Bar(event.name, event.unit, event.number, event.start, min(event.end, horizon))
        for event in phase.events
        if event.start < horizon
    ]
    line = phase.timeline
    edges = [*line.start.tolist(), *line.end[-1:].tolist()]
    strip = Strip(edges, {name: values.tolist() for name, values in line.busy.items()})
    return draw_gantt(title, bars, strip, path)


def as_record(answer: Simulation) -> dict[str, Any]:
    """Return *answer* as plain data."""
    from dataclasses import asdict

    return {
        "cycles": answer.cycles,
        "latency_s": answer.latency_s,
        "utilization": dict(answer.utilization),
        "phases": [_phase_record(phase) for phase in answer.phases],
        "words": [{**asdict(key), "words": words} for key, words in answer.words.items()],
        "buffers": [asdict(buffer) for buffer in answer.buffers],
        "waits": [asdict(wait) for wait in answer.waits],
    }


def _phase_record(phase: Phase) -> dict[str, Any]:
    kernel = phase.kernel
    line = phase.timeline
    return {
        "nest": phase.nest,
        "cycles": phase.cycles,
        "skipped_cycles": phase.skipped_cycles,
        "epochs": phase.epochs,
        "busy_cycles": dict(phase.busy_cycles),
        "epoch": None
        if kernel is None
        else {
            "interval_cycles": float(kernel.interval),
            "resource_bound_cycles": float(kernel.resources),
            "recurrence_bound_cycles": float(kernel.recurrences),
            "reached": kernel.reached,
            "tasks": [
                {"name": t.name, "unit": t.unit, "start": float(s), "stage": k}
                for t, s, k in zip(kernel.tasks, kernel.starts, kernel.stages, strict=True)
            ],
        },
        "timeline": {
            "start": line.start.tolist(),
            "end": line.end.tolist(),
            "busy": {name: values.tolist() for name, values in line.busy.items()},
        },
    }


def _print(answer: Simulation, title: str, json: bool) -> None:
    if json:
        import json as format_json

        typer.echo(format_json.dumps(as_record(answer), indent=2))
        return
    from fusemax.screen import console as screen

    console = screen()
    console.print(_totals(answer, title))
    for phase in answer.phases:
        _print_epoch(console, phase)
    console.print(_buffers(answer))
    console.print(_waits(answer))


def _totals(answer: Simulation, title: str) -> Table:
    from fusemax.quantity import format_quantity
    from fusemax.screen import table

    rows = [("latency", format_quantity(answer.latency_s, "s", 5), f"{answer.cycles:,} cycles")]
    for phase in answer.phases:
        alike = phase.skipped_cycles / phase.cycles if phase.cycles else 0.0
        text = f"{phase.epochs:,} epochs; {alike:.1%} of the cycles were like earlier ones"
        rows.append((f"nest {phase.nest}", f"{phase.cycles:,} cycles", text))
        for name, cycles in phase.busy_cycles.items():
            rows.append((f"  {name} busy", f"{cycles / max(1, phase.cycles):.1%}", f"{cycles:,} cycles"))
    for unit, value in answer.utilization.items():
        rows.append((f"utilization {unit}", f"{value:.1%}", "of the lanes, over all cores"))
    return table((), rows, title)


def _print_epoch(console: Console, phase: Phase) -> None:
    from fusemax.screen import table

    kernel = phase.kernel
    if kernel is None:
        return
    console.print(f"Epoch found: {kernel}", markup=False, highlight=False, soft_wrap=True)
    rows: list[tuple[str, ...]] = []
    for unit in dict.fromkeys(task.unit for task in kernel.tasks if task.unit):
        for n in kernel.order(unit):
            task, start = kernel.tasks[n], kernel.starts[n]
            ends = (f"{float(start):g}", f"{float(start + task.cycles):g}")
            rows.append((unit, task.name, *ends, str(kernel.stages[n])))
    console.print(table(("unit", "Einsum", ">start", ">end", ">epochs behind"), rows))


def _buffers(answer: Simulation) -> Table:
    from fusemax.quantity import format_quantity
    from fusemax.screen import table

    rows = (
        (
            b.level,
            b.tensor,
            b.nest,
            format_quantity(b.high_water_B, "B", 4),
            str(b.tiles),
            _places(b),
        )
        for b in answer.buffers
    )
    return table(("level", "tensor", "nest", ">bytes", ">tiles", ">of"), rows, "Most held at once")


def _places(buffer: Buffer) -> str:
    """Return how many tiles have a place: of values in registers nobody says it, and no room is counted for none."""
    if buffer.level.endswith(" registers"):
        return ""
    return str(buffer.buffers) if buffer.buffers else "no room counted"


def _waits(answer: Simulation, most: int = 12) -> Table:
    from fusemax.screen import table

    more = len(answer.waits) - most
    title = "Who waited for whom" + (f" (the longest {most}; {more} more in --json)" if more > 0 else "")
    rows = (
        (w.unit, w.waiting, w.on, w.nest, f"{w.cycles:,}", f"{w.cycles / max(1, answer.cycles):.2%}")
        for w in answer.waits[:most]
    )
    return table(("unit", "to do", "waited for", "nest", ">cycles", ">of the run"), rows, title)
