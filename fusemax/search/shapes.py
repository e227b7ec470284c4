"""Skeletons of one phase: which Einsums share which loops, and where each tensor is kept.

A skeleton has up to four rings of loops, outermost first:

- *batch*: ranks that every tensor of the phase carries, one point at a time;
- *outer*: tiles of ranks that every Einsum carries and whose fusion the pass analysis allows;
- per part *stream*: a rank whose tiles pass by (keys, the reduced rank of a product);
- per part *inner*: smaller tiles of outer ranks (or of another one), over which a streamed tile is used again.

A *part* is a list of Einsums that one body executes; parts of a phase follow one another inside the outer loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations, takewhile

from fusemax.analysis.fusion import may_fuse
from fusemax.cascade.ir import affine
from fusemax.language.syntax import Expression, names
from fusemax.mapping.space import may_cut
from fusemax.search.facts import Facts


@dataclass(frozen=True, slots=True)
class Part:
    """Einsums of one body, the loops over its stream and its inner tiles (names of digits)."""

    einsums: tuple[str, ...]
    stream: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()

    @property
    def loops(self) -> tuple[str, ...]:
        """The part's own loops, outermost first."""
        return (*self.stream, *self.inner)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Loops of a phase (names of digits) and its parts; ``cuts`` as in :class:`~fusemax.mapping.space.Phase`.

    ``groups`` gives, by part, the Einsums of each of its bodies, if it has several: what they make for each other is then
    kept at a level.
    """

    batch: tuple[str, ...]
    outer: tuple[str, ...]
    parts: tuple[Part, ...]
    cuts: Mapping[str, int]
    groups: tuple[tuple[tuple[str, ...], ...], ...] = ()

    @property
    def bodies(self) -> tuple[Part, ...]:
        """The parts, cut into bodies."""
        if not self.groups:
            return self.parts
        pairs = zip(self.parts, self.groups, strict=True)
        return tuple(replace(part, einsums=names) for part, groups in pairs for names in groups)

    @property
    def einsums(self) -> tuple[str, ...]:
        """All Einsums, in order."""
        return tuple(name for part in self.parts for name in part.einsums)


@dataclass(frozen=True, slots=True)
class Places:
    """Levels for three kinds of tensors (None: none): running values and what passes between parts, inputs as they are
    used, inputs for a whole batch element (with ``near``: for a tile of the outer loops). ``far`` keeps inputs outside the
    stream as well; with ``outside``, what passes between parts and grows with the stream (scores between the steps of a
    softmax) goes by way of the outermost level; with ``handed``, what passes between parts and is no running value lies where
    inputs do."""

    state: str | None
    inputs: str | None
    cache: str | None = None
    near: bool = False
    far: bool = False
    buffers: int = 2
    outside: bool = False
    handed: bool = False


def skeletons(facts: Facts, segment: Sequence[str]) -> Iterator[Skeleton]:
    """Yield the skeletons of a phase that does the Einsums of *segment*, likely ones first."""
    shared = common(facts, segment)
    batch = tuple(v for v in shared if _everywhere(facts, segment, v))
    if facts.within.spread is not None:  # those that may be dealt to cores stand around the others
        batch = tuple(sorted(batch, key=lambda v: v not in (facts.within.spread or ())))
    free = tuple(v for v in shared if v not in batch and _several(facts, v))
    seen: list[Skeleton] = []
    for still, moving in _divided(facts, segment, batch, free):
        still = (*still, *(v for v in moving if not _cuttable(facts, v)))
        moving = tuple(v for v in moving if _cuttable(facts, v))
        for outer in _choices(moving):
            for stream in _streams(facts, segment, (*still, *outer)):
                for inner in _inners(facts, segment, outer, stream):
                    found = _skeleton(facts, segment, still, outer, stream, inner)
                    if found is not None and found not in seen:
                        seen.append(found)
                        yield found


def dealt(facts: Facts, skeleton: Skeleton) -> tuple[str, ...]:
    """Return the loops of *skeleton* that are dealt to cores: from the outermost on, as long as the user leaves them.

    A loop of one iteration is in nobody's way.
    """
    loops = (*skeleton.batch, *skeleton.outer)
    allowed = facts.within.spread
    if allowed is None:
        return loops
    names_ = {*allowed, *(rank.lower() for rank, size in facts.sizes.items() if size == 1)}
    return tuple(takewhile(lambda loop: variable_of(facts, loop) in names_, loops))


def _divided(
    facts: Facts, segment: Sequence[str], batch: tuple[str, ...], free: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield which ranks are walked point by point and which may be tiled: a batch rank is tiled when lanes lack work."""
    inside = frozenset[str]().union(*(facts.carried[name] for name in segment)) - set(batch)
    work = 1
    for variable in inside:
        work *= facts.sizes.get(variable.upper(), 64)
    lanes = max(_product(dims.values()) for dims in facts.lanes.values())
    if len(free) > 2:  # all but the two largest point by point
        large = sorted(free, key=lambda v: -facts.sizes.get(v.upper(), 1))[:2]
        yield (*batch, *(v for v in free if v not in large)), tuple(large)
    if free or not batch:
        yield batch, free
    if batch and (not free or work < 2 * lanes):
        yield batch[:-1], (*free, batch[-1])
        if len(batch) > 1:
            yield batch[:-2], (*free, *batch[-2:])
            yield (), (*free, *batch)
        if not free:
            yield batch, ()


