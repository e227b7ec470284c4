"""One search: which factors to defer, which reductions to run in one loop or to split and merge, from one cascade on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from fusemax.analysis.plain import sequence
from fusemax.analysis.rewrite.defer import defer, factors_of
from fusemax.analysis.rewrite.draft import Move
from fusemax.analysis.rewrite.form import Form, at_least_two, form_of
from fusemax.analysis.rewrite.gather import with_moments, without_moments
from fusemax.analysis.rewrite.given import Given
from fusemax.analysis.rewrite.inline import written_out
from fusemax.analysis.rewrite.inner import apart_inside
from fusemax.analysis.rewrite.iterate import iterate
from fusemax.analysis.rewrite.means import spelled_out
from fusemax.analysis.rewrite.merge import merge
from fusemax.analysis.rewrite.normal import View, earlier_results, term_of, view
from fusemax.analysis.rewrite.opened import bodies
from fusemax.analysis.rewrite.parts import parts
from fusemax.analysis.rewrite.ranking import alike
from fusemax.analysis.rewrite.reduced import DIFFER
from fusemax.analysis.rewrite.reorder import reorder
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.stages import Group, Stage, group_of, levels
from fusemax.analysis.rewrite.symbols import at_least_zero
from fusemax.analysis.rewrite.tiles import Frame, frame_of
from fusemax.analysis.rewrite.verify import Verdict, Witness
from fusemax.cascade.ir import Cascade
from fusemax.language.syntax import Access

#: The Einsums of all cascades tried, together: the time that a search takes goes with them; more for long cascades.
MOST_TRIED = 450
MOST_CASCADES = 30
MOST_DEPTH = 4
MOST_GATHERING = 1  #: rewrites behind which sums that a repair lacks are still added
NAMED = "means inside a term are named"
FORMS: Mapping[str, Callable[[Frame, bool], Move | Refusal]] = {"running": iterate, "split": merge}


@dataclass(slots=True)
class State:
    """A cascade reached by deferrals and reorderings, with the way that led there."""

    cascade: Cascade
    title: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    verdict: Verdict | None = None
    depth: int = 0
    best: Form | None = None  #: the form that this is, where a layer before has been searched


@dataclass(slots=True)
class Search:
    """A search over *rank* from the state *begin*; forms are measured over the rank that was *asked* about."""

    begin: State
    rank: str
    asked: str
    wide: bool
    forms: tuple[str, ...]
    given: Given
    witness: Witness
    floored: bool  #: whether no form has fewer than 2 passes, as an output needs them
    share: float = 1.0  #: of the cascades that a search tries
    tried: int = 0
    complete: bool = True
    found: dict[str, Form] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, name: str, reason: str) -> None:
        if reason not in self.refused.setdefault(name, []):
            self.refused[name].append(reason)

    def run(self) -> None:
        """Visit states in order of depth; keep every verified form."""
        queue = deque([self.begin])
        named = spelled_out(self.begin.cascade, self.rank)
        if named is not None:
            queue.append(replace(self.begin, cascade=named, lines=(*self.begin.lines, NAMED)))
        deferred = self._all_deferred(queue[-1])
        if deferred is not None:
            queue.append(deferred)
        seen = {str(state.cascade) for state in queue}
        most = self.share * max(MOST_TRIED, MOST_CASCADES * len(self.begin.cascade.computed))
        while queue and self.tried < most:
            state = queue.popleft()
            along = self._seen(state.cascade)
            if state.moves == self.begin.moves or self._keep(state):
                for result in self._loops(state, along):
                    self._keep(result)
            elif str(state.cascade) not in self.found:
                continue
            if state.depth == MOST_DEPTH:
                continue
            for result in self._steps(state, along):
                if str(result.cascade) not in seen:
                    seen.add(str(result.cascade))
                    (queue.appendleft if result.title[-1].startswith("take ") else queue.append)(result)
        self.complete = not queue

    def _all_deferred(self, state: State) -> State | None:
        """Return *state* with every deferral that is right and safe, reduction by reduction; None where there is none.

        It may lie deeper than the search comes otherwise.
        """
        begin = state
        for name in self._seen(state.cascade).reductions:
            state = self._most_deferred(state, name)
        return state if state.depth > begin.depth else None

    def _most_deferred(self, state: State, name: str) -> State:
        """Return *state* with all that the reduction *name* waits for deferred, or as much of it as is safe together."""
        along = self._seen(state.cascade)
        written = term_of(along, along.cascade.einsum(name))
        waited = () if isinstance(written, Refusal) else earlier_results(along, written)
        chosen, found = set[Access](), state
        for more in (waited, *combinations(waited, 1)) if waited else ():
            wanted = tuple(access for access in waited if access in chosen or access in more)
            moved = defer(along, name, wanted) if len(wanted) > len(chosen) else None
            verdict = self._verified(moved.cascade) if isinstance(moved, Move) else None
            if isinstance(moved, Move) and verdict is not None and verdict.right and not verdict.unsafe:
                told = ", ".join(access.tensor for access in wanted)
                chosen, found = set(wanted), _after(state, moved, f"defer {told} in {name}")
                found.verdict = verdict
        return found

    def _seen(self, cascade: Cascade) -> View:
        """Return *cascade* along the rank; what the original shows to be positive stays so, as its values stay."""
        along = view(cascade, self.rank)
        kept = {
            name
            for name in view(self.begin.cascade, self.rank).positive
            if name.removesuffix(at_least_zero("")) in cascade.tensors
        }
        return replace(along, positive=along.positive | kept)

    def _keep(self, state: State) -> bool:
        """Verify *state* and keep it as a form; return whether it is right and safe enough to build on."""
        key = str(state.cascade)
        if key in self.found:
            return self.found[key].safe
        verdict = state.verdict or self._verified(state.cascade)
        if not verdict.right:
            return False
        title = ", ".join(state.title)
        form = form_of(state.cascade, self.asked, title, state.moves, verdict, state.lines, self.wide)
        if form.passes == 1 and self.floored:
            form = at_least_two(form)
        if any(alike(form, other) for other in self.found.values()):
            return False
        self.found[key] = form
        return not verdict.unsafe

    def _verified(self, cascade: Cascade) -> Verdict:
        key = str(cascade)
        if key not in self.verdicts:
            self.tried += len(cascade.einsums)
            self.verdicts[key] = self.witness.verdict(cascade)
        return self.verdicts[key]

    def _steps(self, state: State, along: View) -> Iterator[State]:
        """Yield the states one deferral or reordering further."""
        for seen in (along, *bodies(state.cascade, self.rank)):
            for name in seen.reductions:
                yield from self._deferred(state, seen, name)
        for name, moved in apart_inside(along):
            if isinstance(moved, Refusal):
                self.refuse(name, f"taking its terms apart fails: {moved.reason}")
            else:
                yield _after(state, moved, f"take {name} apart")
        for name, moved in written_out(along):
            yield _after(state, moved, f"write {name} out")
        for name, moved in reorder(along, self.given):
            yield _after(state, moved, f"reorder {name}")

    def _deferred(self, state: State, along: View, name: str) -> Iterator[State]:
        """Yield the states in which the reduction *name* waits for fewer earlier results."""
        einsum = along.cascade.einsum(name)
        written = term_of(along, einsum)
        if isinstance(written, Refusal):
            self.refuse(name, written.reason)
            return
        waited = earlier_results(along, written)
        factors = factors_of(along, einsum, waited) if len(waited) > 2 else ()
        several = [factors] if 1 < len(factors) < len(waited) else []
        whole = [waited] if len(waited) > 1 else []
        for chosen in (*several, *combinations(waited, 1), *whole):
            moved = defer(along, name, chosen)
            told = ", ".join(access.tensor for access in chosen)
            if isinstance(moved, Refusal):
                self.refuse(name, f"deferring {told} fails: {moved.reason}")
            else:
                yield _after(state, moved, f"defer {told} in {name}")
            moments = defer(along, name, chosen, keep=True) if chosen == waited else None
            if isinstance(moments, Move):
                yield _after(state, moments, f"take {name} apart")

    def _loops(self, state: State, along: View) -> Iterator[State]:
        """Yield the running and split forms of *state*: all reductions, and those up to each level of the chain.

        What the first loop cannot hold may share a loop of its own, in a later pass.
        """
        for additive in (False, True):
            whole = group_of(along, along.reductions, additive)
            if additive:
                for name, reason in whole.refused:
                    self.refuse(name, f"running or splitting it fails: {reason}")
                if not any(stage.additive for stage in whole.stages):
                    continue
                yield from self._with_moments(state, along)
            later = group_of(along, tuple(name for name, _ in whole.refused), additive)
            for group in (*_prefixes(along, whole), *_prefixes(along, later)):
                for tiled in (True, False):
                    yield from self._written(state, along, group, tiled)

        for seen in bodies(state.cascade, self.rank) if "split" in self.forms else ():
            for additive in (False, True):
                group = group_of(seen, seen.reductions, additive)
                if not additive or any(stage.additive for stage in group.stages):
                    for part in _prefixes(seen, group):
                        yield from self._written(state, seen, part, True)

    def _with_moments(self, state: State, along: View) -> Iterator[State]:
        """Yield the loop over all reductions with the sums that their repairs lack, where it holds them all."""
        gathering = with_moments(along) if state.depth <= MOST_GATHERING else None
        if gathering is not None:
            fuller = self._seen(gathering.cascade)
            group = group_of(fuller, fuller.reductions, additive=True)
            told = replace(state, lines=(*state.lines, *gathering.lines))
            tried = self.tried
            yield from self._written(told, fuller, group, True) if not group.refused else ()
            self.tried = tried  # beside the search, and no more than once or twice a way

    def _written(self, state: State, along: View, group: Group, tiled: bool) -> Iterator[State]:
        if not tiled and (len(along.variables) > 1 or any(map(_leaves_out, group.stages))):
            return
        if not _walks_alike(along, tiled):
            return
        frame = frame_of(along, group, tiled)
        if isinstance(frame, Refusal):
            self.refuse(group.stages[-1].name, frame.reason)
            return
        forms = [f for f in self.forms if f == "running" or tiled]
        for form in forms if not along.homes else ("split",):
            found = self._guarded(frame, form)
            if isinstance(found, Refusal):
                self.refuse(group.stages[-1].name, f"{form} form: {found.reason}")
                continue
            moved, verdict = found
            how = {"running": "iterate", "split": "split and merge"}[form] + (
                "" if tiled else " point by point"
            )
            after = _after(state, moved, f"{how} {', '.join(stage.name for stage in group.stages)}")
            after.verdict = verdict
            yield after

    def _guarded(self, frame: Frame, form: str) -> tuple[Move, Verdict] | Refusal:
        """Return the form, with guards for masked points where the plain one fails without them."""
        best: tuple[Move, Verdict] | Refusal = Refusal(DIFFER)
        for guarded in (False, True):
            moved = FORMS[form](frame, guarded)
            if isinstance(moved, Refusal):
                return moved
            if moved.cascade.outputs != self.begin.cascade.outputs:
                moved = replace(moved, cascade=without_moments(moved.cascade, self.begin.cascade.outputs))
            verdict = self._verified(moved.cascade)
            better = isinstance(best, Refusal) or len(verdict.unsafe) < len(best[1].unsafe)
            if verdict.right and better:
                best = (moved, verdict)
            if verdict.right and not any("masked" in kind for kind in verdict.unsafe):
                break
        return best


def _walks_alike(along: View, tiled: bool) -> bool:
    """Return whether loops over the rank that are there walk it in the same way, so that their passes count together."""
    loops = {variable for einsum in along.cascade.computed for variable in einsum.loop_variables}
    whole = along.variables[0]
    if tiled:
        return len(along.variables) > 1 or whole not in loops
    digits = parts(along.cascade.ranks.get(sequence(along.cascade, whole.upper())))
    return not any(digit.lower() in loops for digit in digits)


def _leaves_out(stage: Stage) -> bool:
    """Return whether a fold of points that may be left out has nothing to fold when it is taken point by point."""
    return bool(stage.einsum.conditions) and len(stage.einsum.reduced) == 1


def _after(state: State, moved: Move, title: str) -> State:
    return State(
        moved.cascade,
        (*state.title, title),
        (*state.moves, moved.kind),
        (*state.lines, *moved.lines),
        None,
        state.depth + 1,
    )


def _prefixes(along: View, group: Group) -> Iterator[Group]:
    """Yield the group's stages up to each level above the first, the whole group first."""
    place = levels(along, group.names)
    for top in sorted(set(place.values()), reverse=True):
        if top >= 2:
            yield Group(tuple(s for s in group.stages if place[s.name] <= top), group.refused)
