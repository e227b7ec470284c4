"""The answer to a search: the best mapping found, priced by the cost engine from its own file, and how good it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from fusemax.cascade.ir import Cascade
from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.build import map_onto
from fusemax.mapping.names import check_einsums
from fusemax.mapping.nest import Mapped
from fusemax.mapping.space import mapping_data
from fusemax.mapping.spec import mapping_file_of
from fusemax.search.bound import Bound, bound_of
from fusemax.search.candidate import Tally
from fusemax.search.clock import HOPELESS_S, steady, timed
from fusemax.search.facts import Facts, facts_of
from fusemax.search.plan import Plan, Search
from fusemax.search.strategies import strategy
from fusemax.search.within import Within
from fusemax.search.words import refuse_no_room
from fusemax.search.write import mapping_text
from fusemax.source import document_of

OBJECTIVES: Mapping[str, str] = {
    "latency": "s", "energy": "J", "traffic": "B", "edp": "J s",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The best mapping found.

    Attributes
    ----------
    text
        The mapping file.
    mapped, cost
        The same, read again and priced by :mod:`fusemax.cost`.
    runner_up
        The best plan of another structure, if there was one.
    passed
        Why better plans were passed over: their mapping files are not legal, or do not fit.
    structures, tilings
        How many were priced.
    stopped
        Why the search ended: at its ``bound``, when all was tried (``done``), on ``time``, or by the user (``asked``).
    """

    facts: Facts
    objective: str
    text: str
    mapped: Mapped
    cost: Cost
    plan: Plan
    bound: Bound
    runner_up: Plan | None
    passed: tuple[str, ...]
    structures: int
    tilings: int
    seconds: float
    stopped: str

    @property
    def gap(self) -> float:
        """How much of the best is covered by the bound: 1 when nothing can be better."""
        value = measure(self.cost, self.objective)
        return min(1.0, self.bound.of(self.objective) / value) if value else 1.0


def measure(answer: Cost, objective: str) -> float:
    """Return the value of *objective* of a cost."""
    if objective == "edp":
        return answer.latency_s * answer.energy_J
    return {"latency": answer.latency_s, "energy": answer.energy_J, "traffic": answer.traffic_B}[objective]


def best_mapping(
    cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None,
    *, objective: str = "latency", absorb: Sequence[str] = (), seconds: float = 12.0, search: str = "joined",
    within: Within | None = None, by_work: bool = False, hopeless_s: float = HOPELESS_S,
    tally: Tally | None = None, watch: Callable[[Search, Plan], None] = lambda search, plan: None,
) -> Answer:  # fmt: skip
    """Return the best mapping found of *cascade* on *machine* at *sizes*, with *figures* of the machine replaced.

    *objective* is ``latency``, ``energy``, ``traffic`` or ``edp`` (latency times energy); *absorb* names Einsums that somebody
    else does; *within* is the part of the space that is left open; *watch* is told of every better plan. An interrupt (Ctrl-C)
    ends the search with the best so far. With *by_work*, *seconds* are those of a common machine, counted as work: the answer
    is the same however busy this one is. After *hopeless_s* more a search that has found nothing gives up. *tally* counts
    what is done, whatever comes of it.

    Raises
    ------
    FusemaxError
        For unknown sizes and figures, operations that no unit can do, a machine on which nothing fits (with the nearest miss),
        and an energy that the machine does not give.
    """
    begun = monotonic()
    facts = facts_of(cascade, machine, sizes, figures, absorb, within)
    check_objective(facts, objective)
    check_einsums(facts.cascade, (name for name in facts.names if name not in facts.absorb), facts.sizes)
    refuse_no_room(facts)
    tally = Tally() if tally is None else tally
    clock = steady(seconds, tally, hopeless_s) if by_work else timed(begun + seconds - monotonic())
    tally.compiling.spare = clock.spare_s
    under_way = Search(facts, objective, bound_of(facts), clock=clock, tally=tally)
    plans, asked = _listen(under_way, search, watch)
    if not plans:
        notes = under_way.tally.notes
        raise FusemaxError(notes[-1] if notes else f"no mapping of {cascade.name} on this machine was found")
    plans.sort(key=lambda plan: plan.order(objective))
    (best, text, mapped, priced), passed = _first_legal(facts, cascade, sizes, figures or {}, plans)
    others = [plan for plan in plans[len(passed) :] if not _same(plan, best)]
    reason = "asked" if asked else "bound" if under_way.near(best) else "time" if clock.cut else "done"
    return Answer(
        facts=facts, objective=objective, text=text, mapped=mapped, cost=priced, plan=best, bound=under_way.proof(best),
        runner_up=others[0] if others else None, passed=passed, structures=under_way.tally.structures,
        tilings=under_way.tally.tilings, seconds=monotonic() - begun, stopped=reason,
    )  # fmt: skip


