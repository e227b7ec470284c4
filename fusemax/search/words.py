"""Words that must cross the outermost level: those of inputs and outputs, and what passes and sums of products add."""

from __future__ import annotations

from math import inf, prod

from fusemax.analysis.passes import analyse
from fusemax.analysis.traffic import least_words
from fusemax.cascade.ir import Affine, affine, is_variable
from fusemax.cost.rooms import capacity_B
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Access, names
from fusemax.mapping.refused import too_small
from fusemax.search.facts import Facts

IN_FLIGHT = 4  #: words that a lane may hold beside its registers: operands, a result, a sum


def fast_words(facts: Facts) -> float:
    """Return how many words the machine holds below its outermost level; infinite where a level has no size.

    Inner levels, the memories of all lanes, and :data:`IN_FLIGHT` words a lane, on all cores. A level that groups of cores
    share and that has no size only passes words on to levels inside of it.
    """
    if not facts.inner_levels:
        return inf
    machine, bytes_ = facts.machine, 0.0
    passing = {name for name, one in machine.levels.items() if machine.of_groups(name) and one.size is None}
    for place in (*machine.level_names[1:], *machine.lane_memories):
        size = capacity_B(machine, place)
        if place in passing:
            continue
        if size is None:
            return inf
        bytes_ += float(size.subs({s: facts.figures[str(s)] for s in size.free_symbols})) * copies_of(
            facts, place
        )
    lanes = sum(prod(facts.lanes[unit].values()) for unit in facts.machine.units)
    return bytes_ / facts.figures["word"] + IN_FLIGHT * lanes * facts.cores


def copies_of(facts: Facts, place: str) -> float:
    """Return how many of a level, or of a memory in lanes, the machine has."""
    machine = facts.machine
    if machine.of_groups(place):
        return facts.cores / facts.figures[f"{place}.shared_by"]
    return facts.cores if place in machine.lane_memories or machine.levels[place].per_core else 1


def fewest_words(facts: Facts) -> float:
    """Return the fewest words that move, for what the machine holds (:func:`fusemax.analysis.traffic.least_words`).

    Whatever the mapping, if it keeps every input that a body uses more than once. Zero where nothing can be said: under
    conditions, for a rank that the cascade cuts where the mapper may choose, for a level without a size.
    """
    capacity = fast_words(facts)
    conditions = any(einsum.conditions for einsum in facts.cascade.computed)
    if capacity == inf or conditions:
        return 0.0
    try:
        sizes = {**dict.fromkeys(facts.follows, 1), **facts.sizes}
        return least_words(analyse(facts.cascade), sizes, capacity)
    except FusemaxError:
        return 0.0


def refuse_no_room(facts: Facts) -> None:
    """Raise FusemaxError where the inputs of an Einsum have no room at the outermost level, so that no mapping fits.

    They are there as a whole. What their accesses certainly touch is counted, in the narrowest word that the machine has.
    """
    outermost = facts.machine.level_names[0]
    there_B = facts.figures.get(f"{outermost}.size", inf)
    word_B = min(value for name, value in facts.figures.items() if name.rpartition(".")[2] == "word")
    made = {access.tensor for one in facts.cascade.einsums for access in one.outputs}
    for name in facts.names:
        needed_B: dict[str, float] = {}
        for access in facts.einsum(name).reads if name not in facts.absorb else ():
            lengths = [facts.sizes.get(variable.upper(), 1) for variable in touched(facts, access)]
            if access.tensor not in made:
                needed_B[access.tensor] = prod(lengths) * word_B
        total_B = sum(needed_B.values())
        if total_B > there_B:
            raise FusemaxError(too_small(outermost, name, "best", total_B, needed_B, there_B, whole=True))


def written(facts: Facts, access: Access) -> frozenset[str]:
    """Return the variables of the elements that an access writes for others: of generations the last."""
    tensor = facts.cascade.tensors[access.tensor]
    if tensor.generation is None:
        return touched(facts, access)
    place = tensor.ranks.index(tensor.generation)
    rest = tuple(index for n, index in enumerate(access.indices) if n != place)
    return touched(facts, Access(access.tensor, rest, access.place))


def touched(facts: Facts, access: Access) -> frozenset[str]:
    """Return the variables of elements that an access certainly touches, those of its plain indices; gathers and windows count
    as one."""
    variables: set[str] = set()
    for index in access.indices:
        used = {name for name in names(index) if is_variable(name)}
        terms = affine(index)
        plain = len(used) <= 1 or _one_rank(facts, used)
        if terms is not None and plain and not _offset(terms):
            variables |= used
    return frozenset(variables)


def _offset(terms: Affine) -> bool:
    """Return whether an index is shifted, or a single variable is scaled: then less than all of a rank is touched."""
    coefficients, constant = terms
    return constant is not None or (len(coefficients) == 1 and None not in coefficients.values())


def _one_rank(facts: Facts, used: set[str]) -> bool:
    return any(used == {part.lower() for part in facts.parts(rank)} for rank in facts.ranks)