def _product(values: Iterable[int]) -> int:
    result = 1
    for value in values:
        result *= value
    return result


def common(facts: Facts, segment: Sequence[str]) -> tuple[str, ...]:
    """Return the rank variables over which all Einsums of *segment* may be fused, none of them reduced."""
    first, *others = (facts.carried[name] for name in segment)
    shared = first.intersection(*others)
    reduced = {v for name in segment for v in (*facts.einsum(name).reduced, facts.einsum(name).loop)}
    ordered = [v for v in _in_order(facts, segment) if v in shared and v not in reduced and _whole(facts, v)]
    return tuple(v for v in ordered if fusable(facts, tuple(segment), (v,)))


def _whole(facts: Facts, variable: str) -> bool:
    return variable.upper() in facts.ranks and not facts.parts(variable.upper())


def _cuttable(facts: Facts, variable: str) -> bool:
    """Return whether a phase may cut the rank of *variable*: not one that the cascade cuts, or that is as long as its tile."""
    rank = variable.upper()
    return _whole(facts, variable) and rank not in facts.follows and may_cut(facts.cascade, rank)


def _several(facts: Facts, variable: str) -> bool:
    """Return whether a loop over *variable* has more than one iteration; one of one iteration changes nothing."""
    return facts.sizes.get(variable.upper(), 2) > 1


def _in_order(facts: Facts, segment: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(v for name in segment for v in facts.einsum(name).variables))


def _everywhere(facts: Facts, segment: Sequence[str], variable: str) -> bool:
    return all(
        any(variable in names(index) and not _is_shifted(index) for index in access.indices)
        for name in segment
        for access in (*facts.einsum(name).reads, *facts.einsum(name).outputs)
    )


def _is_shifted(index: Expression) -> bool:
    """Return whether something that is no rank variable is added to *index*: a tile of it is not where another's is."""
    terms = affine(index)
    return terms is not None and terms[1] is not None


