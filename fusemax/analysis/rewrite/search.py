"""The lattice of rewrites: which factors to defer, which reductions to run in one loop or to split and merge.

Every cascade that is returned was analysed for its passes again and compared with the original by values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from fusemax.analysis.passes import analyse
from fusemax.analysis.rewrite.defer import defer
from fusemax.analysis.rewrite.draft import Move
from fusemax.analysis.rewrite.floor import Floor, floor_of
from fusemax.analysis.rewrite.form import Form, busiest_rank, form_of
from fusemax.analysis.rewrite.gather import with_moments, without_moments
from fusemax.analysis.rewrite.given import Given, given_of
from fusemax.analysis.rewrite.inline import written_out
from fusemax.analysis.rewrite.iterate import iterate
from fusemax.analysis.rewrite.means import spelled_out
from fusemax.analysis.rewrite.merge import merge
from fusemax.analysis.rewrite.normal import View, earlier_results, term_of, view
from fusemax.analysis.rewrite.reorder import reorder
from fusemax.analysis.rewrite.same import same_up_to_names
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.stages import Group, group_of, levels
from fusemax.analysis.rewrite.symbols import at_least_zero
from fusemax.analysis.rewrite.tiles import Frame, frame_of
from fusemax.analysis.rewrite.verify import Verdict, Witness
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.nearest import nearest

#: The Einsums of all cascades tried, together: the time that a search takes goes with them; more for long cascades.
MOST_TRIED = 450
MOST_CASCADES = 36
MOST_DEPTH = 4
FORMS: Mapping[str, Callable[[Frame, bool], Move | Refusal]] = {"running": iterate, "split": merge}


class NotReducibleError(FusemaxError):
    """A cascade that has no form with as few passes as asked for, with the reasons."""


class UnknownFormError(FusemaxError):
    """A form of loops that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """What a search found.

    Attributes
    ----------
    forms
        The equivalent cascades, best first: few passes, safe, little work.
    floor
        Outputs that need two passes whatever the algorithm.
    refused
        For a reduction, why it cannot be deferred or repaired.
    complete
        Whether every rewrite was followed; false when the search stopped at its limit of cascades tried.
    no_claims
        What the passes of the original say nothing about, such as reductions by ``or``, which may end early.
    """

    original: Form
    rank: str
    forms: tuple[Form, ...]
    floor: tuple[Floor, ...]
    refused: Mapping[str, tuple[str, ...]]
    complete: bool
    no_claims: tuple[str, ...] = ()

    def best(self, to: int) -> Form:
        """Return the best form with at most *to* passes.

        Raises
        ------
        NotReducibleError
            Naming the semantic floor, or the conditions that fail.
        """
        found = [form for form in self.forms if form.passes <= to]
        if found:
            return found[0]
        if (self.floor and to < 2) or self.original.passes > to:
            raise NotReducibleError(self.why_not(to))
        return self.original

    def named(self, title: str) -> Form:
        """Return the form called *title*.

        Raises
        ------
        NotReducibleError
            Naming the nearest title, or all.
        """
        titles = {form.title: form for form in self.forms}
        if title not in titles:
            near = nearest(title, titles)
            hint = f"did you mean {near!r}?" if near else f"there are: {'; '.join(titles) or 'none'}"
            raise NotReducibleError(f"{self.original.cascade.name} has no form {title!r}; {hint}")
        return titles[title]

    def why_not(self, to: int) -> str:
        """Return why there is no form with at most *to* passes over the rank."""
        head = (
            f"{self.original.cascade.name}: no form with {to} pass{'es' if to > 1 else ''} over {self.rank}"
        )
        if self.floor and to < 2:
            return "; ".join((head, *(str(floor) for floor in self.floor)))
        reasons = [f"{name}: {reason}" for name, why in self.refused.items() for reason in why]
        if not reasons:
            reasons = ["no rewrite that the search knows removes the remaining barrier"]
        return "\n  ".join((head, *reasons))


