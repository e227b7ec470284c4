"""What designs answer: costs, simulations and passes, each with its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.api.table import Drawing, Table
from fusemax.cost.program import Label, Program
from fusemax.library import values

if TYPE_CHECKING:
    import pandas  # pyright: ignore[reportMissingImports, reportMissingModuleSource]
    import polars

    from fusemax.analysis.passes import Analysis
    from fusemax.analysis.rewrite.search import Reduced
    from fusemax.cascade.ir import Cascade
    from fusemax.cost.evaluate import Cost
    from fusemax.cost.explain import Step
    from fusemax.machine import Machine
    from fusemax.simulate.tile.result import Simulation


class Answer:
    """An answer that prints as its table."""

    @cached_property
    def table(self) -> Table:
        """The answer as a table."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def to_polars(self) -> polars.DataFrame:
        """Return its table as a frame of polars."""
        return self.table.to_polars()

    def to_pandas(self) -> pandas.DataFrame:
        """Return its table as a frame of pandas; raise FusemaxError where pandas is not installed."""
        return self.table.to_pandas()


@dataclass(frozen=True, repr=False)
class CostAnswer(Answer):
    """The cost of one point.

    Attributes
    ----------
    name
        What was costed.
    cost
        Every line of the cost program with its value.
    program
        The cost program: its formulas.
    machine, changed
        The machine, and the figures of it that were replaced, in SI units.
    """

    name: str
    cost: Cost
    program: Program
    machine: Machine
    changed: Mapping[str, float]

    @property
    def latency_s(self) -> float:
        """Time from start to end, in seconds."""
        return self.cost.latency_s

    @property
    def bound_s(self) -> float:
        """The largest of all resources' own times, in seconds: a lower bound for every schedule."""
        return self.cost.bound_s

    @property
    def traffic_B(self) -> float:  # noqa: N802 - the unit is a byte
        """Bytes that cross the outermost level's border, reads and writes together."""
        return self.cost.traffic_B

    @property
    def energy_J(self) -> float:  # noqa: N802 - the unit is a joule
        """Energy of all components, in joules; NaN when the machine does not give all of them."""
        return self.cost.energy_J

    @property
    def area_m2(self) -> float:
        """Area of all components, in square metres; NaN when the machine gives none."""
        return self.cost.area_m2

    @property
    def utilization(self) -> dict[str, float]:
        """Busy lane-cycles over all lane-cycles, from 0 to 1, by unit."""
        return self.cost.utilization()

    @property
    def limits(self) -> dict[str, str]:
        """What the time of each nest is: ``schedule``, the schedule of its units, or the name of a level."""
        return self.cost.limits()

    @property
    def values(self) -> Mapping[str, float]:
        """Every line of the cost program by its name, such as ``cycles[2d,BQK]``, in SI units."""
        return self.cost.values

    @property
    def parameters(self) -> Mapping[str, float]:
        """The sizes and figures that the program took, in SI units."""
        return self.cost.parameters

    @cached_property
    def table(self) -> Table:
        """The totals: a row for each, with the quantity as people write it."""
        from fusemax.quantity import format_quantity

        clock = self.cost.clock_Hz
        rows: list[tuple[str, float, str, str]] = [
            ("latency_s", self.latency_s, format_quantity(self.latency_s, "s", 5), f"{self.latency_s * clock:,.0f} cycles"),
            ("bound_s", self.bound_s, format_quantity(self.bound_s, "s", 5), "the busiest unit or level, all else hidden"),
            ("traffic_B", self.traffic_B, format_quantity(self.traffic_B, "B", 5), f"{self.traffic_B:,.0f} B"),
        ]  # fmt: skip
        for name, unit in (("energy_J", "J"), ("area_m2", "m2")):
            total = name.partition("_")[0]
            missing = self.program.missing.get(total, ())
            if missing:
                rows.append((name, float("nan"), "not known", f"the machine lacks {', '.join(missing)}"))
            elif name in self.values:
                rows.append((name, self.values[name], format_quantity(self.values[name], unit, 5), ""))
        rows += [(f"utilization_{u}", share, f"{share:.1%}", "") for u, share in self.utilization.items()]
        rows += [(f"limit of {nest}", float("nan"), limit, "") for nest, limit in self.limits.items()]
        names, values, words, remarks = zip(*rows, strict=True)
        return Table(self.name, {"quantity": names, "value": values, "": words, "remark": remarks})

    @cached_property
    def breakdown(self) -> Table:
        """Every line with a label: its kind, what it is about, and its value in SI units."""
        keys = [field.name for field in fields(Label)]
        labels = [label for label in self.cost.labels.values()]
        columns: dict[str, list[Any]] = {key: [getattr(label, key) for label in labels] for key in keys}
        return Table(self.name, {**columns, "value": list(self.values.values())})

    @cached_property
    def energy(self) -> Table:
        """The energy of each component (a unit and what it does, or a level), in joules; empty where it is not known."""
        parts = self.cost.table("component_energy") if "energy_J" in self.values else {}
        components = [label.component for label in parts]
        return Table(f"{self.name}: energy", {"component": components, "energy_J": list(parts.values())})

    @cached_property
    def roofline(self) -> Table:
        """Intensity (lane-cycles for each byte of traffic), speed and peak (lane-cycles/s) of each unit, bandwidth (B/s).

        ``table.plot("intensity", "speed", kind="roofline", series="unit")`` draws it.
        """
        from fusemax.cost.roofline import BANDWIDTH, OF_UNITS, roofline
        from fusemax.study.columns import ROOFLINE

        units = roofline(self.program, self.machine, {**self.parameters, **self.values})
        names = (*OF_UNITS, BANDWIDTH)
        columns = {name: [one[name] for one in units.values()] for name in names}
        return Table(f"{self.name}: roofline", {"unit": list(units), **columns}, ROOFLINE)

    def of(self, kind: str) -> Table:
        """Return the lines of one *kind*: ``cycles``, ``words``, ``component_energy``, ``occupancy``, ``time`` ...

        Raises
        ------
        FusemaxError
            For a kind that the program does not have; the message lists those it has.
        """
        from fusemax.errors import FusemaxError
        from fusemax.nearest import meant

        kinds = dict.fromkeys(self.breakdown["kind"])
        if values.name(kind, "kind") not in kinds:
            raise FusemaxError(f"a cost has no lines of kind {kind!r}\n  hint: {meant(kind, kinds)}")
        rows = [row for row in self.breakdown.rows() if row.pop("kind") == kind]
        used = [name for name in rows[0] if any(row[name] != "" for row in rows)]
        return Table(f"{self.name}: {kind}", {name: [row[name] for row in rows] for name in used})

    def explain(self, number: str, depth: int = 99) -> Explanation:
        """Return where a *number* comes from: its formula with values, step by step, down to figures and their sources.

        Parameters
        ----------
        number
            ``latency_s``, ``traffic_B``, ``L3.read``, ``cycles[2d,BQK]``, ``DRAM.bandwidth`` ...
        depth
            How many steps down.

        Raises
        ------
        FusemaxError
            For a name that means no number, or several.
        """
        from fusemax.cli.explain import text_of
        from fusemax.cost.explain import explained
        from fusemax.library.sources import sources_of

        steps = explained(
            self.program, self.values, self.parameters, values.name(number, "number"), self.machine
        )
        down = values.whole(depth, "depth")
        kept = tuple(step for step in steps if step.depth <= down)
        return Explanation(kept, text_of(kept, sources_of(self.machine), self.changed))

    def plot(self, file: str | Path | None = None) -> Drawing:
        """Return a figure of the busy cycles of each unit, by Einsum; *file* as for :meth:`Table.plot`."""
        cycles = self.of("cycles")
        table = Table(self.name, {**cycles.columns, "cycles": cycles["value"]})
        return table.plot("unit", "cycles", kind="stacks", series="einsum", file=file, title=self.name)