def _choices(free: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for count in (2, 1, 0):
        for some in combinations(free, count):
            yield from permutations(some)


def _streams(facts: Facts, segment: Sequence[str], taken: Sequence[str]) -> Iterator[str | None]:
    """Yield variables that may stream past: of the running values if there are any, else each rank, or none."""
    running = [v for v in dict.fromkeys(facts.einsum(name).loop for name in segment) if v is not None]
    if running:
        yield from (v for v in running if v not in taken)
        return
    variables = [v for v in _in_order(facts, segment) if v not in taken and _several(facts, v)]
    inner = {part.lower() for rank in facts.ranks for part in facts.parts(rank)[1:]}
    variables = [v for v in variables if v not in inner and not facts.parts(v.upper())]
    reduced = [v for v in variables if any(v in facts.einsum(name).reduced for name in segment)]
    yield from sorted(variables, key=lambda v: (v not in reduced, -facts.sizes.get(v.upper(), 1)))
    yield None


def _inners(
    facts: Facts, segment: Sequence[str], outer: tuple[str, ...], stream: str | None
) -> Iterator[tuple[bool, str | None]]:
    """Yield whether outer ranks get a smaller tile inside, and a further rank that is tiled inside."""
    others = [
        v
        for v in _in_order(facts, segment)
        if v not in outer and v != stream and _cuttable(facts, v)
        and any(facts.carried[name] >= {v} for name in segment)
    ]  # fmt: skip
    large = [v for v in others if facts.sizes.get(v.upper(), 1) > 512]
    orders = (False, True) if len(outer) > 1 else (True, False)  # two tiled ranks are blocks enough for most
    for nested in orders if outer and stream else (False,):
        yield nested, None
        for other in large:
            yield nested, other


def _skeleton(
    facts: Facts, segment: Sequence[str], batch: tuple[str, ...], outer: tuple[str, ...], stream: str | None,
    inner: tuple[bool, str | None],
) -> Skeleton | None:  # fmt: skip
    nested, other = inner
    cuts = {v.upper(): 2 if nested else 1 for v in outer}
    if other is not None and other in batch:
        return None
    if other is not None:
        cuts[other.upper()] = 1
    flow: tuple[str, ...] = ()
    if stream is not None:
        running = any(facts.einsum(name).loop == stream for name in segment)
        whole = _cuttable(facts, stream) and not running  # generations follow one another: no tile of several
        if whole:
            cuts[stream.upper()] = 1
        flow = (f"{stream}1",) if whole else (stream,)
    around = (*batch, *(f"{v}{cuts[v.upper()]}" for v in outer))
    middle = tuple(f"{v}1" for v in outer) if nested else ()
    runs: list[Part] = []
    for name in segment:
        carried = facts.carried[name]
        mine = (
            flow if stream is not None and stream in carried else (),
            (*middle, *((f"{other}1",) if other is not None and other in carried else ())),
        )
        if runs and (runs[-1].stream, runs[-1].inner) == mine:
            runs[-1] = replace(runs[-1], einsums=(*runs[-1].einsums, name))
        else:
            runs.append(Part((name,), *mine))
    parts = [part for run in runs for part in _divided_run(facts, around, run)]
    if not all(fusable(facts, p.einsums, variables_of(facts, (*around, *p.loops))) for p in parts):
        return None
    if not fusable(facts, tuple(segment), variables_of(facts, around)):
        return None
    return Skeleton(batch, around[len(batch) :], tuple(parts), dict(sorted(cuts.items())))


def _divided_run(facts: Facts, around: tuple[str, ...], run: Part) -> Iterator[Part]:
    """Yield *run* in as few parts as the pass analysis allows, each as long as it can be."""
    loops = variables_of(facts, (*around, *run.loops))
    rest = run.einsums
    while rest:
        count = next((n for n in range(len(rest), 1, -1) if fusable(facts, rest[:n], loops)), 1)
        yield replace(run, einsums=rest[:count])
        rest = rest[count:]


def variables_of(facts: Facts, loops: Sequence[str]) -> tuple[str, ...]:
    """Return the rank variables that digits walk through, each once."""
    return tuple(dict.fromkeys(variable_of(facts, loop) for loop in loops))


def variable_of(facts: Facts, digit: str) -> str:
    """Return the rank variable whose digit *digit* is: ``p`` for ``p2``, ``m1`` where the cascade cuts M itself."""
    if digit.upper() in facts.cascade.ranks:
        return digit
    return digit.rstrip("0123456789")


def fusable(facts: Facts, einsums: tuple[str, ...], loops: tuple[str, ...]) -> bool:
    """Return whether *einsums* may share *loops* over whole ranks."""
    known = facts.fused.get((einsums, loops))
    if known is None:
        known = facts.fused[einsums, loops] = not may_fuse(facts.cascade, einsums, loops)
    return known
