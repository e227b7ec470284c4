"""What no mapping can be below: all operations split freely over the units, and words that must cross the outermost level.

docs/mapper.md has the proofs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.cascade.ir import Einsum, affine, is_variable
from fusemax.cost.band import band_pairs
from fusemax.language.syntax import Access, names
from fusemax.mapping.space import roots_of
from fusemax.search.facts import Facts, Piece


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
    """

    units_s: float
    prices: Mapping[str, float]
    shares: Mapping[tuple[str, str], Mapping[str, float]]
    words: Mapping[str, float]
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


def bound_of(facts: Facts, segment: Sequence[str] | None = None) -> Bound:
    """Return the bounds of the Einsums of *segment* (all, if not given), whatever is done before and after them."""
    mine = tuple(segment or facts.names)
    seconds = dict(_seconds(facts, mine, useful_part(facts)))
    _, weights, shares = split(facts.owners, seconds)
    return _bound(facts, mine, seconds, weights, shares)


def proved_by(facts: Facts, weights: Mapping[str, float]) -> Bound:
    """Return the bounds of the whole cascade that *weights* of the units, not negative and of sum 1, prove."""
    seconds = dict(_seconds(facts, facts.names, useful_part(facts)))
    return _bound(facts, facts.names, seconds, weights, {})


def _bound(
    facts: Facts, segment: Sequence[str], seconds: Mapping[tuple[str, str], Ways], weights: Mapping[str, float],
    shares: Mapping[tuple[str, str], Mapping[str, float]],
) -> Bound:  # fmt: skip
    part = useful_part(facts)
    words = dict(_compulsory(facts, segment, part))
    traffic = sum(words.values()) * facts.figures["word"]
    return Bound(
        units_s=weighted(seconds, weights), prices=dict(weights), shares=shares, words=words, traffic_B=traffic,
        memory_s=traffic / _rate(facts), launch_s=facts.figures["launch"],
        energy_J=_energy(facts, segment, part, words),
    )  # fmt: skip


def _rate(facts: Facts) -> float:
    """Return the bytes per second of the outermost level."""
    name = facts.machine.outermost
    level = facts.machine.levels[name]
    rates = [facts.figures[f"{name}.bandwidth"]] if level.bandwidth is not None else []
    if level.ports is not None:
        rates.append(facts.figures[f"{name}.ports"] * facts.figures[f"{name}.line"] * facts.figures["clock"])
    return min(rates, default=float("inf"))


# ------------------------------------------------------------------------------------ work


def useful_part(facts: Facts) -> float:
    """Return the least part of all points at which an Einsum has something to do: one, unless there are conditions.

    Under a band between two ranks it is the exact part of their points; under other conditions nothing is held to be certain.
    """
    conditions = {c for einsum in facts.cascade.computed for c in einsum.conditions}
    if not conditions:
        return 1.0
    from fusemax.cost.masks import band_of
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
            band = band_of(mapped, nest, body)
        except ProblemsError:
            return 0.0
        if band is None:
            return 0.0
        values = [(s, facts.sizes.get(str(s), 0)) for e in (band.low, band.high) for s in e.free_symbols]
        low, high = (int(expression.subs(values)) for expression in (band.low, band.high))
        rows, columns = facts.sizes[band.row.upper()], facts.sizes[band.column.upper()]
        parts.append(band_pairs(rows, 1, columns, 1, low, high, band.sign) / (rows * columns))
    return min(parts, default=1.0)


def points_of(facts: Facts, variables: frozenset[str]) -> float:
    """Return the points of *variables*; of a rank that the cascade cuts where the mapper may choose, no fewer than this."""
    points = 1.0
    for rank in facts.ranks:
        parts = facts.parts(rank)
        if not parts:
            points *= facts.sizes[rank] if rank.lower() in variables else 1
            continue
        mine = [part for part in parts if part.lower() in variables]
        if len(mine) == len(parts):
            points *= facts.sizes[rank]
        elif not any(part in facts.open_parts for part in parts):
            for part in mine:
                points *= facts.sizes.get(part, 1)
    return points


