"""What a step costs on a machine: the quickest of the mappings that lie there for one of its forms, else one searched for.

A mapping suits a form when it binds the form's Einsums, whatever cascade it was written for; a library of kernels chooses by
shape in the same way. Where none lies there, the mapper finds one. What only moves data (norms, rotary positions,
activations) has no mapping: it costs what its words take at the outermost level, and the start of a kernel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from fusemax.cascade.build import load_cascade
from fusemax.cascade.ir import Cascade
from fusemax.cost.evaluate import Cost, Evaluator
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Number
from fusemax.library.load import Library
from fusemax.machine import Machine
from fusemax.machine.figures import figure_values
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import MappingFile, load_mapping_file
from fusemax.model.budget import Budget
from fusemax.model.moved import Moving
from fusemax.model.step import Step
from fusemax.shipped import find_machine, mappings_for
from fusemax.source import Document

LEAST_BETWEEN_B = 2.0
WORDS = re.compile(r"\w+")
Found = tuple[Evaluator, float]  #: a mapping that was found, and how far above the bound it was there
Content = tuple[tuple[tuple[str, tuple[tuple[str, int], ...]], ...], tuple[str, ...], tuple[str, ...]]
NEAR = 1.05  #: times what a search reached of its bound: as near, a mapping that was found for other sizes is taken
ATTENTION = "attention"  #: the kind of work that runs at widths of its own
FOUND = "found by search"  #: stands for the name of a mapping that no file holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Bytes of a number: of weights, of the cache of keys and values, and of everything else (products run at this width).

    Products of attention run at ``attention_B``; None for the wider of what is cached and of everything else.
    """

    weights_B: float = 2.0
    cache_B: float = 2.0
    activations_B: float = 2.0
    attention_B: float | None = None

    @property
    def of_attention(self) -> Widths:
        """The widths at which attention runs: a kernel multiplies queries as wide as the keys that it reads."""
        wider = max(self.activations_B, self.cache_B) if self.attention_B is None else self.attention_B
        return self if wider == self.activations_B else replace(self, activations_B=wider, attention_B=wider)

    @property
    def between_B(self) -> float:  # noqa: N802 - the unit is a byte
        """Bytes of a number between products: 16 bits at the least, since norms and residuals of fewer lose too much."""
        return max(self.activations_B, LEAST_BETWEEN_B)

    @property
    def narrows(self) -> bool:
        """Whether products run at fewer bits than what is between them: their inputs are quantised first."""
        return self.activations_B < self.between_B


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one run of a step takes.

    ``limit`` is what its time is made of: the schedule of the units, or a level by name. ``mapping`` is the one that was
    taken (:data:`FOUND` if the mapper made it), empty where there is none. ``energy_J`` is NaN where the machine does not say.
    """

    time_s: float
    traffic_B: float
    energy_J: float
    limit: str
    form: str = ""
    mapping: str = ""


class NoMappingError(FusemaxError):
    """A step that no mapping of the machine runs."""


@dataclass(frozen=True)
class Prices:
    """The prices of steps on one machine; what was read and derived for one is kept for the next."""

    machine: str
    widths: Widths
    figures: Mapping[str, float] = field(default_factory=dict)
    search: bool = False  #: whether a searched mapping goes before those that lie with the machine
    budget: Budget = field(default_factory=Budget)
    found: dict[tuple[str, tuple[tuple[str, int], ...]], Price | str] = field(default_factory=dict)
    kept: dict[tuple[str, tuple[str, ...]], list[Found]] = field(default_factory=dict)
    priced: dict[Content, Price] = field(default_factory=dict)
    suited: dict[str, list[str]] = field(default_factory=dict)
    read: dict[str, tuple[MappingFile, Document] | None] = field(default_factory=dict)
    cascades: dict[str, Cascade] = field(default_factory=dict)
    programs: dict[tuple[str, str, tuple[str, ...]], Evaluator | str] = field(default_factory=dict)

    @cached_property
    def described(self) -> Machine:
        """The machine as its file says."""
        return Library().machine(self.machine)

    @cached_property
    def files(self) -> dict[str, tuple[str, str]]:
        """The path and the text of each mapping that lies with the machine, by name."""
        path = find_machine(self.machine)
        beside = mappings_for(path, self.described.mappings).near
        return {name: (str(file), Path(file).read_text(encoding="utf-8")) for name, file in beside.items()}

    @cached_property
    def attending(self) -> Prices:
        """The prices of attention: these, or those at its own widths."""
        widths = self.widths.of_attention
        return self if widths is self.widths else _at_widths(self, widths)

    def mapping(self, name: str) -> tuple[MappingFile, Document] | None:
        """Return the mapping called *name*, None if it cannot be read."""
        if name not in self.read:
            try:
                self.read[name] = load_mapping_file(self.files[name][0], find_machine(self.machine))
            except FusemaxError:
                self.read[name] = None
        return self.read[name]

    def cascade(self, form: str) -> Cascade:
        """Return the cascade called *form*."""
        if form not in self.cascades:
            self.cascades[form] = load_cascade(form)
        return self.cascades[form]

    def prices(self, steps: Sequence[Step]) -> list[Price]:
        """Return the price of one run of each of *steps*.

        Raises
        ------
        NoMappingError
            For a step with forms of which no mapping of the machine fits, saying why not.
        """
        return [self.price(step) for step in steps]

    def price(self, step: Step, recorded: bool = False) -> Price:
        """Return the price of one run of *step*, found once for each content; see :meth:`prices`.

        *recorded* says that kernels which only move data come from a recorded graph.
        """
        if not step.forms:
            return self._moved(step, recorded)
        if self.attending is not self and step.work == ATTENTION:
            return self.attending.price(step)
        key = tuple((form, tuple(sizes.items())) for form, sizes in step.forms), step.weights, step.cached
        if key not in self.priced:
            self.priced[key] = self._price(step)
        return self.priced[key]

    def behind(self, step: Step, price: Price) -> tuple[Evaluator, dict[str, int], dict[str, float]] | None:
        """Return what the *price* of *step* was worked out with: a mapping on the machine, sizes and figures.

        None for a step that has no mapping.
        """
        if not price.form:
            return None
        if self.attending is not self and step.work == ATTENTION:
            return self.attending.behind(step, price)
        sizes = dict(step.forms)[price.form]
        if price.mapping != FOUND:
            ready = self._ready(step, price.form, price.mapping)
            assert not isinstance(ready, str), "it was priced"
            given = {name: value for name, value in sizes.items() if name in _sizes(ready.mapped)}
            return ready, given, self._given(ready.program)
        cascade = self.cascade(price.form)
        given = {n: v for n, v in sizes.items() if n in {*cascade.ranks, *cascade.size_symbols()}}
        figures = {**self.figures, "word": self.widths.activations_B}
        kept = self.kept[price.form, tuple(self._narrow(step))]
        costs = [(ready, cost) for ready, _ in kept if (cost := _cost_of(ready, given, figures)) is not None]
        return next(ready for ready, cost in costs if cost.latency_s == price.time_s), given, figures

    def _price(self, step: Step) -> Price:
        if self.search:
            found = [
                one for form, sizes in step.forms if isinstance(one := self._search(step, form, sizes), Price)
            ]
            if found:
                return min(found, key=lambda price: price.time_s)
        best, refused = None, []
        for form, sizes in step.forms:
            for mapping in self._suited(form):
                answer = self._cost(step, form, mapping, sizes)
                if isinstance(answer, str):
                    refused.append(f"{mapping}: {answer}")
                elif best is None or answer.latency_s < best[0].latency_s:
                    best = answer, form, mapping
        if best is None:
            return self._searched(step, refused)
        answer, form, mapping = best
        return _priced(answer, form, mapping)

    def _searched(self, step: Step, refused: list[str]) -> Price:
        """Return the price of *step* under the quickest mapping that a search finds for one of its forms."""
        answers = [self._search(step, form, sizes) for form, sizes in step.forms]
        prices = [answer for answer in answers if isinstance(answer, Price)]
        if not prices:
            forms = " or ".join(form for form, _ in step.forms)
            why = "\n  ".join(dict.fromkeys([*refused, *(str(answer) for answer in answers)]))
            raise NoMappingError(f"{step.name}: nothing runs {forms} on {self.machine}\n  {why}")
        return min(prices, key=lambda price: price.time_s)

    def _search(self, step: Step, form: str, sizes: Mapping[str, int]) -> Price | str:
        """Return the price of *form* under the best mapping found, or why there is none; searched once for each size."""
        key = form, tuple(sorted(sizes.items()))
        if key not in self.found:
            self.found[key] = self._best(step, form, sizes)
        return self.found[key]

    def _best(self, step: Step, form: str, sizes: Mapping[str, int]) -> Price | str:
        """Return the price of *form* under a mapping found before that comes as near to the bound here, or one found now."""
        from fusemax.search.answer import best_mapping
        from fusemax.search.bound import bound_of
        from fusemax.search.facts import facts_of

        cascade = self.cascade(form)
        given = {
            name: value for name, value in sizes.items() if name in {*cascade.ranks, *cascade.size_symbols()}
        }
        figures = {**self.figures, "word": self.widths.activations_B}
        narrow = self._narrow(step)
        try:
            least_s = bound_of(facts_of(cascade, self.described, given, figures, ())).latency_s
            kept = self.kept.setdefault((form, tuple(narrow)), [])
            costs = [
                cost
                for ready, above in kept
                if (cost := _cost_of(ready, given, figures)) is not None
                and cost.latency_s <= NEAR * above * least_s
            ]
            cost = min(costs, key=lambda cost: cost.latency_s, default=None)
            if cost is None:
                with self.budget.share(form) as share:
                    answer = best_mapping(
                        cascade, self.described, given, figures, seconds=share.seconds, by_work=True,
                        hopeless_s=share.hopeless_s, tally=share.tally,
                    )  # fmt: skip
                    share.cut = answer.stopped == "time"
                ready = self._narrowed(answer.mapped, narrow)
                cost = ready.cost(given, figures)
                kept.append((ready, max(1.0, cost.latency_s / least_s)))
        except FusemaxError as error:
            return str(error).splitlines()[0]
        return _priced(cost, form, FOUND)

    def _narrowed(self, mapped: Mapped, narrow: Mapping[str, float]) -> Evaluator:
        """Return what evaluates *mapped* with other widths of some tensors."""
        widths = {tensor: Number(width) for tensor, width in narrow.items()}
        mapped = replace(mapped, words={**mapped.words, **widths})
        return Evaluator(mapped, derive(mapped, self.described, self.figures))

    @cached_property
    def moving(self) -> Moving:
        """The machine for what only moves data, with the values of its figures."""
        given = {"word": self.widths.activations_B, **self.figures}
        return Moving(machine=self.described, values=figure_values(self.described.walked, given))

    def _moved(self, step: Step, recorded: bool) -> Price:
        """Return the price of a step that only moves its numbers: all of them through the outermost level, once."""
        moved_B = step.moved * self.widths.between_B + step.narrowed * self.widths.activations_B
        time_s = self.moving.time_s(moved_B, recorded)
        energy_J = self.moving.energy_J(moved_B, time_s)
        return Price(time_s=time_s, traffic_B=moved_B, energy_J=energy_J, limit=self.described.outermost)

    def _suited(self, form: str) -> list[str]:
        if form not in self.suited:
            self.suited[form] = self._suiting(form)
        return self.suited[form]

    def _suiting(self, form: str) -> list[str]:
        """Return the mappings that bind the Einsums of *form*, whatever form they were written for: the quickest counts."""
        cascade = self.cascade(form)
        computed = {einsum.name for einsum in cascade.computed}
        names = []
        for name, (_, text) in self.files.items():
            words = set(WORDS.findall(text))
            if form not in text and not computed <= words | _views(cascade):
                continue  # it can bind no Einsum of the form, so that it need not be read
            read = self.mapping(name)
            if read is not None and self._is_for(read[0]) and _suits(read[0], form, cascade, computed):
                names.append(name)
        return names

    def _is_for(self, file: MappingFile) -> bool:
        """Return whether *file* is for operands as wide as these: kernels of 8 bits are no kernels of 16."""
        width = file.operands.value if isinstance(file.operands, Number) else file.operands
        return width in (None, self.widths.activations_B)

    def _cost(self, step: Step, form: str, mapping: str, sizes: Mapping[str, int]) -> Cost | str:
        ready = self._ready(step, form, mapping)
        if isinstance(ready, str):
            return ready
        given = {name: value for name, value in sizes.items() if name in _sizes(ready.mapped)}
        try:
            return ready.cost(given, self._given(ready.program))
        except FusemaxError as error:
            return str(error).splitlines()[0]

    def _given(self, program: Program) -> dict[str, float]:
        return {"word": self.widths.activations_B} | {
            name: value for name, value in self.figures.items() if name in program.parameters
        }

    def _ready(self, step: Step, form: str, mapping: str) -> Evaluator | str:
        narrow = self._narrow(step)
        key = (form, mapping, tuple(f"{tensor}={width}" for tensor, width in narrow.items()))
        if key not in self.programs:
            self.programs[key] = self._made(form, mapping, narrow)
        return self.programs[key]

    def _made(self, form: str, mapping: str, narrow: Mapping[str, float]) -> Evaluator | str:
        from fusemax.mapping.build import map_onto

        read = self.mapping(mapping)
        assert read is not None, "it suits a form, so it was read"
        try:
            mapped = map_onto(self.cascade(form), self.described, *read)
            return self._narrowed(mapped, narrow)
        except FusemaxError as error:
            return str(error).splitlines()[0]

    def _narrow(self, step: Step) -> dict[str, float]:
        """Return the widths of tensors that have another one than the activations."""
        found = {tensor: self.widths.weights_B for tensor in step.weights}
        found |= {tensor: self.widths.cache_B for tensor in step.cached}
        return {tensor: width for tensor, width in found.items() if width != self.widths.activations_B}


def _at_widths(prices: Prices, widths: Widths) -> Prices:
    """Return prices on the same machine at other *widths*, which share its searches' budget."""
    return Prices(prices.machine, widths, prices.figures, search=prices.search, budget=prices.budget)


