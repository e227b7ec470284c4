"""What a search over rewrites answers: the forms found, best first, and why there are no better ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fusemax.analysis.rewrite.floor import Floor
from fusemax.analysis.rewrite.form import Form
from fusemax.analysis.rewrite.parts import parts
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.nearest import nearest

DIFFER = "the values differ from the original's"


class NotReducibleError(FusemaxError):
    """A cascade that has no form with as few passes as asked for, with the reasons."""


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

    def _is_left(self, name: str, form: Form) -> bool:
        """Return whether *form* folds *name* as the original does: its loops, tiles and deferrals leave that as it was."""
        before, after = (
            [_whole(one.cascade, e.reduced) for e in one.cascade.producers(name)]
            for one in (self.original, form)
        )
        return before == after

    def why_not(self, to: int) -> str:
        """Return why there is no form with at most *to* passes over the rank."""
        head = (
            f"{self.original.cascade.name}: no form with {to} pass{'es' if to > 1 else ''} over {self.rank}"
        )
        if self.floor and to < 2:
            return "; ".join((head, *(str(floor) for floor in self.floor)))
        own = {name: why for name, why in self.refused.items() if name in self.original.cascade.tensors}
        reasons = [f"{name}: {reason}" for name, why in (own or self.refused).items() for reason in why]
        best = min((form for form in self.forms if form.safe), key=lambda form: form.passes, default=None)
        if best is not None and best.passes < self.original.passes and best.chain:
            head += f"; the fewest are {best.passes}, by {best.title}, where"
            left = [f"{n}: {r}" for n, why in own.items() if self._is_left(n, best) for r in why]
            reasons = [*best.chain, *(reason for reason in left if not reason.endswith(DIFFER))]
        if not reasons:
            reasons = ["no rewrite that the search knows removes the remaining barrier"]
        return "\n  ".join((head, *reasons))


def _whole(cascade: Cascade, variables: tuple[str, ...]) -> frozenset[str]:
    """Return *variables* with all tiles and places of one rank as that rank: ``m1, m0`` as ``m``."""
    digits = {name: {part.lower() for part in parts(rank)} for name, rank in cascade.ranks.items()}
    found = {name.lower(): own for name, own in digits.items() if own and own <= set(variables)}
    return frozenset(variables).difference(*found.values()) | frozenset(found)