def _seconds(facts: Facts, segment: Sequence[str], part: float) -> Iterator[tuple[tuple[str, str], Ways]]:
    """Yield, by (Einsum, operation), the seconds that each unit would take for all of it, on all lanes of all cores."""

    def seconds(unit: str, pieces: Sequence[Piece]) -> float:
        lanes = facts.cores * facts.figures["clock"]
        for size in facts.lanes[unit].values():
            lanes *= size
        return sum(points_of(facts, piece.variables) * part * piece.cycles for piece in pieces) / lanes

    for name in segment:
        for item in facts.items[name]:
            whole = by_owner(facts, {unit: seconds(unit, pieces) for unit, pieces in item.units.items()})
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


def _energy(facts: Facts, segment: Sequence[str], part: float, words: Mapping[str, float]) -> float:
    total = 0.0
    for name in segment:
        for item in facts.items[name]:
            whole = {unit: _joules(facts, pieces, part) for unit, pieces in item.units.items()}
            parts = tuple({unit: _joules(facts, [p], part) for unit, p in one.items()} for one in item.parts)
            total += Ways(whole, parts if all(parts) else ()).weighted(
                dict.fromkeys(facts.machine.units, 1.0)
            )
    outer = facts.machine.outermost
    if facts.machine.levels[outer].energy is not None:
        least = min(facts.figures[f"{outer}.energy.{kind}"] for kind in ("read", "write"))
        total += sum(words.values()) * facts.figures["word"] / facts.figures[f"{outer}.line"] * least
    return total


def _joules(facts: Facts, pieces: Sequence[Piece], part: float) -> float:
    return sum(points_of(facts, piece.variables) * part * piece.energy_J for piece in pieces)


# ------------------------------------------------------------------------------------ words


def _compulsory(facts: Facts, segment: Sequence[str], part: float) -> Iterator[tuple[str, float]]:
    """Yield, by tensor, the words that must come in from, or go out to, the outermost level."""
    inside = set(segment)
    made = {o.tensor for name in segment for o in facts.einsum(name).outputs}
    seen: set[str] = set()
    for name in segment:
        einsum = facts.einsum(name)
        for access in einsum.reads:
            if access.tensor not in made and access.tensor not in seen:
                seen.add(access.tensor)
                yield access.tensor, _touched(facts, access) * part
        for access in einsum.outputs:
            readers = {reader.name for reader in facts.cascade.readers(access.tensor)}
            leaves = access.tensor in facts.cascade.outputs or readers - inside
            if leaves and access.tensor not in seen:
                seen.add(access.tensor)
                yield access.tensor, _written(facts, einsum, access) * part


def _written(facts: Facts, einsum: Einsum, access: Access) -> float:
    tensor = facts.cascade.tensors[access.tensor]
    if tensor.generation is None:
        return _touched(facts, access)
    place = tensor.ranks.index(tensor.generation)
    rest = tuple(index for n, index in enumerate(access.indices) if n != place)
    return _touched(facts, Access(access.tensor, rest, access.place))


def _touched(facts: Facts, access: Access) -> float:
    """Return elements that an access certainly touches: those of its plain indices; gathers and windows count as one."""
    variables: set[str] = set()
    for index in access.indices:
        used = {name for name in names(index) if is_variable(name)}
        terms = affine(index)
        plain = terms is not None and (len(used) <= 1 or _one_rank(facts, used))
        if plain and not _offset(terms):
            variables |= used
    return points_of(facts, frozenset(variables))


def _offset(terms) -> bool:
    """Return whether an index is shifted, or a single variable is scaled: then less than all of a rank is touched."""
    coefficients, constant = terms
    return constant is not None or (len(coefficients) == 1 and None not in coefficients.values())


def _one_rank(facts: Facts, used: set[str]) -> bool:
    return any(used == {part.lower() for part in facts.parts(rank)} for rank in facts.ranks)


# ------------------------------------------------------------------------------------ the split


@dataclass(frozen=True, slots=True)
class Ways:
    """How an operation may be done: seconds by unit for all of it, or, if it has parts, seconds by unit for each part."""

    whole: Mapping[str, float]
    parts: tuple[Mapping[str, float], ...] = ()

    def weighted(self, weights: Mapping[str, float]) -> float:
        """Return the least weighted time: a part of the weighted sum of all units' times, however the work is split."""
        values = [value * weights[unit] for unit, value in self.whole.items()]
        if self.parts:
            values.append(sum(min(v * weights[u] for u, v in one.items()) for one in self.parts))
        return min(values)


