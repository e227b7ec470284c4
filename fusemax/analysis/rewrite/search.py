"""The lattice of rewrites: which factors to defer, which reductions to run in one loop or to split and merge.

Every cascade that is returned was analysed for its passes again and compared with the original by values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from fusemax.analysis.left_out import with_conditions_of_makers
from fusemax.analysis.passes import analyse
from fusemax.analysis.rewrite.defer import defer, factors_of
from fusemax.analysis.rewrite.draft import Move
from fusemax.analysis.rewrite.floor import floor_of
from fusemax.analysis.rewrite.form import Form, busiest_rank, form_of
from fusemax.analysis.rewrite.gather import with_moments, without_moments
from fusemax.analysis.rewrite.given import Given, given_of
from fusemax.analysis.rewrite.inline import written_out
from fusemax.analysis.rewrite.iterate import iterate
from fusemax.analysis.rewrite.means import spelled_out
from fusemax.analysis.rewrite.merge import merge
from fusemax.analysis.rewrite.normal import View, earlier_results, rank_variables, term_of, view
from fusemax.analysis.rewrite.reduced import DIFFER, NotReducibleError, Reduced
from fusemax.analysis.rewrite.reorder import reorder
from fusemax.analysis.rewrite.safety import OVERFLOWS, safety_lines
from fusemax.analysis.rewrite.same import same_up_to_names
from fusemax.analysis.rewrite.separate import Refusal
from fusemax.analysis.rewrite.stages import Group, Stage, group_of, levels
from fusemax.analysis.rewrite.strata import apart
from fusemax.analysis.rewrite.symbols import at_least_zero
from fusemax.analysis.rewrite.tiles import Frame, frame_of
from fusemax.analysis.rewrite.verify import Verdict, Witness
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.errors import FusemaxError

#: The Einsums of all cascades tried, together: the time that a search takes goes with them; more for long cascades.
MOST_TRIED = 450
MOST_CASCADES = 36
MOST_DEPTH = 4
MOST_GATHERING = 1  #: rewrites behind which sums that a repair lacks are still added
NAMED = "means inside a term are named"
ADOPTED = "sums of what a condition leaves out are taken under that condition: nothing but zeros is left out"
FORMS: Mapping[str, Callable[[Frame, bool], Move | Refusal]] = {"running": iterate, "split": merge}

__all__ = ["FORMS", "NotReducibleError", "Reduced", "UnknownFormError", "search"]


class UnknownFormError(FusemaxError):
    """A form of loops that does not exist."""


@dataclass(slots=True)
class _State:
    """A cascade reached by deferrals and reorderings, with the way that led there."""

    cascade: Cascade
    title: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    verdict: Verdict | None = None
    depth: int = 0
    best: Form | None = None  #: the form that this is, where a layer before has been searched


@dataclass(slots=True)
class _Search:
    """A search over *rank* from the state *begin*; forms are measured over the rank that was *asked* about."""

    begin: _State
    rank: str
    asked: str
    wide: bool
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
        queue = deque([self.begin])
        named = spelled_out(self.begin.cascade, self.rank)
        if named is not None:
            queue.append(replace(self.begin, cascade=named, lines=(*self.begin.lines, NAMED)))
        seen = {str(state.cascade) for state in queue}
        most = max(MOST_TRIED, MOST_CASCADES * len(self.begin.cascade.computed))
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

    def _seen(self, cascade: Cascade) -> View:
        """Return *cascade* along the rank; what the original shows to be positive stays so, as its values stay."""
        along = view(cascade, self.rank)
        kept = {
            name
            for name in view(self.begin.cascade, self.rank).positive
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
        form = form_of(state.cascade, self.asked, title, state.moves, verdict, state.lines, self.wide)
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
                yield from self._with_moments(state, along)
            later = group_of(along, tuple(name for name, _ in whole.refused), additive)
            for group in (*_prefixes(along, whole), *_prefixes(along, later)):
                for tiled in (True, False):
                    yield from self._written(state, along, group, tiled)

    def _with_moments(self, state: _State, along: View) -> Iterator[_State]:
        """Yield the loop over all reductions with the sums that their repairs lack, where it holds them all."""
        gathering = with_moments(along) if state.depth <= MOST_GATHERING else None
        if gathering is not None:
            fuller = self._seen(gathering.cascade)
            group = group_of(fuller, fuller.reductions, additive=True)
            told = replace(state, lines=(*state.lines, *gathering.lines))
            tried = self.tried
            yield from self._written(told, fuller, group, True) if not group.refused else ()
            self.tried = tried  # beside the search, and no more than once or twice a way

    def _written(self, state: _State, along: View, group: Group, tiled: bool) -> Iterator[_State]:
        if not tiled and (len(along.variables) > 1 or any(map(_leaves_out, group.stages))):
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


def _leaves_out(stage: Stage) -> bool:
    """Return whether a fold of points that may be left out has nothing to fold when it is taken point by point."""
    return bool(stage.einsum.conditions) and len(stage.einsum.reduced) == 1


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
    given_whole = with_conditions_of_makers(cascade)
    parted, names = apart(given_whole, rank)
    start = form_of(cascade, rank, "as written", (), None, (), wide=len(names) > 1)
    saved = given_of(cascade, given)
    witness = Witness(saved.reference, given=saved.names)
    forms = (form,) if form else tuple(FORMS)
    lines = (ADOPTED,) if given_whole is not cascade else ()
    begin = _State(parted if len(names) > 1 else given_whole, lines=lines)
    runs = _runs(begin, rank, names, forms, saved, witness)
    found = {str(f.cascade): f for run in runs for f in run.found.values()}
    refused: dict[str, list[str]] = {}
    for run in runs:
        for name, reasons in run.refused.items():
            refused.setdefault(name, []).extend(r for r in reasons if r not in refused.get(name, ()))

    for einsum in _folds_in_loops(cascade, rank):
        told = f"it folds {rank} inside the loop over {einsum.loop}, and loops that are there are left as they are"
        refused.setdefault(einsum.name, []).append(told)

    def order(one: Form) -> tuple[float, ...]:
        *before, work = _order(one)
        unbounded = [line for line in safety_lines(cascade, one.cascade) if line.endswith(OVERFLOWS)]
        return (*before, len(unbounded), work)

    return Reduced(
        original=start,
        rank=rank,
        forms=_worth_showing(sorted((f for f in found.values() if _better(f, start)), key=order)),
        floor=floor_of(view(cascade, rank)),
        refused={name: tuple(reasons) for name, reasons in refused.items()},
        complete=all(run.complete for run in runs),
        no_claims=tuple(map(str, analyse(cascade).no_claims)),
    )


def _folds_in_loops(cascade: Cascade, rank: str) -> tuple[Einsum, ...]:
    """Return the Einsums that fold *rank* inside a loop of the cascade."""
    over = set(rank_variables(cascade, rank))
    return tuple(e for e in cascade.computed if e.loop is not None and over & set(e.reduced))


def _runs(
    begin: _State, rank: str, names: tuple[str, ...], forms: tuple[str, ...], given: Given, witness: Witness
) -> list[_Search]:
    """Return the searches over each of the layers *names* of a sequence, each from the best form of the one before."""
    runs: list[_Search] = []
    for number, name in enumerate(names):
        run = _Search(begin, name, rank, len(names) > 1, forms, given, witness)
        run.run()
        runs.append(run)
        best = min((f for f in run.found.values() if f.safe and f.passes), key=_order, default=None)
        last = (
            begin.best.passes
            if begin.best is not None
            else form_of(begin.cascade, rank, "", (), None, (), len(names) > 1).passes
        )
        tiled = _tiled(run) if number + 1 < len(names) and (best is None or best.passes >= last) else None
        best = tiled or best
        if best is not None and (tiled or begin.best is None or _order(best) < _order(begin.best)):
            begin = _State(best.cascade, (best.title,), best.moves, best.derivation, best=best)
    return runs


def _tiled(run: _Search) -> Form | None:
    """Return the split form with the fewest passes over the run's own name of a sequence, if they are fewer than before.

    Where both names of a sequence are folded at once (the loss of rows and of columns), tiles of one name alone gain nothing
    yet; those of a split form stand in no loop, so that the other name can be cut too.
    """
    before = form_of(run.begin.cascade, run.rank, "", (), None, ()).passes
    found = [form for form in run.found.values() if form.safe and "merge" in form.moves]
    narrow = [
        (form_of(form.cascade, run.rank, "", (), None, ()).passes, *_order(form), form) for form in found
    ]
    best = min(narrow, key=lambda one: one[:-1], default=None)
    return best[-1] if best is not None and best[0] < before else None


def _order(found: Form) -> tuple[float, ...]:
    kept = len(found.crossing), len(found.partial)
    holds = found.verdict is None or not found.verdict.where
    return found.passes, not found.safe, not holds, found.sweeps, *kept, found.work


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
