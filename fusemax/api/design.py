"""Designs with verbs: check, passes, cost, simulate, sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.api.given import sizes_and_figures
from fusemax.api.table import Table
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.library import design as library_design
from fusemax.library import values as given_values
from fusemax.library.given import Given, document_of_values
from fusemax.library.load import Library
from fusemax.machine import Machine

if TYPE_CHECKING:
    import polars

    from fusemax.api.answers import CostAnswer, PassesAnswer, SimulationAnswer
    from fusemax.cost.evaluate import Evaluator
    from fusemax.study.execute.stream import Progress

Values = Mapping[str, Any]


class Design:
    """A cascade on a machine under a mapping: read and checked once, then asked as often as you like.

    Each of the three is a name that ships with fusemax, a path (``str`` or ``Path``), a text in YAML, or a dict of what a file
    holds; a cascade and a machine may be values, such as a machine with another figure. With None for the cascade it is the
    one that the mapping names. *changes* replace values of the mapping, by dotted path; a path is looked up in the folder
    *beside* first.

    >>> import fusemax as fm
    >>> design = fm.Design("attention/1-pass", "fusemax", "fusemax")
    >>> design
    attention/1-pass on fusemax, mapping fusemax
    >>> answer = design.cost(B=1, H=12, E=64, F=64, M="4Ki", P="M")
    >>> answer.traffic_B, round(answer.latency_s * 1e6, 1)
    (25165824.0, 464.1)
    >>> larger = design.with_("L3.size", "32 MiB")
    >>> larger.cost(B=1, H=12, E=64, F=64, M="4Ki", P="M").traffic_B
    25165824.0

    Raises
    ------
    FusemaxError
        With every mistake and its place: ``file:line:column`` in files and texts, the keys in values.
    """

    def __init__(
        self, cascade: Given | Cascade | None, machine: Given | Machine, mapping: Given, *,
        changes: Values | None = None, beside: str | Path | None = None,
    ) -> None:  # fmt: skip
        self._mapping, self._changes = mapping, given_values.entries(changes, "changes")
        self._beside = None if beside is None else given_values.path(beside, "beside")
        self._value = Library(self._beside).design(machine, mapping, cascade, self._changes)
        self._evaluators: dict[frozenset[str], Evaluator] = {}

    @property
    def value(self) -> library_design.Design:
        """The cascade, the machine and the mapping, set against each other."""
        return self._value

    @property
    def cascade(self) -> Cascade:
        """The cascade."""
        return self._value.cascade

    @property
    def machine(self) -> Machine:
        """The machine."""
        return self._value.machine

    @property
    def digest(self) -> str:
        """The name of its content, in hexadecimal: equal for designs that cost the same."""
        return self._value.digest

    def __repr__(self) -> str:
        return str(self._value)

    def with_(self, figure: str, value: str | float) -> Design:
        """Return a design whose machine differs in one *figure*: ``design.with_("L3.size", "32 MiB")``.

        Raises
        ------
        FusemaxError
            For a name that no figure has, and a value without its unit or out of range.
        """
        name = given_values.name(figure, "figure")
        if name.startswith(("mapping.", "tiles.")):
            path = name.removeprefix("mapping.")
            raise FusemaxError(
                f"{name!r} is no figure of the machine\n  hint: a change of the mapping is "
                f"Design(..., changes={{{path!r}: {value!r}}})"
            )
        changed = self.machine.with_(name, given_values.figure(value, figure))
        return Design(self.cascade, changed, self._mapping, changes=self._changes, beside=self._beside)

    def check(self, sizes: Values | None = None, **more: Any) -> Design:
        """Return this design when it holds at *sizes*: all of them are given, and every tile fits where it is kept.

        Without sizes there is nothing left to check: a design that exists is legal.

        Raises
        ------
        FusemaxError
            With the sizes that are missing, or the tensors, level and bytes that do not fit.
        """
        if sizes is not None or more:
            self.cost(sizes, **more)
        return self

    def passes(self) -> PassesAnswer:
        """Return the fewest passes that the cascade must make over each rank, with the reasons.

        >>> import fusemax as fm
        >>> fm.Design("attention/1-pass", "fusemax", "fusemax").passes().passes("M")
        1
        """
        from fusemax.analysis.passes import analyse
        from fusemax.api.answers import PassesAnswer

        return PassesAnswer(analyse(self.cascade))

    def cost(self, sizes: Values | None = None, figures: Values | None = None, **more: Any) -> CostAnswer:
        """Return the cost of one point; after the first, one more takes well under a millisecond.

        Parameters
        ----------
        sizes, more
            Sizes of ranks by name: whole numbers, texts such as ``"4Ki"``, or formulas of other sizes (``P="M"``).
        figures
            Figures of the machine to replace at this point, with their units: ``{"L3.size": "8 MiB"}``.

        Raises
        ------
        FusemaxError
            For sizes that are missing or unknown, tiles that do not fit, figures that the machine does not have, and values
            without the unit that they need.
        """
        from fusemax.api.answers import CostAnswer

        found, changed = _numbers(sizes, figures, more)
        evaluator = self._evaluator(changed)
        cost = evaluator.cost(found, changed)
        return CostAnswer(str(self._value), cost, evaluator.program, self.machine, changed)

    def _evaluator(self, changed: Mapping[str, float]) -> Evaluator:
        """Return the cost program in which the figures that are *changed* are free; each is derived once."""
        free = frozenset(changed) & self._formulas
        if free not in self._evaluators:
            from fusemax.cost.evaluate import Evaluator
            from fusemax.cost.model import derive

            program = derive(self._value.mapped, self.machine, sorted(free))
            self._evaluators[free] = Evaluator(self._value.mapped, program)
        return self._evaluators[free]

    @property
    def _formulas(self) -> frozenset[str]:
        from fusemax.language.syntax import Number
        from fusemax.machine import figures

        if not hasattr(self, "_formula_names"):
            known = figures(self.machine).items()
            self._formula_names = frozenset(name for name, value in known if not isinstance(value, Number))
        return self._formula_names

    def simulate(
        self, sizes: Values | None = None, figures: Values | None = None, *, events: int = 0, **more: Any
    ) -> SimulationAnswer:
        """Return what happens when the mapping is executed tile by tile.

        *sizes*, *figures* and *more* are those of :meth:`cost`; *events* is how many tasks to write down, from the start of
        each phase.

        Raises
        ------
        FusemaxError
            As for :meth:`cost`, and for mappings that the simulator cannot run.
        """
        from fusemax.api.answers import SimulationAnswer
        from fusemax.simulate.tiles import simulate

        found, changed = _numbers(sizes, figures, more)
        written = given_values.whole(events, "events")
        run = simulate(self._value.mapped, self.machine, found, changed, events=written)
        return SimulationAnswer(str(self._value), run)

    def sweep(
        self, grid: Values, *, sizes: Values | None = None, figures: Values | None = None,
        zip: Sequence[Sequence[str]] = (), where: Sequence[str] = (), outputs: Sequence[str] = (),
        pareto: Sequence[str] = (), top: int | None = None, by: str | None = None,
        progress: bool | Callable[[Progress], None] = False,
    ) -> Table:  # fmt: skip
        """Return the table of a grid of points of this design: a row each, or the few that *pareto* or *top* keep.

        Parameters
        ----------
        grid
            Values by name: lists, arrays of numpy, ``range``, or ``{"from": 1, "to": 64, "steps": 7, "scale": "log"}``; names
            are sizes (``M``), figures of the machine (``L3.size``), tiles (``tiles.P1``).
        sizes, figures
            What stays the same at all points, or follows from a formula (``P: M``).
        zip, where, outputs, pareto, top, by, progress
            As for :func:`fusemax.sweep`.

        Examples
        --------
        >>> import fusemax as fm
        >>> design = fm.Design(None, "fusemax", "fusemax")
        >>> sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "P": "M"}
        >>> table = design.sweep({"M": range(1024, 3073, 1024)}, sizes=sizes)
        >>> table["M"], table["traffic_B"]
        ([1024, 2048, 3072], [524288.0, 1048576.0, 1572864.0])

        Raises
        ------
        FusemaxError
            With every mistake: names, units, values that no rank or figure can have.
        """
        frame = self.frame(
            grid, sizes=sizes, figures=figures, zip=zip, where=where, outputs=outputs, pareto=pareto, top=top, by=by,
            progress=progress,
        )  # fmt: skip
        kept = [name for name in frame.columns if name != "part"]
        return Table(str(self._value), {name: frame[name].to_list() for name in kept})

    def frame(self, grid: Values, **choices: Any) -> polars.DataFrame:
        """Return what :meth:`sweep` does as a frame of polars: quicker where there are millions of rows."""
        from fusemax.api.grid import swept

        return swept(self._value, grid, **choices)


def _numbers(
    sizes: Values | None, figures: Values | None, more: Values
) -> tuple[dict[str, int], dict[str, float]]:
    plain = given_values.entries(figures, "figures")
    sizes = given_values.entries(sizes, "sizes")
    given = document_of_values(plain, "figures").data if plain else {}
    twice = [name for name in more if name in sizes]
    if twice:
        raise FusemaxError(f"{', '.join(twice)}: given twice")
    wrong = [name for name in given if name in sizes or name in more]
    if wrong:
        raise FusemaxError(f"{', '.join(wrong)}: given as a size and as a figure")
    return sizes_and_figures({**sizes, **more, **given})
