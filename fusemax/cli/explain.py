"""``fusemax explain``: where a number of an answer comes from, down to the figures of the machine and their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from fusemax.cli.options import CASCADE, MACHINE, MAPPING, SECONDS, VALUES

if TYPE_CHECKING:
    from fusemax.cost.explain import Step
    from fusemax.library.sources import Source


def explain(
    number: str = typer.Argument(
        help="A number: latency_s, traffic_B, energy_J, L3.read, cycles[2d,BQK], DRAM.bandwidth ..."
    ),
    cascade: str = CASCADE,
    machine: str = MACHINE,
    mapping: str | None = MAPPING,
    seconds: float | None = SECONDS,
    values: list[str] = VALUES,
    depth: int = typer.Option(99, "--depth", min=0, help="How many steps down; all if not given."),
    json: bool = typer.Option(False, "--json", help="As JSON, in SI units."),
) -> None:
    """Explain a number of a cost: its formula with values, step by step, down to sizes, figures and their sources."""
    from fusemax.cli.arguments import mapped_on, sizes_and_figures
    from fusemax.cost.evaluate import Evaluator
    from fusemax.cost.explain import explained
    from fusemax.cost.model import derive
    from fusemax.library.sources import sources_of

    sizes, figures = sizes_and_figures(values)
    mapped, described = mapped_on(cascade, machine, mapping, sizes, figures, seconds)
    program = derive(mapped, described, figures)
    answer = Evaluator(mapped, program).cost(sizes, figures)
    found = explained(program, answer.values, answer.parameters, number, described)
    steps = [step for step in found if step.depth <= depth]
    sources = sources_of(described)
    if json:
        typer.echo(_as_json(steps, sources, figures))
    else:
        typer.echo(text_of(steps, sources, figures))


def text_of(steps: Sequence[Step], sources: Mapping[str, Source], changed: Mapping[str, float]) -> str:
    """Return *steps* as text: a step for each formula, then the figures and the sizes that they use."""
    from fusemax.language.figure import is_figure
    from fusemax.screen import columns

    rows: list[str] = []
    for step in steps:
        if step.formula:
            pad = "  " * step.depth
            taken = f"   which is {step.chosen}" if step.chosen else ""
            rows += [f"{pad}{step.name} = {step.shown}", f"{pad}  = {step.formula}{taken}"]
    figures = [
        (step.name, step.shown, _source(step.name, sources, changed))
        for step in steps
        if is_figure(step.name) and (step.name in sources or not step.formula)
    ]
    sizes = [
        f"{step.name}={step.value:.0f}" for step in steps if not step.formula and not is_figure(step.name)
    ]
    if figures:
        rows += ["", "figures of the machine", columns(figures)]
    if sizes:
        rows += ["", f"sizes: {' '.join(sizes)}"]
    return "\n".join(rows).strip("\n")


def _source(name: str, sources: Mapping[str, Source], changed: Mapping[str, float]) -> str:
    return "as you set it" if name in changed else str(sources.get(name, ""))


def _as_json(steps: Sequence[Step], sources: Mapping[str, Source], changed: Mapping[str, float]) -> str:
    import json

    from fusemax.cli.cost import finite

    entries = [
        {
            "name": step.name, "value": finite(step.value), "depth": step.depth,
            "formula": step.formula, "chosen": step.chosen, "source": _source(step.name, sources, changed),
        }
        for step in steps
    ]  # fmt: skip
    return json.dumps(
        [{key: value for key, value in entry.items() if value != ""} for entry in entries], indent=2
    )
