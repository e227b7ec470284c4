"""What no mapping can be below: all operations split freely over the units, and words that must cross the outermost level.

docs/mapper.md has the proofs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fusemax.mapping.space import roots_of
from fusemax.search.facts import Facts, Piece
from fusemax.search.split import Ways, split, weighted
from fusemax.search.words import compulsory, fewest_words, points_of


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

    *again* adds what is read again because it does not fit; of the whole cascade only.
    """
    mine = tuple(segment or facts.names)
    seconds = dict(_seconds(facts, mine, useful_part(facts)))
    _, weights, shares = split(facts.owners, seconds)
    return _bound(facts, mine, seconds, weights, shares, fewest_words(facts) if again else 0.0)


def proved_by(facts: Facts, weights: Mapping[str, float], again: bool) -> Bound:
    """Return the bounds of the whole cascade that *weights* of the units, not negative and of sum 1, prove."""
    seconds = dict(_seconds(facts, facts.names, useful_part(facts)))
    return _bound(facts, facts.names, seconds, weights, {}, fewest_words(facts) if again else 0.0)


def _bound(
    facts: Facts, segment: Sequence[str], seconds: Mapping[tuple[str, str], Ways], weights: Mapping[str, float],
    shares: Mapping[tuple[str, str], Mapping[str, float]], least: float,
) -> Bound:  # fmt: skip
    part = useful_part(facts)
    words = dict(compulsory(facts, segment, part))
    moved = max(sum(words.values()), least)
    made = {output.tensor for name in segment for output in facts.einsum(name).outputs}
    written = sum(count for tensor, count in words.items() if tensor in made)
    return Bound(
        units_s=weighted(seconds, weights), prices=dict(weights), shares=shares, words=words, least_words=least,
        traffic_B=moved * facts.figures["word"], memory_s=_memory_s(facts, moved, written),
        launch_s=facts.figures["launch"], energy_J=_energy(facts, segment, part, moved),
    )  # fmt: skip


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


# ------------------------------------------------------------------------------------ work


def useful_part(facts: Facts) -> float:
    """Return the least part of all points at which an Einsum has something to do: one, unless there are conditions.

    Under affine conditions it is the exact part of their points; under other conditions, and where a size of a condition is a
    tile that the search chooses, nothing is held to be certain.
    """
    conditions = {c for einsum in facts.cascade.computed for c in einsum.conditions}
    if not conditions:
        return 1.0
    from fusemax.cost.conditions import mask_of, share_of, sizes_named
    from fusemax.errors import ProblemsError
    from fusemax.mapping.nest import Body, Mapped, Nest

    roots = roots_of(facts.cascade, {})
    parts: list[float] = []
    mapped = Mapped(name="", title="", cascade=facts.cascade, nests=(), bind={}, spill={}, in_place=())
    for einsum in facts.cascade.computed:
        if not einsum.conditions:
            continue
        body = Body(node=(0,), opened=((),), spatial={}, einsums=(einsum.name,))
        nest = Nest(name="", roots=roots, bodies=(body,), residences=(), schedule="overlapped")
        try:
            mask = mask_of(mapped, nest, body)
        except ProblemsError:
            return 0.0
        if mask is None or not sizes_named(mask, nest) <= facts.sizes.keys():
            return 0.0
        parts.append(share_of(mask, nest, facts.sizes))
    return min(parts, default=1.0)


def _seconds(facts: Facts, segment: Sequence[str], part: float) -> Iterator[tuple[tuple[str, str], Ways]]:
    """Yield, by (Einsum, operation), the seconds that each unit would take for all of it, on all lanes of all cores."""

    def seconds(unit: str, pieces: Sequence[Piece]) -> float:
        lanes = facts.cores * facts.figures["clock"]
        for size in facts.lanes[unit].values():
            lanes *= size
        return sum(points_of(facts, piece.variables) * part * piece.cycles for piece in pieces) / lanes

    for name in segment:
        for item in facts.items[name]:
            whole = by_owner(facts, {unit: seconds(unit, pieces) for unit, pieces in item.alone.items()})
            parts = tuple(
                by_owner(facts, {unit: seconds(unit, [piece]) for unit, piece in one.items()})
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


def _energy(facts: Facts, segment: Sequence[str], part: float, moved: float) -> float:
    total = 0.0
    for name in segment:
        for item in facts.items[name]:
            whole = {unit: _joules(facts, pieces, part) for unit, pieces in item.alone.items()}
            parts = tuple({unit: _joules(facts, [p], part) for unit, p in one.items()} for one in item.parts)
            total += Ways(whole, parts if all(parts) else ()).weighted(
                dict.fromkeys(facts.machine.units, 1.0)
            )
    outer = facts.machine.outermost
    if facts.machine.levels[outer].energy is not None:
        least = min(facts.figures[f"{outer}.energy.{kind}"] for kind in ("read", "write"))
        total += moved * facts.figures["word"] / facts.figures[f"{outer}.line"] * least
    return total


def _joules(facts: Facts, pieces: Sequence[Piece], part: float) -> float:
    return sum(points_of(facts, piece.variables) * part * piece.energy_J for piece in pieces)