@dataclass(frozen=True, repr=False)
class Explanation:
    """Where a number comes from.

    Attributes
    ----------
    steps
        Each number that it needs, with its formula and value, once, in the order of need.
    text
        The same in words; it is what prints.
    """

    steps: tuple[Step, ...]
    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class SimulationAnswer(Answer):
    """A mapping executed tile by tile: cycles, waits and buffers.

    Attributes
    ----------
    name
        What was simulated.
    simulation
        Everything that happened: phases, words, buffers, waits.
    """

    name: str
    simulation: Simulation

    @property
    def cycles(self) -> int:
        """Cycles from start to end."""
        return self.simulation.cycles

    @property
    def latency_s(self) -> float:
        """Time from start to end, in seconds."""
        return self.simulation.latency_s

    @property
    def utilization(self) -> Mapping[str, float]:
        """Busy lane-cycles over all lane-cycles, from 0 to 1, by unit."""
        return self.simulation.utilization

    @cached_property
    def table(self) -> Table:
        """A row for the whole and one for each unit's utilization."""
        rows: list[tuple[str, float]] = [("cycles", self.cycles), ("latency_s", self.latency_s)]
        rows += [(f"utilization_{unit}", share) for unit, share in self.utilization.items()]
        return Table(self.name, dict(zip(("quantity", "value"), zip(*rows, strict=True), strict=True)))

    @cached_property
    def waits(self) -> Table:
        """Who waited for whom, and for how many cycles."""
        return _records(f"{self.name}: waits", [asdict(wait) for wait in self.simulation.waits])

    @cached_property
    def buffers(self) -> Table:
        """The most bytes that each tensor held at each level."""
        return _records(f"{self.name}: buffers", [asdict(buffer) for buffer in self.simulation.buffers])