def weighted(seconds: Mapping[tuple[str, str], Ways], weights: Mapping[str, float]) -> float:
    """Return the time that *weights* (not negative, of sum 1) prove: each operation done where it is cheapest by weight."""
    return sum(ways.weighted(weights) for ways in seconds.values())


def split(
    units: Sequence[str], seconds: Mapping[tuple[str, str], Ways]
) -> tuple[float, dict[str, float], dict[tuple[str, str], dict[str, float]]]:
    """Return the least time in which *units* do all operations split freely, the weights that prove it, and the split.

    The program is max sum z_o with z_o <= seconds_ou * y_u (and z_o <= the sum of its parts' z), sum y = 1: its optimal
    weights y prove the bound, and its dual is the split. Solved by the simplex method with Bland's rule, which cannot run in
    circles.

    >>> split(["a", "b"], {("X", "mac"): Ways({"a": 1.0, "b": 3.0})})[0]
    0.75
    """
    keys = list(seconds)
    scale = max(
        (v for ways in seconds.values() for one in (ways.whole, *ways.parts) for v in one.values()),
        default=1.0,
    )
    rows: list[dict[int, float]] = []
    origin: dict[int, tuple[tuple[str, str], str]] = {}
    first = len(keys) + sum(len(ways.parts) for ways in seconds.values())
    extra = len(keys)
    for number, key in enumerate(keys):
        ways = seconds[key]
        for unit, value in ways.whole.items():
            origin[len(rows)] = (key, unit)
            rows.append({number: 1.0, first + units.index(unit): -value / (scale or 1.0)})
        if ways.parts:
            mine = range(extra, extra + len(ways.parts))
            extra += len(ways.parts)
            rows.append({number: 1.0, **dict.fromkeys(mine, -1.0)})
            for variable, one in zip(mine, ways.parts, strict=True):
                rows += [{variable: 1.0, first + units.index(u): -v / (scale or 1.0)} for u, v in one.items()]
    rows.append({first + u: 1.0 for u in range(len(units))})
    values, duals = _optimum(rows, len(keys), first + len(units))
    weights = {unit: float(max(0.0, values[first + u])) for u, unit in enumerate(units)}
    total = sum(weights.values())  # none where no operation takes time: any weights prove that
    weights = {unit: weight / total if total else 1 / len(units) for unit, weight in weights.items()}
    shares: dict[tuple[str, str], dict[str, float]] = {key: {} for key in keys}
    for row, (key, unit) in origin.items():
        shares[key][unit] = float(duals[row])
    return weighted(seconds, weights), weights, shares


def _optimum(rows: Sequence[Mapping[int, float]], summed: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values and duals of max (sum of the first *summed* variables) with every row <= 0, the last one <= 1."""
    table = np.zeros((len(rows) + 1, width + len(rows) + 1))
    for number, row in enumerate(rows):
        table[number, list(row)] = list(row.values())
        table[number, width + number] = 1.0
    table[len(rows) - 1, -1] = 1.0
    table[-1, :summed] = -1.0
    basis = [width + number for number in range(len(rows))]
    _simplex(table, basis)
    values = np.zeros(table.shape[1])
    values[basis] = table[:-1, -1]
    return values[:width], np.maximum(0.0, table[-1, width:-1])


def _simplex(table: np.ndarray, basis: list[int]) -> None:
    """Bring *table* (its last row the objective, its last column the right side) to its optimum in place."""
    for _ in range(50 * table.shape[0]):
        entering = np.flatnonzero(table[-1, :-1] < -1e-12)
        if not len(entering):
            return
        column = int(entering[0])
        positive = np.flatnonzero(table[:-1, column] > 1e-12)
        if not len(positive):
            return
        ratios = table[positive, -1] / table[positive, column]
        ties = positive[ratios <= ratios.min() + 1e-15]
        row = int(min(ties, key=lambda r: basis[r]))
        table[row] /= table[row, column]
        others = [r for r in range(table.shape[0]) if r != row and table[r, column] != 0]
        table[others] -= np.outer(table[others, column], table[row])
        basis[row] = column
