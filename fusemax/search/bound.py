"""What no mapping can be below: all operations split freely over the units, and words that must cross the outermost level.

docs/mapper.md has the proofs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from fusemax.search.facts import Facts, Piece
from fusemax.search.split import Ways, split, weighted
from fusemax.search.useful import Case, cases_of, useful_points
from fusemax.search.words import compulsory, copies_of, fewest_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Lower bounds of a run of Einsums done in one phase or more.

    Attributes
    ----------
    units_s
        All work split freely over the units; ``prices`` are the weights of the units that prove it: for weights of sum 1, no
        schedule is quicker than the sum over operations of the cheapest weighted time.
    shares
        The part of each (Einsum, operation) that each unit does in the best split.
    words
        Words of each tensor that must cross the outermost level.
    least_words
        Words that must cross it in all because passes and products read again what does not fit; zero if not asked for.
    """

    units_s: float
    prices: Mapping[str, float]
    shares: Mapping[tuple[str, str], Mapping[str, float]]
    words: Mapping[str, float]
    least_words: float
    traffic_B: float
    memory_s: float
    launch_s: float
    energy_J: float

    @property
    def latency_s(self) -> float:
        """The larger of units and outermost level, after the start of one phase."""
        return max(self.units_s, self.memory_s) + self.launch_s

    def of(self, objective: str) -> float:
        """Return the bound of *objective*."""
        values = {"latency": self.latency_s, "energy": self.energy_J, "traffic": self.traffic_B}
        return self.latency_s * self.energy_J if objective == "edp" else values[objective]


def bound_of(facts: Facts, segment: Sequence[str] | None = None, again: bool = False) -> Bound:
    """Return the bounds of the Einsums of *segment* (all, if not given), whatever is done before and after them.

    *again* adds what is read again because it does not fit; of the whole cascade only. Where the sizes of tiles are open, what
    is certain is the least over all of them: for all Einsums in narrow ranges of sizes, for a segment in wide ones.
    """
    mine = tuple(segment or facts.names)
    cases = cases_of(facts, coarse=segment is not None)
    times = [dict(_seconds(facts, mine, case)) for case in cases]
    found = [split(facts.owners, seconds) for seconds in times]
    _, weights, shares = min(found, key=lambda one: one[0])
    if len(cases) > 1:  # one set of weights has to prove them all
        tried = {tuple(one[1].values()): one for one in found}.values()
        _, weights, shares = max(tried, key=lambda one: min(weighted(seconds, one[1]) for seconds in times))
    return _bound(facts, mine, cases, weights, shares, fewest_words(facts) if again else 0.0)


def proved_by(facts: Facts, weights: Mapping[str, float], again: bool) -> Bound:
    """Return the bounds of the whole cascade that *weights* of the units, not negative and of sum 1, prove."""
    return _bound(facts, facts.names, cases_of(facts), weights, {}, fewest_words(facts) if again else 0.0)


def _bound(
    facts: Facts, segment: Sequence[str], cases: Sequence[Case], weights: Mapping[str, float],
    shares: Mapping[tuple[str, str], Mapping[str, float]], least: float,
) -> Bound:  # fmt: skip
    each = [compulsory(facts, segment, case) for case in cases]
    words = min(each, key=lambda one: sum(one.values()))
    moved = max(sum(words.values()), least)
    made = {output.tensor for name in segment for output in facts.einsum(name).outputs}
    written = min(sum(count for tensor, count in one.items() if tensor in made) for one in each)
    units_s = min(weighted(dict(_seconds(facts, segment, case)), weights) for case in cases)
    memory_s, launch_s = _memory_s(facts, moved, written), facts.figures["launch"]
    leaked_J = _leaking_W(facts) * (max(units_s, memory_s) + launch_s)
    return Bound(
        units_s=units_s, prices=dict(weights), shares=shares, words=words, least_words=least,
        traffic_B=moved * facts.figures["word"], memory_s=memory_s, launch_s=launch_s,
        energy_J=min(_energy(facts, segment, case, moved) for case in cases) + leaked_J,
    )  # fmt: skip