@dataclass(slots=True)
class _State:
    """A cascade reached by deferrals and reorderings, with the way that led there."""

    cascade: Cascade
    title: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    verdict: Verdict | None = None
    depth: int = 0


@dataclass(slots=True)
class _Search:
    original: Cascade
    rank: str
    forms: tuple[str, ...]
    given: Given
    witness: Witness
    tried: int = 0
    complete: bool = True
    found: dict[str, Form] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, name: str, reason: str) -> None:
        if reason not in self.refused.setdefault(name, []):
            self.refused[name].append(reason)

    def run(self) -> None:
        """Visit states in order of depth; keep every verified form."""
        queue = deque([_State(self.original)])
        named = spelled_out(self.original, self.rank)
        if named is not None:
            queue.append(_State(named, lines=("means inside a term are named",)))
        seen = {str(state.cascade) for state in queue}
        most = max(MOST_TRIED, MOST_CASCADES * len(self.original.computed))
        while queue and self.tried < most:
            state = queue.popleft()
            along = self._seen(state.cascade)
            if not state.moves or self._keep(state):
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

    def _seen(self, cascade: Cascade) -> View:
        """Return *cascade* along the rank; what the original shows to be positive stays so, as its values stay."""
        along = view(cascade, self.rank)
        kept = {
            name
            for name in view(self.original, self.rank).positive
            if name.removesuffix(at_least_zero("")) in cascade.tensors
        }
        return replace(along, positive=along.positive | kept)

    def _keep(self, state: _State) -> bool:
        """Verify *state* and keep it as a form; return whether it is right and safe enough to build on."""
        key = str(state.cascade)
        if key in self.found:
            return self.found[key].safe
        verdict = state.verdict or self._verified(state.cascade)
        if not verdict.right:
            return False
        title = ", ".join(state.title)
        form = form_of(state.cascade, self.rank, title, state.moves, verdict, state.lines)
        if any(_alike(form, other) for other in self.found.values()):
            return False
        self.found[key] = form
        return not verdict.unsafe

    def _verified(self, cascade: Cascade) -> Verdict:
        self.tried += len(cascade.einsums)
        return self.witness.verdict(cascade)

    def _steps(self, state: _State, along: View) -> Iterator[_State]:
        """Yield the states one deferral or reordering further."""
        for name in along.reductions:
            einsum = along.cascade.einsum(name)
            written = term_of(along, einsum)
            if isinstance(written, Refusal):
                self.refuse(name, written.reason)
                continue
            waited = earlier_results(along, written)
            for count in sorted({1, len(waited)} - {0}):
                for chosen in combinations(waited, count):
                    moved = defer(along, name, chosen)
                    told = ", ".join(access.tensor for access in chosen)
                    if isinstance(moved, Refusal):
                        self.refuse(name, f"deferring {told} fails: {moved.reason}")
                    else:
                        yield _after(state, moved, f"defer {told} in {name}")
                    moments = defer(along, name, chosen, keep=True) if count == len(waited) else None
                    if isinstance(moments, Move):
                        yield _after(state, moments, f"take {name} apart")
        for name, moved in written_out(along):
            yield _after(state, moved, f"write {name} out")
        for name, moved in reorder(along, self.given):
            yield _after(state, moved, f"reorder {name}")

    def _loops(self, state: _State, along: View) -> Iterator[_State]:
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
                gathering = with_moments(along)
                if gathering is not None:
                    state = replace(state, lines=(*state.lines, *gathering.lines))
                    along = self._seen(gathering.cascade)
                    whole = group_of(along, along.reductions, additive)
            later = group_of(along, tuple(name for name, _ in whole.refused), additive)
            for group in (*_prefixes(along, whole), *_prefixes(along, later)):
                for tiled in (True, False):
                    yield from self._written(state, along, group, tiled)

    def _written(self, state: _State, along: View, group: Group, tiled: bool) -> Iterator[_State]:
        if not tiled and len(along.variables) > 1:
            return
        frame = frame_of(along, group, tiled)
        if isinstance(frame, Refusal):
            self.refuse(group.stages[-1].name, frame.reason)
            return
        for form in self.forms if tiled else ("running",) if "running" in self.forms else ():
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
        best: tuple[Move, Verdict] | Refusal = Refusal("the values differ from the original's")
        for guarded in (False, True):
            moved = FORMS[form](frame, guarded)
            if isinstance(moved, Refusal):
                return moved
            if moved.cascade.outputs != self.original.outputs:
                moved = replace(moved, cascade=without_moments(moved.cascade, self.original.outputs))
            verdict = self._verified(moved.cascade)
            better = isinstance(best, Refusal) or len(verdict.unsafe) < len(best[1].unsafe)
            if verdict.right and better:
                best = (moved, verdict)
            if verdict.right and not any("masked" in kind for kind in verdict.unsafe):
                break
        return best


