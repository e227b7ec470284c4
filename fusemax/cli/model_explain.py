"""``fusemax model --explain STEP``: where the time of a step comes from, down to figures of the machine and their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError
from fusemax.nearest import meant
from fusemax.quantity import format_quantity

if TYPE_CHECKING:
    from fusemax.model.passed import Passed, Row
    from fusemax.model.predict import Predictor


def explained(predictor: Predictor, passed: Passed, name: str, depth: int) -> str:
    """Return where the time of the steps called *name* comes from, as text; *depth* is how many steps of formulas are shown.

    Raises
    ------
    FusemaxError
        For a step that the pass does not have.
    """
    rows = [row for row in passed.rows if row.step.name == name]
    if not rows:
        known = dict.fromkeys(row.step.name for row in passed.rows)
        raise FusemaxError(f"--explain: the pass has no step {name!r}\n  hint: {meant(name, known)}")
    alike: dict[tuple[str, float, str, str], Row] = {}  # layers of one kind have the same steps
    for row in rows:
        alike.setdefault((row.step.part, row.price.time_s, row.price.form, row.price.mapping), row)
    return "\n\n".join(_row(predictor, passed, row, depth) for row in alike.values())


#: Kinds of work that are no kernel, and what their time is.
WAITING = {
    "host": "the chip waits for its host, as --host says it: {}",
    "pipeline": "micro-batches behind the first leave the pipeline one after another, as fast as its slowest stage: {}",
}


def _row(predictor: Predictor, passed: Passed, row: Row, depth: int) -> str:
    each, whole = format_quantity(row.price.time_s, "s", 4), format_quantity(row.time_s, "s", 4)
    share = row.time_s / passed.time_s
    runs = f"{row.step.times} runs of {each}, {whole}" if row.step.times > 1 else f"one run, {each}"
    head = f"{row.step.part}, {row.step.name}: {runs} ({share:.1%} of the pass)"
    if row.step.exchange is not None:
        return f"{head}\nnumbers that chips send each other, by {row.price.limit}: latency and bandwidth of the links"
    if row.step.work in WAITING:
        return f"{head}\n{WAITING[row.step.work].format(row.price.limit)}"
    found = predictor.prices.behind(row.step, row.price)
    return f"{head}\n{_moved(predictor, row) if found is None else _formulas(predictor, row, depth)}"


def _moved(predictor: Predictor, row: Row) -> str:
    """Return what a step takes that has no mapping, for it only moves numbers."""
    from fusemax.model.engine import RECORDED

    recorded = predictor.engine.kernels == RECORDED
    moved = format_quantity(row.price.traffic_B, "B", 4)
    figures = [f"{row.price.limit}.bandwidth", "graph_launch" if recorded else "launch"]
    start = "what a kernel of a recorded graph takes beside" if recorded else "the start of a kernel"
    return f"it only moves numbers: {moved} through {row.price.limit}, and {start}\n\n" + _sources(
        predictor, figures
    )


def _sources(predictor: Predictor, names: list[str]) -> str:
    from fusemax.cost.explain import shown
    from fusemax.library.sources import sources_of
    from fusemax.machine import figures
    from fusemax.screen import columns

    machine = predictor.prices.described
    known, sources = figures(machine), sources_of(machine)
    rows: list[tuple[str, str, str]] = []
    for name in names:
        value = predictor.figures.get(name, getattr(known.get(name), "value", None))
        source = "as you set it" if name in predictor.figures else str(sources.get(name, ""))
        rows += [(name, shown(name, value), source)] if value else []
    return "figures of the machine\n" + columns(rows) if rows else ""


def _formulas(predictor: Predictor, row: Row, depth: int) -> str:
    from fusemax.cli.explain import text_of
    from fusemax.cost.explain import explained as explained_number
    from fusemax.library.sources import sources_of

    prices = predictor.prices
    behind = prices.behind(row.step, row.price)
    assert behind is not None
    ready, sizes, figures = behind
    answer = ready.cost(sizes, figures)
    machine = prices.described
    steps = explained_number(ready.program, answer.values, answer.parameters, "latency_s", machine)
    text = text_of([step for step in steps if step.depth <= depth], sources_of(machine), predictor.figures)
    at = " ".join(f"{name}={size}" for name, size in sizes.items())
    return f"a run: cascade {row.price.form}, mapping {row.price.mapping}, {at}\n\n{text}"