def _leaking_W(facts: Facts) -> float:  # noqa: N802 - the unit is a watt
    """Return what all units and levels take as long as a mapping runs, whatever they do."""
    machine = facts.machine
    leaks = [(name, facts.cores) for name, unit in machine.units.items() if unit.leakage]
    leaks += [(name, copies_of(facts, name)) for name, level in machine.levels.items() if level.leakage]
    return sum(facts.figures[f"{name}.leakage"] * copies for name, copies in leaks)


def _memory_s(facts: Facts, moved: float, written: float) -> float:
    """Return the seconds that the outermost level takes to move so many words, so many of them in."""
    name = facts.machine.outermost
    level, word = facts.machine.levels[name], facts.figures["word"]
    times = [0.0]
    if level.bandwidth is not None:
        times.append(moved * word / facts.figures[f"{name}.bandwidth"])
    if level.ports is not None:
        lines = moved * word / facts.figures[f"{name}.line"]
        times.append(lines / facts.figures[f"{name}.ports"] / facts.figures["clock"])
    if level.read_bandwidth is not None:
        times.append((moved - written) * word / facts.figures[f"{name}.read_bandwidth"])
    if level.write_bandwidth is not None:
        times.append(written * word / facts.figures[f"{name}.write_bandwidth"])
    return max(times)


def moving_s(facts: Facts, traffic_B: float) -> float:
    """Return the seconds that the outermost level takes for so many bytes at most, whichever way they go."""
    words = traffic_B / facts.figures["word"]
    return max(_memory_s(facts, words, 0.0), _memory_s(facts, words, words))


# ------------------------------------------------------------------------------------ work


def _seconds(facts: Facts, segment: Sequence[str], case: Case) -> Iterator[tuple[tuple[str, str], Ways]]:
    """Yield, by (Einsum, operation), the seconds that each unit would take for all of it, on all lanes of all cores."""

    known: dict[tuple[str, frozenset[str]], float] = {}  # units and operations ask for the same points
    lanes = {
        unit: facts.cores * facts.figures["clock"] * prod(facts.lanes[unit].values()) for unit in facts.lanes
    }

    def points(name: str, variables: frozenset[str]) -> float:
        if (name, variables) not in known:
            known[name, variables] = useful_points(facts, name, variables, case)
        return known[name, variables]

    def seconds(name: str, unit: str, pieces: Sequence[Piece]) -> float:
        return sum(points(name, p.variables) * p.cycles for p in pieces) / lanes[unit]

    for name in segment:
        for item in facts.items[name]:
            whole = by_owner(
                facts, {unit: seconds(name, unit, pieces) for unit, pieces in item.alone.items()}
            )
            parts = tuple(
                by_owner(facts, {unit: seconds(name, unit, [piece]) for unit, piece in one.items()})
                for one in item.parts
            )
            yield (name, item.operation), Ways(whole, parts if all(parts) else ())


def by_owner(facts: Facts, values: Mapping[str, float]) -> dict[str, float]:
    """Return *values* by unit as values by the unit whose lanes work: of several names the least."""
    found: dict[str, float] = {}
    for unit, value in values.items():
        owner = facts.physical[unit]
        found[owner] = min(value, found.get(owner, value))
    return found


def _energy(facts: Facts, segment: Sequence[str], case: Case, moved: float) -> float:
    def joules(name: str, pieces: Sequence[Piece]) -> float:
        return sum(useful_points(facts, name, p.variables, case) * p.energy_J for p in pieces)

    total = 0.0
    for name in segment:
        for item in facts.items[name]:
            whole = {unit: joules(name, pieces) for unit, pieces in item.alone.items()}
            parts = tuple({unit: joules(name, [p]) for unit, p in one.items()} for one in item.parts)
            total += Ways(whole, parts if all(parts) else ()).weighted(
                dict.fromkeys(facts.machine.units, 1.0)
            )
    outer = facts.machine.outermost
    if facts.machine.levels[outer].energy is not None:
        least = min(facts.figures[f"{outer}.energy.{kind}"] for kind in ("read", "write"))
        total += moved * facts.figures["word"] / facts.figures[f"{outer}.line"] * least
    return total
