"""The reductions that one loop over a rank is to hold: how each depends on the others, and how it is repaired."""

from __future__ import annotations

from dataclasses import dataclass

from fusemax.analysis.rewrite.correction import INVERTIBLE
from fusemax.analysis.rewrite.defer import Term, separation_of
from fusemax.analysis.rewrite.normal import View, earlier_results, is_map, mentions, term_of, value_accesses
from fusemax.analysis.rewrite.separate import OF, Refusal, Separation
from fusemax.analysis.rewrite.symbols import to_syntax
from fusemax.cascade.ir import Einsum
from fusemax.language.syntax import Access, Reduction, accesses, names


@dataclass(frozen=True, slots=True)
class Stage:
    """One reduction of the loop; *separation* is None when it needs no earlier result of the loop."""

    einsum: Einsum
    earlier: tuple[Access, ...] = ()
    term: Term | None = None
    separation: Separation | None = None

    @property
    def name(self) -> str:
        """The name of the reduction."""
        return self.einsum.name

    @property
    def operator(self) -> str:
        """The operator of the reduction."""
        assert isinstance(self.einsum.action, Reduction)
        return self.einsum.action.operator

    @property
    def additive(self) -> bool:
        """Whether its partial result is repaired by adding moments rather than by one factor."""
        return self.separation is not None and self.separation.operation == "*" and self.separation.rank > 1


