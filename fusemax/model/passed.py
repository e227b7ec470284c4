"""A pass with its prices: rows of steps, and the time of all of them over pipeline stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fusemax.model.engine import Host
from fusemax.model.parallel import Parallel
from fusemax.model.price import Price
from fusemax.model.shape import Model
from fusemax.model.step import Pass, Step
from fusemax.model.weights import stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A step with its price: all of its runs in one pass."""

    step: Step
    price: Price

    @property
    def time_s(self) -> float:
        """Time of all runs."""
        return self.step.times * self.price.time_s

    @property
    def traffic_B(self) -> float:  # noqa: N802 - the unit is a byte
        """Bytes of all runs through the outermost level of a chip (of one chip of each stage)."""
        return self.step.times * self.price.traffic_B

    @property
    def energy_J(self) -> float:  # noqa: N802 - the unit is a joule
        """Energy of all runs on one chip; NaN where the machine does not say."""
        return self.step.times * self.price.energy_J

    @property
    def operations(self) -> float:
        """Multiply-adds of all runs on one chip."""
        return self.step.times * self.step.operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One pass with the rows of its steps: those of one micro-batch through all stages, then the other micro-batches."""

    run: Pass
    rows: tuple[Row, ...]

    @property
    def time_s(self) -> float:
        """Time of the pass: its steps run one after another."""
        return sum(row.time_s for row in self.rows)

    @property
    def traffic_B(self) -> float:  # noqa: N802 - the unit is a byte
        """Bytes through the outermost level of a chip (of one chip of each stage)."""
        return sum(row.traffic_B for row in self.rows)

    @property
    def energy_J(self) -> float:  # noqa: N802 - the unit is a joule
        """Energy of all chips; NaN where the machine does not say."""
        return self.run.parallel.stage * sum(row.energy_J for row in self.rows)

    @property
    def idle(self) -> float:
        """The part of the stages' time in which they wait for work (the bubble of a pipeline)."""
        parallel = self.run.parallel
        worked = parallel.micro * sum(row.time_s for row in self.rows if row.step.work != PIPELINE)
        return max(0.0, 1 - worked / (parallel.pipeline * self.time_s))

    def by_work(self) -> dict[str, float]:
        """Return the time of each kind of work, in the order in which they come."""
        found: dict[str, float] = {}
        for row in self.rows:
            found[row.step.work] = found.get(row.step.work, 0.0) + row.time_s
        return found


PIPELINE = "pipeline"  #: the kind of work of the micro-batches behind the first


def hidden(rows: Sequence[Row], parallel: Parallel) -> list[Row]:
    """Return *rows* with exchanges as long as they last beside what hides them: *overlap* of them, while their layers work."""
    if not parallel.overlap:
        return list(rows)
    sent, worked = _by_part(rows, True), _by_part(rows, False)
    found = []
    for row in rows:
        if row.step.exchange is not None and (whole_s := sent.get(row.step.part, 0.0)):
            part = min(parallel.overlap, worked.get(row.step.part, 0.0) / whole_s)
            limit = f"{row.price.limit}, {part:.0%} hidden"
            row = replace(row, price=replace(row.price, time_s=row.price.time_s * (1 - part), limit=limit))
        found.append(row)
    return found


def _by_part(rows: Sequence[Row], exchanges: bool) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        if (row.step.exchange is not None) == exchanges:
            found[row.step.part] = found.get(row.step.part, 0.0) + row.time_s
    return found


def stage_times(
    model: Model, rows: Sequence[Row], parallel: Parallel, host: Host | None = None
) -> list[float]:
    """Return the time of one micro-batch in each stage; sending it on belongs to the stage that sends.

    A stage whose *host* launches kernels slower than they run takes as long as the launches.
    """
    times = _by_stage(model, rows, parallel, lambda row: row.time_s)
    launches = _by_stage(model, rows, parallel, lambda row: row.step.times)
    kernel_s = host.kernel_s if host else 0.0
    return [max(time_s, many * kernel_s) for time_s, many in zip(times, launches, strict=True)]


def _by_stage(
    model: Model, rows: Sequence[Row], parallel: Parallel, value: Callable[[Row], float]
) -> list[float]:
    """Return for each stage the sum of *value* over its part of *rows*."""
    if parallel.pipeline == 1:
        return [sum(value(row) for row in rows)]
    of_layer: dict[int, float] = {}
    ends = {"first": 0.0, "last": 0.0, "sent": 0.0}
    for row in rows:
        if row.step.layer is not None:
            each = value(row) / model.layers[row.step.layer].times
            of_layer[row.step.layer] = of_layer.get(row.step.layer, 0.0) + each
        elif row.step.part == PIPELINE:
            ends["sent"] += value(row) / row.step.times
        else:
            ends["first" if row.step.part == "embedding" else "last"] += value(row)
    last = parallel.pipeline - 1
    return [
        sum(times * of_layer.get(kind, 0.0) for kind, times in layers.items())
        + (ends["first"] if number == 0 else 0.0) + (ends["last"] if number == last else ends["sent"])
        for number, layers in enumerate(stages(model, parallel))
    ]  # fmt: skip


def waited(model: Model, run: Pass, rows: Sequence[Row], host: Host) -> list[Row]:
    """Return the row of the time in which the chips of each stage wait for their *host*, if they do."""
    parallel, before_s = run.parallel, host.before_s(run.reading or not run.decoding)
    plain = sum(stage_times(model, rows, parallel))
    behind_s = sum(stage_times(model, rows, parallel, host)) - plain if host.kernel_s else 0.0
    time_s = before_s + behind_s
    if not time_s:
        return []
    step = Step(part="host", name="waiting for the host", work="host", times=1)
    limit = "launches" if behind_s > before_s else "before the pass"
    return [Row(step=step, price=Price(time_s=time_s, traffic_B=0.0, energy_J=0.0, limit=limit))]


def followed(model: Model, run: Pass, rows: Sequence[Row], host: Host | None = None) -> list[Row]:
    """Return the row of the micro-batches behind the first, if there are any.

    They leave the pipeline one after another, the time of the slowest stage apart. When decoding, a micro-batch starts its
    next token as soon as it is through: a step takes as long as its way, or as the slowest stage needs for all micro-batches.
    """
    parallel = run.parallel
    if parallel.micro == 1:
        return []
    times = stage_times(model, rows, parallel, host)
    slowest, more = max(times), parallel.micro - 1
    each = max(0.0, parallel.micro * slowest - sum(times)) / more if run.decoding else slowest
    number = times.index(slowest) + 1
    step = Step(part=PIPELINE, name="other micro-batches", work=PIPELINE, times=more,
                operations=sum(row.operations for row in rows))  # fmt: skip
    price = Price(
        time_s=each, traffic_B=sum(row.traffic_B for row in rows), energy_J=sum(row.energy_J for row in rows),
        limit=f"stage {number} of {parallel.pipeline}",
    )  # fmt: skip
    return [Row(step=step, price=price)]