def _same(one: Plan, other: Plan) -> bool:
    return [p.phase.block for p in one.phases] == [p.phase.block for p in other.phases]


def _listen(under_way: Search, name: str, watch: Callable[[Search, Plan], None]) -> tuple[list[Plan], bool]:
    plans: list[Plan] = []
    try:
        for plan in strategy(name)(under_way):
            plans.append(plan)
            watch(under_way, plan)
    except KeyboardInterrupt:
        if not plans:
            raise
        return plans, True
    return plans, False


def check_objective(facts: Facts, objective: str) -> None:
    """Raise FusemaxError for an unknown *objective*, and for an energy that the machine does not give."""
    if objective not in OBJECTIVES:
        raise FusemaxError(f"no objective {objective!r}; there are: {', '.join(OBJECTIVES)}")
    if objective not in ("energy", "edp"):
        return
    missing = [name for name, level in facts.machine.levels.items() if level.energy is None]
    missing = [f"{name}.energy" for name in missing]
    for name, unit in facts.machine.units.items():
        actions = {action for operation in unit.operations.values() for action in operation.actions}
        missing += [f"{name}.energy.{action}" for action in sorted(actions) if action not in unit.energy]
    outer = facts.machine.outermost
    if facts.machine.levels[outer].energy is None:
        raise FusemaxError(
            f"this machine gives no energy to search for: it lacks {', '.join(missing)}\n"
            "  hint: add them to its file, or use --for latency or --for traffic"
        )


def _first_legal(
    facts: Facts,
    cascade: Cascade,
    sizes: Mapping[str, int],
    figures: Mapping[str, float],
    plans: Sequence[Plan],
) -> tuple[tuple[Plan, str, Mapped, Cost], tuple[str, ...]]:
    """Return the first of *plans* whose mapping file is legal and fits, read and priced as any user's file is; and why not
    those before it."""
    mistakes: list[str] = []
    for plan in plans:
        text = text_of(facts, cascade, plan)
        try:
            return (plan, text, *priced_text(text, cascade, facts.machine, sizes, figures)), tuple(mistakes)
        except FusemaxError as error:
            mistakes.append(str(error))
    raise FusemaxError(mistakes[0])


def priced_text(
    text: str, cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float]
) -> tuple[Mapped, Cost]:
    """Return the mapping in *text* set against its cascade and machine, and its cost."""
    mapped = mapped_text(text, cascade, machine)
    return mapped, cost(mapped, derive(mapped, machine, figures), sizes, figures)


def mapped_text(text: str, cascade: Cascade, machine: Machine) -> Mapped:
    """Return the mapping in *text* set against its cascade and machine."""
    document = document_of(text, "best.yaml")
    return map_onto(cascade, machine, mapping_file_of(document), document)


def text_of(facts: Facts, cascade: Cascade, plan: Plan) -> str:
    """Return *plan* as a mapping file."""
    about: dict[str, Any] = {
        "title": f"{cascade.name} as the mapper has it",
        "source": "found by fusemax map",
        "cascade": cascade.name,
    }
    if facts.absorb:
        about["absorb"] = list(facts.absorb)
    data = mapping_data(
        facts.cascade, [one.phase for one in plan.phases], [dict(one.tiles) for one in plan.phases], about
    )
    return mapping_text(data)