@dataclass(frozen=True, slots=True)
class Group:
    """Reductions over the rank that can share one loop, and why each of the others cannot."""

    stages: tuple[Stage, ...]
    refused: tuple[tuple[str, str], ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of the reductions in the loop."""
        return frozenset(stage.name for stage in self.stages)


def group_of(seen: View, wanted: tuple[str, ...], additive: bool) -> Group:
    """Return the largest part of the reductions *wanted* that one loop over the rank can hold.

    *additive* says whether repairs by moments (finite rank above 1) may be used.
    """
    stages: list[Stage] = []
    refused: list[tuple[str, str]] = []
    for name in seen.reductions:
        if name not in wanted:
            continue
        stage = stage_of(seen, name, frozenset(s.name for s in stages), additive)
        if isinstance(stage, Refusal):
            refused.append((name, stage.reason))
        else:
            stages.append(stage)
    return Group(tuple(stages), tuple(refused))


def stage_of(seen: View, name: str, inside: frozenset[str], additive: bool) -> Stage | Refusal:
    """Return how the reduction *name* runs in a loop that holds the reductions *inside* already."""
    einsum = seen.cascade.einsum(name)
    if not isinstance(einsum.action, Reduction):
        return Refusal(f"{einsum.action} keeps a list; no running form of it can be written in the language")
    monoid = seen.cascade.monoid(einsum.action.operator)
    if monoid is not None and len(monoid.identity) > 1:
        return Refusal(f"{einsum.action} joins several values at once; no running form of it is written yet")
    written = term_of(seen, einsum, parts=False)
    if isinstance(written, Refusal):
        return written
    gathered = [a for a in accesses(written) if a not in value_accesses(written) and seen.behind(a) & inside]
    if gathered:
        return Refusal(f"{gathered[0]} chooses which data is read, and the algebra cannot look into indices")
    stuck = [a for a in accesses(written) if mentions(a, seen.variables) and seen.behind(a) & inside]
    if stuck:
        return Refusal(_told_stuck(seen, stuck[0], inside))
    earlier = []
    for access in earlier_results(seen, written, parts=False):
        behind = seen.needs[access.tensor]
        if not behind & inside:
            if behind & set(seen.reductions) and _waits_for(seen, behind, inside):
                return Refusal(f"{access} needs the loop and is needed outside it")
            continue
        outside = behind & set(seen.reductions) - inside
        if any(seen.needs[other] & inside for other in outside):
            return Refusal(f"it needs {access}, and {', '.join(sorted(outside))} cannot be in the same loop")
        earlier.append(access)
    folded = [a for a in earlier if set(names(a)) & set(einsum.reduced)]
    if folded:
        return Refusal(
            f"{folded[0]} varies along a rank that {name} folds, so no factor repairs the folded result"
        )
    if not earlier:
        blocked = [r for r in seen.needs[name] - {name} if r not in inside and seen.needs[r] & inside]
        if blocked:
            return Refusal(f"it needs {', '.join(sorted(blocked))}, which cannot be in the same loop")
        return Stage(einsum)
    return _repaired(seen, einsum, tuple(earlier), additive)


def _told_stuck(seen: View, access: Access, inside: frozenset[str]) -> str:
    """Return why *access*, which needs results of the loop, cannot be written out."""
    whole = ", ".join(sorted(seen.needs[access.tensor] & inside))
    maker = seen.maker(access.tensor)
    if maker is None or not isinstance(maker.action, Reduction):
        return (
            f"{access} is made only when {whole} has all of {','.join(seen.variables)}, and is no map of it"
        )
    kind = f"a {maker.action.operator} over {','.join(maker.reduced)}"
    return f"{access} is {kind} of what needs {whole}, which needs all of {','.join(seen.variables)}"


def _waits_for(seen: View, behind: frozenset[str], inside: frozenset[str]) -> bool:
    return any(seen.needs[other] & inside for other in behind)


def _repaired(seen: View, einsum: Einsum, earlier: tuple[Access, ...], additive: bool) -> Stage | Refusal:
    found = separation_of(seen, einsum, earlier, parts=False)
    if isinstance(found, Refusal):
        return found
    term, separation = found
    if separation.operation == OF:
        told = "a function of it that rises: the function can be taken of the result, but a partial result cannot be repaired"
        return Refusal(f"{to_syntax(separation.terms[0][1])} stands in {told}")
    if separation.operation not in INVERTIBLE:
        return Refusal(f"'{separation.operation}' has no inverse, so a partial result cannot be repaired")
    stage = Stage(einsum, earlier, term, separation)
    if stage.additive and not additive:
        return Refusal(f"g has rank {separation.rank}: one factor does not repair a partial result")
    return stage


def told(stage: Stage, variables: tuple[str, ...]) -> tuple[str, ...]:
    """Return the sentences that say why *stage* may run in the loop."""
    if stage.separation is None:
        return (f"{stage.name}: a plain reduction by {stage.operator}; it needs no earlier result",)
    waited = ", ".join(str(access) for access in stage.earlier)
    pairs = "; ".join(f"H = {to_syntax(h)}, G = {to_syntax(g)}" for h, g in stage.separation.terms)
    rank = "separable" if stage.separation.rank == 1 else f"separable of rank {stage.separation.rank}"
    return (
        f"barrier: {stage.name} folds {','.join(stage.einsum.reduced)} and waits for {waited},"
        f" which needs all of {','.join(variables)}",
        f"condition: g is {rank}: {pairs} ({stage.separation.method});"
        f" '{stage.separation.operation}' distributes over {stage.operator}",
    )


def levels(seen: View, inside: frozenset[str]) -> dict[str, int]:
    """Return the place of each reduction in the longest chain of reductions of *inside* that need each other."""
    found: dict[str, int] = {}
    for name in seen.reductions:
        if name in inside:
            behind = [found[other] for other in seen.needs[name] - {name} if other in found]
            found[name] = 1 + max(behind, default=0)
    return found


def epilogues(seen: View, inside: frozenset[str]) -> tuple[str, ...]:
    """Return the values without the rank that depend on the reductions *inside* and that those need."""
    needed: set[str] = set()
    todo = [access.tensor for name in inside for access in seen.cascade.einsum(name).reads]
    while todo:
        tensor = todo.pop()
        maker = seen.maker(tensor)
        if tensor in needed or maker is None or maker.name in inside:
            continue
        needed.add(tensor)
        todo += [access.tensor for access in maker.reads]
    return tuple(
        e.name
        for e in seen.cascade.computed
        if e.name in needed
        and not seen.touches(e.name)
        and seen.needs[e.name] & inside
        and (is_map(e) or e.action)
    )