def _suits(file: MappingFile, form: str, cascade: Cascade, computed: set[str]) -> bool:
    """Return whether *file* maps *form*: by name, or because it binds its Einsums; views need no unit."""
    bound = {entry.partition(".")[0] for entries in file.bind.values() for entry in entries}
    bare = {*file.absorb, *_views(cascade)}
    return file.cascade == form or (bool(bound) and bound <= computed and computed - bound <= bare)


def _cost_of(ready: Evaluator, sizes: Mapping[str, int], figures: Mapping[str, float]) -> Cost | None:
    """Return what *ready* costs, or None where it has no room."""
    try:
        return ready.cost(sizes, figures)
    except FusemaxError:
        return None


def _priced(answer: Cost, form: str, mapping: str) -> Price:
    longest = max(answer.limits().items(), key=lambda item: _phase(answer, item[0]))
    return Price(
        time_s=answer.latency_s, traffic_B=answer.traffic_B, energy_J=answer.energy_J, limit=longest[1], form=form,
        mapping=mapping,
    )  # fmt: skip


def _phase(answer: Cost, nest: str) -> float:
    return sum(value for label, value in answer.table("phase").items() if label.nest == nest)


def _sizes(mapped: Mapped) -> set[str]:
    return {*mapped.cascade.ranks, *mapped.cascade.size_symbols()}


def _views(cascade: Cascade) -> set[str]:
    from fusemax.analysis.work import is_view

    return {einsum.name for einsum in cascade.computed if is_view(einsum)}
