"""What ``fusemax map`` shows: the best mapping found, forms of a cascade, a front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fusemax.cli.searching import quantity_of

if TYPE_CHECKING:
    from rich.console import Console

    from fusemax.search.answer import Answer
    from fusemax.search.forms import Forms, Tried
    from fusemax.search.front import Point

ENDS = {
    "bound": "it is as near to the bound as was asked for",
    "done": "all that this strategy tries was tried",
    "time": "the time was up; --seconds gives more",
    "asked": "you stopped it",
}


def as_record(answer: Answer, text: str) -> dict[str, Any]:
    """Return *answer* as plain data: the mapping file, its price, the bound, the runner-up and what was searched."""
    from dataclasses import asdict

    from fusemax.cli.cost import as_record as cost_record
    from fusemax.cli.cost import finite
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
        "runner_up": None if other is None else {name: finite(getattr(other, name)) for name in measures},
        "passed": list(answer.passed),
        "structures": answer.structures,
        "tilings": answer.tilings,
        "seconds": answer.seconds,
        "stopped": answer.stopped,
    }


def show(console: Console, answer: Answer, title: str, text: str) -> None:
    """Print the best mapping found: a table of what it costs and how good it is, and the file."""
    from fusemax.cli.cost import finite
    from fusemax.quantity import format_quantity
    from fusemax.screen import table
    from fusemax.search.answer import measure
    from fusemax.search.missing import missing

    cost = answer.cost
    cycles = f"{cost.latency_s * cost.full_clock_Hz:,.0f} cycles"
    rows = [
        ("latency", format_quantity(cost.latency_s, "s", 5), cycles),
        ("traffic", format_quantity(cost.traffic_B, "B", 5), f"{cost.traffic_B:,.0f} B"),
    ]
    if finite(cost.energy_J) is not None:
        rows.append(("energy", format_quantity(cost.energy_J, "J", 5), ""))
    bound = answer.bound.of(answer.objective)
    about = f"no mapping is below this; it is {answer.gap:.1%} of the best found"
    rows.append((f"bound of {answer.objective}", quantity_of(bound, answer.objective), about))
    rows += [("above the bound", f"{part:.1%}", what) for what, part in missing(answer)[:4]]
    rows += [("limited by", limit, f"nest {nest}") for nest, limit in _limits(answer).items()]
    if answer.runner_up is not None:
        value = answer.runner_up.measure(answer.objective)
        best = measure(cost, answer.objective)
        worse = f"{value / best - 1:.2%} more" if best else ""
        phases = f"{len(answer.runner_up.phases)} phases" if len(answer.runner_up.phases) > 1 else "1 phase"
        said = f"{worse}, {phases}, other loops or places"
        rows.append(("runner-up", quantity_of(value, answer.objective), said))
    if answer.passed:
        rows.append(("passed over", f"{len(answer.passed)} better plans", answer.passed[0].split("\n")[0]))
    counts = f"{answer.structures:,} structures, {answer.tilings:,} tilings"
    rows.append(("searched", counts, f"{answer.seconds:.1f} s; {ENDS[answer.stopped]}"))
    console.print(table((), rows, f"{title}: the best mapping found for {answer.objective}"))
    console.print(text, markup=False, highlight=False, soft_wrap=True, end="")


def _limits(answer: Answer) -> dict[str, str]:
    """Return what limits each nest."""
    limits = answer.cost.limits().items()
    return {nest: limit if limit != "schedule" else _busiest(answer, nest) for nest, limit in limits}


def _busiest(answer: Answer, nest: str) -> str:
    """Return the unit that works longest in *nest*, or "schedule" where dependences or order cost more than any unit."""
    times = {lab.unit: v for lab, v in answer.cost.table("time").items() if lab.nest == nest and lab.unit}
    computing = max((v for lab, v in answer.cost.table("computing").items() if lab.nest == nest), default=0.0)
    if not times:
        return "schedule"
    unit = max(times, key=lambda name: times[name])
    return unit if times[unit] >= computing * (1 - 1e-9) else "schedule"


def forms_table(found: Forms, objective: str) -> Any:
    """Return the table of the forms of a cascade that were tried, the best first, and why each is where it is."""
    from fusemax.screen import table
    from fusemax.search.answer import measure

    rows: list[tuple[str, ...]] = []
    for one in found.tried:
        told = ("-", "-", one.reason.split("\n")[0])
        if one.answer is not None:
            value = measure(one.answer.cost, objective)
            told = (quantity_of(value, objective), f"{one.answer.gap:.1%}", reason(one.answer))
        rows.append((one.form.title, str(one.form.passes), *told))
    title = f"forms of {found.reduced.original.cascade.name}, by {objective}"
    return table(("form", ">passes", f">{objective}", ">bound", "why"), rows, title)


def form_record(one: Tried) -> dict[str, Any]:
    """Return a form that was tried as plain data."""
    record: dict[str, Any] = {"form": one.form.title, "passes": one.form.passes, "reason": one.reason}
    if one.answer is not None:
        cost = one.answer.cost
        record |= {"reason": reason(one.answer), "latency_s": cost.latency_s, "traffic_B": cost.traffic_B}
    return record


def reason(answer: Answer) -> str:
    """Return in a few words what the price of *answer* is made of."""
    phases, limits = len(answer.plan.phases), sorted(set(_limits(answer).values()))
    told = f"{phases} phase{'s' * (phases > 1)}, {answer.cost.traffic_B:.3g} B outside"
    return f"{told}, limited by {', '.join(limits)}"


def front_table(points: Sequence[Point], title: str) -> Any:
    """Return the table of a front."""
    from fusemax.cli.cost import finite
    from fusemax.quantity import format_quantity
    from fusemax.screen import table

    rows: list[tuple[str, ...]] = []
    for number, point in enumerate(points, 1):
        tiles = next((x for x in point.text.split("\n") if x.startswith("tiles:")), "tiles: by phase")
        energy = format_quantity(point.energy_J, "J", 5) if finite(point.energy_J) is not None else "-"
        latency, traffic = format_quantity(point.latency_s, "s", 5), format_quantity(point.traffic_B, "B", 5)
        rows.append((str(number), latency, energy, traffic, tiles.removeprefix("tiles: ")))
    return table((">mapping", ">latency", ">energy", ">traffic", "tiles"), rows, title)