def _alike(form: Form, other: Form) -> bool:
    """Return whether two forms are one cascade under other names."""
    return form.operations == other.operations and same_up_to_names(form.cascade, other.cascade)


def _after(state: _State, moved: Move, title: str) -> _State:
    return _State(
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


def search(
    cascade: Cascade, rank: str | None = None, form: str | None = None, given: tuple[str, ...] = ()
) -> Reduced:
    """Return the equivalent cascades that the rewrites reach over *rank*, and why there are no better ones.

    Parameters
    ----------
    rank
        ``M``, or the parts of a partitioned rank (``J,M0``); the rank with the most passes when it is None.
    form
        ``running`` or ``split`` for loops of that form only; both by default.
    given
        Results saved by an earlier cascade, each as the Einsum that made it.

    Raises
    ------
    RankError, UnknownFormError, GivenError
        When one of these does not fit the cascade.
    """
    if form is not None and form not in FORMS:
        raise UnknownFormError(f"no form {form!r}; there are: {', '.join(FORMS)}")
    rank = rank or busiest_rank(cascade)
    start = form_of(cascade, rank, "as written", (), None, ())
    saved = given_of(cascade, given)
    witness = Witness(saved.reference, given=saved.names)
    run = _Search(cascade, rank, (form,) if form else tuple(FORMS), saved, witness)
    run.run()
    better = [f for f in run.found.values() if _better(f, start)]

    def order(found: Form) -> tuple[int, bool, int, int, int, float]:
        kept = len(found.crossing), len(found.partial)
        return found.passes, not found.safe, found.sweeps, *kept, found.work

    return Reduced(
        original=start,
        rank=rank,
        forms=_worth_showing(sorted(better, key=order)),
        floor=floor_of(view(cascade, rank)),
        refused={name: tuple(reasons) for name, reasons in run.refused.items()},
        complete=run.complete,
        no_claims=tuple(map(str, analyse(cascade).no_claims)),
    )


def _worth_showing(forms: list[Form]) -> tuple[Form, ...]:
    """Return *forms* without the unsafe ones that another, made by the same kinds of moves, equals or beats."""
    kept: list[Form] = []
    for form in forms:
        others = [] if form.safe else [o for o in forms if set(o.moves) <= set(form.moves)]
        rivals = [other for other in others if other.safe or other in kept]
        if not any(
            o.passes <= form.passes and o.sweeps <= form.sweeps and o.work <= form.work for o in rivals
        ):
            kept.append(form)
    return tuple(kept)


def _better(form: Form, start: Form) -> bool:
    """Return whether *form* has fewer passes or sweeps than the original, or less work at as many.

    Passes of 0 say that nothing is known of a form: no reason to prefer it.
    """
    if form.passes == 0 < start.passes:
        return False
    if (form.passes, form.sweeps) < (start.passes, start.sweeps) and form.passes <= start.passes:
        return True
    return form.passes <= start.passes and form.work < start.work
