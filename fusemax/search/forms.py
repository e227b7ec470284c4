"""The best mapping of a cascade in every form that the algebra of :mod:`fusemax.analysis.rewrite` gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fusemax.analysis.rewrite.form import Form
from fusemax.analysis.rewrite.search import Reduced
from fusemax.analysis.rewrite.search import search as rewritten
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.search.answer import Answer, best_mapping, measure
from fusemax.search.plan import Plan, Search

MOST = 5  #: forms that are searched, the cascade as it is written among them


@dataclass(frozen=True, slots=True)
class Tried:
    """A form of the cascade with the best mapping found for it, or why there is none."""

    form: Form
    answer: Answer | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Forms:
    """What became of every form that was tried, the best first; those without a mapping last."""

    reduced: Reduced
    tried: tuple[Tried, ...]

    @property
    def best(self) -> Tried:
        """The form that won."""
        return self.tried[0]

    @property
    def is_rewritten(self) -> bool:
        """Whether another form than the one that was written won."""
        return self.best.form is not self.reduced.original


def best_form(
    cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None,
    *, objective: str = "latency", absorb: Sequence[str] = (), seconds: float = 12.0, search: str = "joined",
    watch: Callable[[Search, Plan], None] = lambda search, plan: None,
) -> Forms:  # fmt: skip
    """Return the forms of *cascade*, as written and with fewer passes or less work, each with its best mapping.

    Every form has the same time; parameters are those of :func:`fusemax.search.answer.best_mapping`.

    Raises
    ------
    FusemaxError
        When no form has a mapping: what was said of the cascade as it is written.
    """
    reduced = rewritten(cascade)
    forms = list(_worth(reduced))
    tried: list[Tried] = []
    for form in forms:
        own = tuple(name for name in absorb if any(einsum.name == name for einsum in form.cascade.computed))
        try:
            answer = best_mapping(
                form.cascade, machine, sizes, figures, objective=objective, absorb=own,
                seconds=seconds / len(forms), search=search, watch=watch,
            )  # fmt: skip
        except FusemaxError as error:
            tried.append(Tried(form, None, str(error)))
            continue
        tried.append(Tried(form, answer))
    found = [one for one in tried if one.answer is not None]
    if not found:
        raise FusemaxError(tried[0].reason)
    found.sort(key=lambda one: measure(one.answer.cost, objective) if one.answer else 0.0)
    return Forms(reduced, (*found, *(one for one in tried if one.answer is None)))


def _worth(reduced: Reduced) -> Iterator[Form]:
    """Yield the cascade as written, then the forms with the fewest passes, those of them first that are safe."""
    yield reduced.original
    yield from sorted(reduced.forms, key=lambda form: (not form.safe, form.passes, form.work))[: MOST - 1]