@dataclass(frozen=True, repr=False)
class PassesAnswer(Answer):
    """How often a cascade must sweep each rank, and why.

    Attributes
    ----------
    analysis
        Everything that the analysis found.
    """

    analysis: Analysis

    def passes(self, rank: str, tensor: str | None = None) -> int:
        """Return the fewest passes over *rank*, or over one *tensor* along it."""
        over = values.name(rank, "rank")
        return self.analysis.passes(over, None if tensor is None else values.name(tensor, "tensor"))

    def why(self, rank: str, tensor: str) -> str:
        """Return the chain of Einsums that forces the passes of *tensor* over *rank*, in words."""
        return self.analysis.rank(values.name(rank, "rank")).of(values.name(tensor, "tensor")).why()

    @cached_property
    def table(self) -> Table:
        """A row for each rank: passes, and the tensors that must be kept or read again."""
        rows = [
            {"rank": one.rank, "passes": one.passes, "crosses": ", ".join(one.crossing) or "-"}
            for one in self.analysis.ranks
        ]
        return _records(f"{self.analysis.cascade.name}: passes", rows)


@dataclass(frozen=True, repr=False)
class ReducedAnswer(Answer):
    """Equivalent cascades with fewer passes over a rank, the best first.

    Attributes
    ----------
    reduced
        Everything that the search found.
    """

    reduced: Reduced

    def best(self, to: int = 1) -> Cascade:
        """Return the best cascade with at most *to* passes.

        Raises
        ------
        FusemaxError
            When there is none, naming the conditions that fail.
        """
        return self.reduced.best(values.whole(to, "to", 1)).cascade

    def named(self, form: str) -> Cascade:
        """Return the cascade of the *form* that is so called; raise FusemaxError with the nearest name."""
        return self.reduced.named(values.name(form, "form")).cascade

    @cached_property
    def table(self) -> Table:
        """A row for each form, the cascade as written first; work is relative to that."""
        whole = self.reduced.original.work or 1.0
        rows = [
            {
                "form": form.title, "passes": form.passes, "sweeps": form.sweeps, "work": form.work / whole,
                "safe": "yes" if form.safe else "no",
            }
            for form in (self.reduced.original, *self.reduced.forms)
        ]  # fmt: skip
        name = self.reduced.original.cascade.name
        return _records(f"{name}: passes over {self.reduced.rank}", rows)


def _records(title: str, rows: list[dict[str, Any]]) -> Table:
    names = list(rows[0]) if rows else []
    return Table(title, {name: [row[name] for row in rows] for name in names})
