"""What no mapping can be below: all operations split freely over the units, and words that must cross the outermost level.

docs/mapper.md has the proofs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from fusemax.search.amounts import Amounts, amounts_of
from fusemax.search.facts import Facts, Piece
from fusemax.search.split import Cases, strongest, weighted_each
from fusemax.search.words import copies_of, fewest_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Lower bounds of a run of Einsums done in one phase or more.

    Attributes
    ----------
    units_s
        All work split freely over the units; ``prices`` are the weights of the units that prove it: for weights of sum 1, no
        schedule is quicker than the sum over operations of the cheapest weighted time.
    words
        Words of each tensor that must cross the outermost level.
    least_words
        Words that must cross it in all because passes and products read again what does not fit; zero if not asked for.
    """

    units_s: float
    prices: Mapping[str, float]
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
    mine, amounts = tuple(segment or facts.names), amounts_of(facts, coarse=segment is not None)
    seconds = dict(seconds_of(facts, mine, amounts))
    weights = strongest(facts.owners, seconds, len(amounts.cases))
    return _bound(facts, mine, amounts, seconds, weights, fewest_words(facts) if again else 0.0)


def proved_by(facts: Facts, weights: Mapping[str, float], again: bool) -> Bound:
    """Return the bounds of the whole cascade that *weights* of the units, not negative and of sum 1, prove."""
    amounts = amounts_of(facts)
    seconds = dict(seconds_of(facts, facts.names, amounts))
    return _bound(facts, facts.names, amounts, seconds, weights, fewest_words(facts) if again else 0.0)


def _bound(
    facts: Facts, segment: Sequence[str], amounts: Amounts, seconds: Mapping[tuple[str, str], Cases],
    weights: Mapping[str, float], least: float,
) -> Bound:  # fmt: skip
    words = amounts.words(segment)
    made = {output.tensor for name in segment for output in facts.einsum(name).outputs}
    zero = np.zeros(len(amounts.cases))
    whole = sum(words.values(), zero)
    case = int(whole.argmin())
    moved = max(float(whole[case]), least)
    written = float(sum((count for tensor, count in words.items() if tensor in made), zero).min())
    units_s = float(weighted_each(seconds, weights, len(zero)).min())
    waited_s, launch_s = memory_s(facts, moved, written), facts.figures["launch"]
    leaked_J = _leaking_W(facts) * (max(units_s, waited_s) + launch_s)
    return Bound(
        units_s=units_s, prices=dict(weights), words={name: float(one[case]) for name, one in words.items()},
        least_words=least, traffic_B=moved * facts.figures["word"], memory_s=waited_s, launch_s=launch_s,
        energy_J=_energy(facts, segment, amounts, moved) + leaked_J,
    )  # fmt: skip


def _leaking_W(facts: Facts) -> float:  # noqa: N802 - the unit is a watt
    """Return what all units and levels take as long as a mapping runs, whatever they do."""
    machine = facts.machine
    leaks = [(name, facts.cores) for name, unit in machine.units.items() if unit.leakage]
    leaks += [(name, copies_of(facts, name)) for name, level in machine.levels.items() if level.leakage]
    return sum(facts.figures[f"{name}.leakage"] * copies for name, copies in leaks)


def memory_s(facts: Facts, moved: float, written: float) -> float:
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
    return max(memory_s(facts, words, 0.0), memory_s(facts, words, words))


# ------------------------------------------------------------------------------------ work


def seconds_of(
    facts: Facts, segment: Sequence[str], amounts: Amounts
) -> Iterator[tuple[tuple[str, str], Cases]]:
    """Yield, by (Einsum, operation), the seconds that each unit would take for all of it, on all lanes of all cores:
    float64[cases]."""
    lanes = {
        unit: facts.cores * facts.figures["clock"] * prod(facts.lanes[unit].values()) for unit in facts.lanes
    }

    def seconds(name: str, unit: str, pieces: Sequence[Piece]) -> np.ndarray:
        each = [amounts.points(name, piece.variables) * piece.cycles for piece in pieces]
        return np.sum(each, axis=0) / lanes[unit]

    for name in segment:
        for item in facts.items[name]:
            whole = _by_owner(
                facts, {unit: seconds(name, unit, pieces) for unit, pieces in item.alone.items()}
            )
            parts = tuple(
                _by_owner(facts, {unit: seconds(name, unit, [piece]) for unit, piece in one.items()})
                for one in item.parts
            )
            yield (name, item.operation), Cases(whole, parts if all(parts) else ())


def _by_owner(facts: Facts, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return *values* by unit as values by the unit whose lanes work: of several names the least."""
    found: dict[str, np.ndarray] = {}
    for unit, value in values.items():
        owner = facts.physical[unit]
        found[owner] = np.minimum(value, found[owner]) if owner in found else value
    return found


def _energy(facts: Facts, segment: Sequence[str], amounts: Amounts, moved: float) -> float:
    def joules(name: str, pieces: Sequence[Piece]) -> np.ndarray:
        return np.sum([amounts.points(name, piece.variables) * piece.energy_J for piece in pieces], axis=0)

    ways: dict[tuple[str, str], Cases] = {}
    for name in segment:
        for item in facts.items[name]:
            whole = {unit: joules(name, pieces) for unit, pieces in item.alone.items()}
            parts = tuple({unit: joules(name, [p]) for unit, p in one.items()} for one in item.parts)
            ways[name, item.operation] = Cases(whole, parts if all(parts) else ())
    each = weighted_each(ways, dict.fromkeys(facts.machine.units, 1.0), len(amounts.cases))
    total, outer = float(each.min()), facts.machine.outermost
    if facts.machine.levels[outer].energy is not None:
        least = min(facts.figures[f"{outer}.energy.{kind}"] for kind in ("read", "write"))
        total += moved * facts.figures["word"] / facts.figures[f"{outer}.line"] * least
    return total
