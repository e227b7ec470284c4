"""``fusemax map``: the best mapping of a cascade on a machine, and how far it can be from the best there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from fusemax.search.answer import Answer
    from fusemax.search.plan import Plan, Search

ENDS = {
    "bound": "it is as near to the bound as was asked for",
    "done": "all that this strategy tries was tried",
    "time": "the time was up; --seconds gives more",
    "asked": "you stopped it",
}


def map_(
    cascade: str = typer.Argument(help="A cascade of einsums/, such as attention/1-pass, or your own file."),
    machine: str = typer.Option(..., "--machine", help="A machine of arch/, or your own file."),
    values: list[str] = typer.Option([], "--set", help="Sizes and figures: M=4096 E=64 L3.size=32MiB ..."),
    objective: Literal["latency", "energy", "traffic", "edp"] = typer.Option(
        "latency", "--for", help="What is to be least; edp is latency times energy."
    ),
    out: Path = typer.Option(None, "-o", "--out", help="Write the mapping file here."),
    proof: Path = typer.Option(
        None, "--certificate", help="Write what is claimed, for 'fusemax check' to verify."
    ),
    absorb: list[str] = typer.Option(
        [], "--absorb", help="An Einsum that the maker of its input does for nothing."
    ),
    seconds: float = typer.Option(12.0, "--seconds", min=0.0, help="When to stop looking for better ones."),
    strategy: str = typer.Option(
        "joined", "--strategy", help="How to search: joined, apart (a phase for each Einsum), or exhaustive."
    ),
    json: bool = typer.Option(False, "--json", help="Everything as JSON, in SI units."),
) -> None:
    """Find the best mapping of a cascade on a machine; say what it costs and how far that is from a lower bound."""
    from fusemax.cascade.build import load_cascade
    from fusemax.cli.arguments import sizes_and_figures
    from fusemax.machine import load_machine
    from fusemax.screen import console
    from fusemax.search.answer import best_mapping

    sizes, figures = sizes_and_figures(values)
    described, _ = load_machine(machine)
    with _Progress(objective) as progress:
        answer = best_mapping(
            load_cascade(cascade), described, sizes, figures, objective=objective, absorb=absorb,
            seconds=seconds, search=strategy, watch=progress.watch,
        )  # fmt: skip
    text = _with_cascade(answer.text, cascade, out)
    if out is not None:
        from fusemax.files import replace_file

        replace_file(out, text)
    if proof is not None:
        from fusemax.files import replace_file
        from fusemax.search.certificate import certificate

        replace_file(proof, certificate(answer, cascade, machine, sizes, figures, strategy))
    if json:
        import json as format_json

        typer.echo(format_json.dumps(as_record(answer, text), indent=2))
    else:
        _show(console(), answer, f"{answer.mapped.cascade.name} on {machine}", text)
    for written in (out, proof):
        if written is not None:
            typer.echo(f"wrote {written}", err=json)


def _with_cascade(text: str, cascade: str, out: Path | None) -> str:
    """Return the mapping file with its cascade named so that it is found from where the file lies."""
    import os

    path = Path(cascade)
    if path.suffix != ".yaml" or not path.exists():
        return text
    named = os.path.relpath(path, out.parent if out is not None else Path())
    lines = [f"cascade: {named}" if line.startswith("cascade:") else line for line in text.split("\n")]
    return "\n".join(lines)


class _Progress:
    """A line on standard error while a search runs, on a terminal only."""

    def __init__(self, objective: str) -> None:
        from rich.console import Console

        self.objective = objective
        console = Console(stderr=True)
        self.status = console.status("searching") if console.is_terminal else None

    def __enter__(self) -> _Progress:
        if self.status is not None:
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is not None:
            self.status.stop()

    def watch(self, search: Search, plan: Plan) -> None:
        if self.status is not None:
            value = plan.measure(self.objective)
            part = search.bound.of(self.objective) / value if value else 1.0
            self.status.update(
                f"searching: {_quantity(value, self.objective)}, the bound is {part:.1%} of it; "
                f"{search.tally.structures:,} structures, {search.tally.tilings:,} tilings"
            )


def _quantity(value: float, objective: str) -> str:
    from fusemax.quantity import format_quantity

    if objective == "edp":
        return f"{value:.5g} J s"
    return format_quantity(value, {"latency": "s", "energy": "J", "traffic": "B"}[objective], 5)


def as_record(answer: Answer, text: str) -> dict[str, Any]:
    """Return *answer* as plain data: the mapping file, its price, the bound, the runner-up and what was searched."""
    from dataclasses import asdict

    from fusemax.cli.cost import as_record as cost_record
    from fusemax.search.missing import missing

    other = answer.runner_up
    measures = ("latency_s", "energy_J", "traffic_B")
    return {
        "objective": answer.objective,
        "mapping": text,
        "cost": cost_record(answer.cost),
        "bound": {k: v for k, v in asdict(answer.bound).items() if k != "shares"}
        | {"latency_s": answer.bound.latency_s},
        "bound_over_best": answer.gap,
        "above_the_bound": dict(missing(answer)),
        "runner_up": None if other is None else {name: _number(getattr(other, name)) for name in measures},
        "passed": list(answer.passed),
        "structures": answer.structures,
        "tilings": answer.tilings,
        "seconds": answer.seconds,
        "stopped": answer.stopped,
    }


def _number(value: float) -> float | None:
    import math

    return value if math.isfinite(value) else None


def _show(console: Console, answer: Answer, title: str, text: str) -> None:
    import math

    from rich.table import Table

    from fusemax.quantity import format_quantity
    from fusemax.search.answer import measure
    from fusemax.search.missing import missing

    cost = answer.cost
    table = Table(
        title=f"{title}: the best mapping found for {answer.objective}",
        title_justify="left",
        show_header=False,
    )
    cycles = f"{cost.latency_s * cost.parameters['clock']:,.0f} cycles"
    table.add_row("latency", format_quantity(cost.latency_s, "s", 5), cycles)
    table.add_row("traffic", format_quantity(cost.traffic_B, "B", 5), f"{cost.traffic_B:,.0f} B")
    if math.isfinite(cost.energy_J):
        table.add_row("energy", format_quantity(cost.energy_J, "J", 5), "")
    bound = answer.bound.of(answer.objective)
    about = f"no mapping is below this; it is {answer.gap:.1%} of the best found"
    table.add_row(f"bound of {answer.objective}", _quantity(bound, answer.objective), about)
    for text, part in missing(answer)[:4]:
        table.add_row("above the bound", f"{part:.1%}", text)
    for nest, limit in cost.limits().items():
        table.add_row("limited by", limit if limit != "schedule" else _busiest(answer, nest), f"nest {nest}")
    if answer.runner_up is not None:
        value = answer.runner_up.measure(answer.objective)
        best = measure(cost, answer.objective)
        worse = f"{value / best - 1:.2%} more" if best else ""
        phases = f"{len(answer.runner_up.phases)} phases" if len(answer.runner_up.phases) > 1 else "1 phase"
        table.add_row(
            "runner-up", _quantity(value, answer.objective), f"{worse}, {phases}, other loops or places"
        )
    if answer.passed:
        table.add_row("passed over", f"{len(answer.passed)} better plans", answer.passed[0].split("\n")[0])
    counts = f"{answer.structures:,} structures, {answer.tilings:,} tilings"
    table.add_row("searched", counts, f"{answer.seconds:.1f} s; {ENDS[answer.stopped]}")
    console.print(table)
    console.print(text, markup=False, highlight=False, soft_wrap=True, end="")


def _busiest(answer: Answer, nest: str) -> str:
    """Return the unit that works longest in *nest*, or "schedule" where dependences or order cost more than any unit."""
    times = {lab.unit: v for lab, v in answer.cost.table("time").items() if lab.nest == nest and lab.unit}
    computing = max((v for lab, v in answer.cost.table("computing").items() if lab.nest == nest), default=0.0)
    if not times:
        return "schedule"
    unit = max(times, key=lambda name: times[name])
    return unit if times[unit] >= computing * (1 - 1e-9) else "schedule"
