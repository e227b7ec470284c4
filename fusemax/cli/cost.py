"""``fusemax cost``: one design point, as a table for people or as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fusemax.cost.evaluate import Cost
    from fusemax.cost.program import Program


def cost(
    cascade: str = typer.Argument(help="A cascade of einsums/, such as attention/1-pass, or your own file."),
    machine: str = typer.Option(..., "--machine", help="A machine of arch/, or your own file."),
    mapping: str = typer.Option(
        "best",
        "--mapping",
        help="A mapping beside the machine, or your own file; without one, the best one found.",
    ),
    values: list[str] = typer.Option([], "--set", help="Sizes and figures: M=4096 E=64 L3.size=32MiB ..."),
    json: bool = typer.Option(False, "--json", help="Everything as JSON, in SI units."),
    formulas: bool = typer.Option(False, "--formulas", help="The formulas instead of numbers."),
) -> None:
    """Cycles, traffic, energy and utilization of one cascade on one machine under one mapping."""
    from fusemax.cli.arguments import mapped_on, sizes_and_figures
    from fusemax.cost.evaluate import cost as cost_of
    from fusemax.cost.model import derive
    from fusemax.library.sources import graded_figures
    from fusemax.mapping.lanes import remarks
    from fusemax.screen import console

    sizes, figures = sizes_and_figures(values)
    mapped, described = mapped_on(cascade, machine, mapping, sizes, figures)
    program = derive(mapped, described, figures)
    screen = console()
    if formulas:
        _show_formulas(screen, program)
        return
    answer = cost_of(mapped, program, sizes, figures)
    if json:
        import json as format_json

        typer.echo(format_json.dumps(as_record(answer), indent=2))
    else:
        title = f"{mapped.cascade.name} on {machine}, mapping {mapped.name}"
        lanes = remarks(mapped, described)
        _show(screen, answer, title, program.missing, graded_figures(described), lanes)


def as_record(answer: Cost) -> dict[str, Any]:
    """Return *answer* as plain data: the totals, then every line by kind with what it is about."""
    import math

    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    lines: dict[str, list[dict[str, Any]]] = {}
    for name, label in answer.labels.items():
        about = {key: getattr(label, key) for key in ("nest", "unit", "level", "einsum", "tensor", "action")}
        entry = {key: value for key, value in about.items() if value} | {"value": number(answer.values[name])}
        lines.setdefault(label.kind, []).append(entry)
    return {
        "latency_s": answer.latency_s,
        "bound_s": answer.bound_s,
        "slowest_s": answer.slowest_s,
        "traffic_B": answer.traffic_B,
        "energy_J": number(answer.energy_J),
        "energy_most_J": number(answer.energy_most_J),
        "area_m2": number(answer.area_m2),
        "utilization": answer.utilization(),
        "limits": answer.limits(),
        "parameters": dict(answer.parameters),
        "lines": lines,
    }


def _show(
    console: Console,
    answer: Cost,
    title: str,
    missing: Mapping[str, tuple[str, ...]],
    graded: Mapping[str, int],
    said: Mapping[str, str],
) -> None:
    import math

    from rich.table import Table

    from fusemax.quantity import format_quantity

    clock = answer.clock_Hz
    total = Table(title=title, title_justify="left", show_header=False)
    cycles = f"{answer.latency_s * clock:,.0f} cycles"
    total.add_row("latency", format_quantity(answer.latency_s, "s", 5), cycles)
    if clock < answer.parameters["clock"]:
        full = format_quantity(answer.parameters["clock"], "Hz", 4)
        total.add_row("clock", format_quantity(clock, "Hz", 4), f"held under this load; {full} at most")
    total.add_row(
        "lower bound", format_quantity(answer.bound_s, "s", 5), "the busiest unit or level, all else hidden"
    )
    total.add_row(
        "nothing hidden", format_quantity(answer.slowest_s, "s", 5), "all units and levels one after another"
    )
    total.add_row("traffic", format_quantity(answer.traffic_B, "B", 5), f"{answer.traffic_B:,.0f} B")
    if math.isfinite(answer.energy_J):
        total.add_row("energy", format_quantity(answer.energy_J, "J", 5), "")
    if math.isfinite(answer.energy_most_J):
        total.add_row(
            "energy at most", format_quantity(answer.energy_most_J, "J", 5), "the board's power all the time"
        )
    if math.isfinite(answer.area_m2):
        total.add_row("area", f"{answer.area_m2 * 1e6:.5g} mm2", "")
    for name, figures in missing.items():
        if figures:
            total.add_row(name, "not known", f"the machine lacks {', '.join(figures)}")
    for unit, value in answer.utilization().items():
        total.add_row(f"utilization {unit}", f"{value:.1%}", said.get(unit, ""))
    for nest, limit in answer.limits().items():
        total.add_row("limited by", limit, f"nest {nest}")
    if graded:
        told = ", ".join(f"{count} {grade}" for grade, count in graded.items())
        total.add_row("figures", str(sum(graded.values())), told)
    console.print(total)
    console.print(_work(answer))
    console.print(_words(answer))
    if math.isfinite(answer.energy_J):
        console.print(_energy(answer))


def _work(answer: Cost) -> Table:
    from rich.table import Table

    table = Table("unit", "Einsum", "nest", title="Busy cycles", title_justify="left")
    table.add_column("cycles", justify="right")
    table.add_column("of the unit's lanes", justify="right")
    activity = {(lab.unit, lab.einsum): value for lab, value in answer.table("activity").items()}
    for label, value in answer.table("cycles").items():
        share = activity[label.unit, label.einsum]
        table.add_row(label.unit, label.einsum, label.nest, f"{value:,.0f}", f"{share:.2%}")
    return table


def _words(answer: Cost) -> Table:
    from rich.table import Table

    table = Table("level", "tensor", "nest", title="Words moved", title_justify="left")
    kinds = ("read", "write", "fill", "drain")
    for kind in kinds:
        table.add_column(kind, justify="right")
    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    for label, value in answer.table("words").items():
        rows.setdefault((label.level, label.tensor, label.nest), {})[label.action] = value
    for key in sorted(rows):
        table.add_row(*key, *(f"{rows[key][kind]:,.0f}" if kind in rows[key] else "" for kind in kinds))
    return table


def _energy(answer: Cost) -> Table:
    from rich.table import Table

    from fusemax.quantity import format_quantity

    table = Table("component", title="Energy", title_justify="left")
    table.add_column("energy", justify="right")
    table.add_column("share", justify="right")
    for label, value in sorted(answer.table("component_energy").items(), key=lambda item: -item[1]):
        table.add_row(label.component, format_quantity(value, "J", 4), f"{value / answer.energy_J:.1%}")
    return table


def _show_formulas(console: Console, program: Program) -> None:
    from fusemax.cost.program import FitRule

    for line in program.lines:
        if isinstance(line.value, FitRule):
            rule = line.value
            text = f"largest {rule.kind} d of {rule.count} with {rule.footprint} <= {rule.capacity}"
        else:
            text = str(line.value)
        console.print(f"{line.name} = {text}", markup=False, highlight=False, soft_wrap=True)
