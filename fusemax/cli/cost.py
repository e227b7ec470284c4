"""``fusemax cost``: one design point, as a table for people or as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from fusemax.cli.options import CASCADE, JSON, MACHINE, MAPPING, SECONDS, VALUES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fusemax.cost.evaluate import Cost
    from fusemax.cost.program import Program


def cost(
    cascade: str = CASCADE,
    machine: str = MACHINE,
    mapping: str | None = MAPPING,
    seconds: float | None = SECONDS,
    values: list[str] = VALUES,
    json: bool = JSON,
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
    mapped, described = mapped_on(cascade, machine, mapping, sizes, figures, seconds)
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


def finite(value: float) -> float | None:
    """Return *value*; None where there is none, which JSON has no word for."""
    import math

    return value if math.isfinite(value) else None


def as_record(answer: Cost) -> dict[str, Any]:
    """Return *answer* as plain data: the totals, then every line by kind with what it is about."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for name, label in answer.labels.items():
        about = {key: getattr(label, key) for key in ("nest", "unit", "level", "einsum", "tensor", "action")}
        entry = {key: value for key, value in about.items() if value} | {"value": finite(answer.values[name])}
        lines.setdefault(label.kind, []).append(entry)
    return {
        "latency_s": answer.latency_s,
        "bound_s": answer.bound_s,
        "slowest_s": answer.slowest_s,
        "traffic_B": answer.traffic_B,
        "energy_J": finite(answer.energy_J),
        "energy_most_J": finite(answer.energy_most_J),
        "area_m2": finite(answer.area_m2),
        "utilization": answer.utilization(),
        "limits": answer.limits(),
        "parameters": dict(answer.parameters),
        "lines": lines,
    }


def totals(answer: Cost) -> Iterator[tuple[str, str, str]]:
    """Yield the rows that tell of latency, traffic and energy, with what there is to say of each."""
    from fusemax.quantity import format_quantity

    clock = answer.clock_Hz
    yield "latency", format_quantity(answer.latency_s, "s", 5), f"{answer.latency_s * clock:,.0f} cycles"
    lowered = clock < answer.full_clock_Hz
    if lowered:
        full = format_quantity(answer.full_clock_Hz, "Hz", 4)
        yield "clock", format_quantity(clock, "Hz", 4), f"held under this load; {full} at most"
    bound, slowest = (format_quantity(value, "s", 5) for value in (answer.bound_s, answer.slowest_s))
    yield "lower bound", bound, "the busiest unit or level, all else hidden"
    yield "nothing hidden", slowest, "all units and levels one after another"
    yield "traffic", format_quantity(answer.traffic_B, "B", 5), f"{answer.traffic_B:,.0f} B"
    if finite(answer.energy_J) is not None:
        yield "energy", format_quantity(answer.energy_J, "J", 5), ""
    if finite(answer.energy_most_J) is not None:
        yield (
            "energy at most",
            format_quantity(answer.energy_most_J, "J", 5),
            f"the board's power all the time{', as a load takes it that lowers the clock' if lowered else ''}",
        )
    if finite(answer.area_m2) is not None:
        yield "area", f"{answer.area_m2 * 1e6:.5g} mm2", ""


def _show(
    console: Console, answer: Cost, title: str, missing: Mapping[str, tuple[str, ...]], graded: Mapping[str, int],
    said: Mapping[str, str],
) -> None:  # fmt: skip
    from fusemax.screen import table

    rows = list(totals(answer))
    rows += [(n, "not known", f"the machine lacks {', '.join(f)}") for n, f in missing.items() if f]
    rows += [(f"utilization {u}", f"{v:.1%}", said.get(u, "")) for u, v in answer.utilization().items()]
    rows += [("limited by", limit, f"nest {nest}") for nest, limit in answer.limits().items()]
    if graded:
        told = ", ".join(f"{count} {grade}" for grade, count in graded.items())
        rows.append(("figures", str(sum(graded.values())), told))
    console.print(table((), rows, title))
    console.print(_work(answer))
    console.print(_words(answer))
    if finite(answer.energy_J) is not None:
        console.print(_energy(answer))


def _work(answer: Cost) -> Table:
    from fusemax.screen import table

    activity = {(lab.unit, lab.einsum): value for lab, value in answer.table("activity").items()}
    rows = (
        (lab.unit, lab.einsum, lab.nest, f"{value:,.0f}", f"{activity[lab.unit, lab.einsum]:.2%}")
        for lab, value in answer.table("cycles").items()
    )
    return table(("unit", "Einsum", "nest", ">cycles", ">of the unit's lanes"), rows, "Busy cycles")


def _words(answer: Cost) -> Table:
    from fusemax.screen import table

    kinds = ("read", "write", "fill", "drain")
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for label, value in answer.table("words").items():
        found.setdefault((label.level, label.tensor, label.nest), {})[label.action] = value
    rows = (
        (*key, *(f"{found[key][k]:,.0f}" if k in found[key] else "" for k in kinds)) for key in sorted(found)
    )
    return table(("level", "tensor", "nest", *(f">{kind}" for kind in kinds)), rows, "Words moved")


def _energy(answer: Cost) -> Table:
    from fusemax.quantity import format_quantity
    from fusemax.screen import table

    parts = sorted(answer.table("component_energy").items(), key=lambda item: -item[1])
    rows = ((lab.component, format_quantity(v, "J", 4), f"{v / answer.energy_J:.1%}") for lab, v in parts)
    return table(("component", ">energy", ">share"), rows, "Energy")


def _show_formulas(console: Console, program: Program) -> None:
    from fusemax.cost.program import FitRule

    for line in program.lines:
        if isinstance(line.value, FitRule):
            rule = line.value
            text = f"largest {rule.kind} d of {rule.count} with {rule.footprint} <= {rule.capacity}"
        else:
            text = str(line.value)
        console.print(f"{line.name} = {text}", markup=False, highlight=False, soft_wrap=True)
