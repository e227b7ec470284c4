"""What can be asked without a design: of a cascade, of a search for mappings, of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.api.answers import Answer, CostAnswer, PassesAnswer, ReducedAnswer
from fusemax.api.compared import ComparedAnswer
from fusemax.api.design import Design, Values
from fusemax.api.given import sizes_and_figures
from fusemax.api.table import Table
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.library import values
from fusemax.library.given import Given
from fusemax.library.load import Library
from fusemax.machine import Machine

if TYPE_CHECKING:
    import numpy as np
    import polars

    from fusemax.search.answer import Answer as Found
    from fusemax.study.execute.stream import Progress


def load_cascade(cascade: Given | Cascade) -> Cascade:
    """Return a cascade: of ``einsums/`` by name, from a path, from a text in YAML, or from a dict.

    >>> import fusemax as fm
    >>> fm.load_cascade("attention/1-pass").outputs
    ('AV',)

    Raises
    ------
    FusemaxError
        With every mistake and its place.
    """
    return Library().cascade(cascade)


def load_machine(machine: Given | Machine) -> Machine:
    """Return a machine: of ``arch/`` by name, from a path, from a text in YAML, or from a dict.

    >>> import fusemax as fm
    >>> larger = fm.load_machine("fusemax").with_("L3.size", "32 MiB")
    >>> str(larger.levels["L3"].size)
    '33554432'

    Raises
    ------
    FusemaxError
        With every mistake and its place.
    """
    return Library().machine(machine)


def passes(cascade: Given | Cascade) -> PassesAnswer:
    """Return the fewest passes that *cascade* must make over each rank, with the reasons.

    >>> import fusemax as fm
    >>> found = fm.passes("attention/3-pass")
    >>> found.passes("M")
    3
    """
    from fusemax.analysis.passes import analyse

    return PassesAnswer(analyse(load_cascade(cascade)))


def reduce(
    cascade: Given | Cascade, rank: str | None = None, *, form: str | None = None, given: Sequence[str] = ()
) -> ReducedAnswer:
    """Return equivalent cascades with fewer passes over *rank*, each derived by algebra and checked by its values.

    Parameters
    ----------
    rank
        The one with most passes when it is None.
    form
        ``running`` or ``split`` for loops of that form only.
    given
        Results that an earlier cascade saved, each as the Einsum that makes it.

    Examples
    --------
    >>> import fusemax as fm
    >>> found = fm.reduce("attention/3-pass")
    >>> fm.passes(found.best()).passes("M")
    1

    Raises
    ------
    FusemaxError
        For a rank or form that there is not.
    """
    from fusemax.analysis.rewrite.search import search

    over = None if rank is None else values.name(rank, "rank")
    wanted = None if form is None else values.name(form, "form")
    return ReducedAnswer(search(load_cascade(cascade), over, wanted, values.names(given, "given")))


def evaluate(
    cascade: Given | Cascade, inputs: Mapping[str, np.ndarray], sizes: Mapping[str, int] | None = None
) -> dict[str, np.ndarray]:
    """Return every tensor of *cascade* by name, for *inputs*: what the cascade means.

    Parameters
    ----------
    inputs
        float64 arrays by tensor, one axis for each rank, the batch ranks first.
    sizes
        Sizes that the shapes of the inputs do not tell, e.g. the tile ``M0``.

    Examples
    --------
    >>> import numpy as np
    >>> import fusemax as fm
    >>> double = {"title": "t", "source": "s", "inputs": {"X": ["M"]}, "einsums": "Y[m] = 2*X[m]"}
    >>> fm.evaluate(double, {"X": np.array([1.0, 2.5])})["Y"].tolist()
    [2.0, 5.0]

    Raises
    ------
    FusemaxError
        When an input is missing, has the wrong shape, or a size is not known, or is another than the shape of an input says.
    """
    from fusemax.cascade.evaluate import evaluate as run

    known = {
        rank: values.whole(size, f"sizes: {rank}", 1) for rank, size in values.entries(sizes, "sizes").items()
    }
    return run(load_cascade(cascade), values.arrays(inputs, "inputs"), known)


def compare(costs: Mapping[str, CostAnswer]) -> ComparedAnswer:
    """Return *costs* side by side, each under its name: totals, what makes them up, rooflines.

    >>> import fusemax as fm
    >>> sizes = {"B": 1, "H": 12, "E": 64, "F": 64, "M": 4096, "P": 4096}
    >>> both = fm.compare({
    ...     "unfused": fm.Design(None, "flat", "unfused").cost(sizes),
    ...     "FuseMax": fm.Design(None, "fusemax", "fusemax").cost(sizes),
    ... })
    >>> both["traffic_B"]
    [1635778560.0, 25165824.0]

    Raises
    ------
    FusemaxError
        When there are none.
    """
    if not costs:
        raise FusemaxError("compare needs at least one cost")
    return ComparedAnswer(dict(costs))


@dataclass(frozen=True, repr=False)
class MapAnswer(Answer):
    """The best mapping that a search found, and how far it can be from the best there is.

    Attributes
    ----------
    design
        The cascade on the machine under that mapping.
    found
        Everything that the search tells; ``found.text`` is the mapping file.
    """

    design: Design
    found: Found

    @property
    def cost(self) -> CostAnswer:
        """What the mapping costs at the sizes that were asked for."""
        evaluator = self.design._evaluator({})
        return CostAnswer(str(self.design.value), self.found.cost, evaluator.program, self.design.machine, {})

    @property
    def gap(self) -> float:
        """The lower bound over what the mapping costs: 1 when no mapping can be better."""
        return self.found.gap

    @cached_property
    def table(self) -> Table:
        """What it costs."""
        return self.cost.table


def map(
    cascade: Given | Cascade, machine: Given | Machine, sizes: Values, *, figures: Values | None = None,
    objective: str = "latency", absorb: Sequence[str] = (), seconds: float = 20.0,
) -> MapAnswer:  # fmt: skip
    """Return the best mapping of *cascade* on *machine* at *sizes* that a search of *seconds* finds.

    Parameters
    ----------
    sizes, figures
        As for :meth:`Design.cost`.
    objective
        What is to be least: ``latency``, ``energy``, ``traffic`` or ``edp`` (latency times energy).
    absorb
        Einsums that somebody else does.

    Raises
    ------
    FusemaxError
        For unknown sizes and figures, operations that no unit can do, and a machine on which nothing fits.
    """
    from fusemax.search.answer import best_mapping

    chosen, described = load_cascade(cascade), load_machine(machine)
    found_sizes, found_figures = sizes_and_figures(
        {**values.entries(sizes, "sizes"), **values.entries(figures, "figures")}
    )
    found = best_mapping(
        chosen, described, found_sizes, found_figures, objective=values.name(objective, "objective"),
        absorb=values.names(absorb, "absorb"), seconds=values.seconds(seconds, "seconds"),
    )  # fmt: skip
    return MapAnswer(Design(chosen, described, found.text), found)


def sweep(
    machine: Given | Machine, mapping: Given, *, grid: Values, sizes: Values | None = None,
    figures: Values | None = None, zip: Sequence[Sequence[str]] = (), where: Sequence[str] = (),
    outputs: Sequence[str] = (), pareto: Sequence[str] = (), top: int | None = None, by: str | None = None,
    progress: bool | Callable[[Progress], None] = False,
) -> polars.DataFrame:  # fmt: skip
    """Return the table of a grid of points as a frame of polars, one row each, or the few that *pareto* or *top* keep.

    Parameters
    ----------
    machine, mapping
        As for :class:`Design`; the cascade is the one that the mapping names.
    grid
        Values or ranges by name: sizes (``M``), figures of the machine (``L3.size``, ``2d.shape``), tiles (``tiles.P1``).
    sizes, figures
        What stays the same at all points, or follows from a formula (``P: M``).
    zip, where, outputs
        As in a study: names that go together, conditions, columns.
    pareto
        Measures of which only the front is kept.
    top, by
        The number of points to keep, and the measure that orders them.
    progress
        True shows a bar on a terminal or in a notebook; a function is called with where the sweep is.

    Examples
    --------
    >>> import fusemax as fm
    >>> sizes = {"B": 1, "H": 12, "E": 64, "F": 64, "M": 4096, "P": "M"}
    >>> table = fm.sweep("fusemax", "fusemax", sizes=sizes, grid={"L3.size": ["1 MiB", "16 MiB"]})
    >>> table.select("L3.size", "traffic_B").rows()
    [(1048576.0, 37748736.0), (16777216.0, 25165824.0)]

    Raises
    ------
    FusemaxError
        With every mistake: names, units, values that no rank or figure can have.
    """
    return Design(None, machine, mapping).frame(
        grid, sizes=sizes, figures=figures, zip=zip, where=where, outputs=outputs, pareto=pareto, top=top, by=by,
        progress=progress,
    )  # fmt: skip


@dataclass(frozen=True)
class Results:
    """The folder that a study leaves: tables, figures, a report.

    Attributes
    ----------
    folder
        Where they are.
    """

    folder: Path

    def table(self, name: str = "results") -> Table:
        """Return the table *name*; raise FusemaxError when the folder has none."""
        from fusemax.table.store import read_table

        table = read_table(self.folder, name)
        return Table(name, table.frame.to_dict(as_series=False), table.columns)

    @property
    def report(self) -> Path:
        """The report; open it in a browser."""
        return self.folder / "report.html"


def run(study: str | Path, out: str | Path | None = None, **options: Any) -> Results:
    """Run a study, as ``fusemax run`` does, and return its results.

    Parameters
    ----------
    study
        A study of ``studies/`` by name, or a path.
    out
        The folder of the results; ``results/<study>`` when it is None.
    options
        Those of the command: ``pareto``, ``top``, ``by``, ``resume``, ``fresh``, ``cluster``, ``workers``, ``chunk``.

    Raises
    ------
    FusemaxError
        With every mistake of the study, before anything is run.
    """
    from fusemax.nearest import meant
    from fusemax.shipped import find
    from fusemax.study.run import run_study

    known = ("pareto", "top", "by", "resume", "fresh", "cluster", "workers", "chunk")
    for name in options:
        if name not in known:
            raise FusemaxError(f"run takes no option {name!r}\n  hint: {meant(name, known)}")
    path = find("studies", str(values.path(study, "study")))
    folder = Path("results") / path.stem if out is None else values.path(out, "out")
    given = {
        name: _option(name, value)
        for name, value in options.items()
        if value is not None and value is not False
    }
    finished = run_study(path, folder, f"fusemax.run({str(study)!r})", given)
    if finished.outcome.failed:
        raise FusemaxError(finished.outcome.failed)
    return Results(folder)


def _option(name: str, value: object) -> str | int | bool:
    """Return an option of :func:`run` as the command line would give it."""
    if name in ("resume", "fresh"):
        if value is not True:
            raise FusemaxError(f"{name}: expected True or False, got {values.shown(value)}")
        return True
    if name in ("top", "workers", "chunk"):
        return values.whole(value, name, 1)
    return (
        ",".join(values.names(value, name)) if isinstance(value, list | tuple) else values.name(value, name)
    )
