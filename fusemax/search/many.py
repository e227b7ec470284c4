"""The best mappings of many points at once: structures found at some of them, with tiles of each point's own.

Sizes and figures of a machine are arguments of a structure's cost program as its tiles are. So a few points are searched in
full, and the structures found there are priced at all points and tilings together, on arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fusemax.cascade.ir import Cascade
from fusemax.cost.evaluate import Cost
from fusemax.cost.lower import point_text, run
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Name, Number
from fusemax.machine import Machine
from fusemax.mapping.nest import Digit, Mapped
from fusemax.mapping.space import parts_of
from fusemax.search.answer import mapped_text
from fusemax.search.best import Found, Least, Wanted, best_found
from fusemax.search.bound import bound_of
from fusemax.search.candidate import best_point
from fusemax.search.facts import Facts, facts_like, facts_of, figures_program
from fusemax.search.price import Pricer, Prices
from fusemax.search.tiles import Tilings, axes_for, liked, narrowed, refined_axes, tilings
from fusemax.search.write import with_tiles

TILINGS = 2_000  #: tilings of a structure that are priced at each point, and again around the best of them
MORE = 6  #: points beside the first ones that are searched in full
ENOUGH = 0.9  #: the part of a price that its bound covers, from which no more structures are looked for
BRIEF_S = 4.0  #: seconds for each of these

#: A point: sizes, and figures of the machine.
Asked = tuple[Mapping[str, int], Mapping[str, float]]


@dataclass(frozen=True)
class Template:
    """A mapping of one phase whose tile sizes, sizes and figures are open."""

    text: str
    mapped: Mapped
    program: Program

    @cached_property
    def pricer(self) -> Pricer:
        """Prices of it on arrays."""
        return Pricer(self.program, always=True)

    @cached_property
    def names(self) -> list[str]:
        """The names of all lines of its cost."""
        return [line.name for line in self.program.lines]

    @cached_property
    def code(self) -> str:
        """The code of a point."""
        return point_text(self.program, self.names)

    @cached_property
    def cuts(self) -> dict[str, int]:
        """By rank that the mapping cuts itself, the digits inside the outermost one."""
        (nest,) = self.mapped.nests
        own = {rank: parts_of(self.mapped.cascade, rank) for rank in self.mapped.cascade.ranks}
        counts = {root.size_name: len(root.digits) - 1 for root in nest.roots.values()}
        return {rank: count for rank, count in counts.items() if count and not own.get(rank)}

    def values(self, facts: Facts) -> dict[str, float]:
        """Return sizes and figures as the program wants them; what follows from tiles is left at one."""
        found = {name: float(size) for name, size in facts.sizes.items()}
        found |= {name: float(value) for name, value in facts.given.items()}
        lacking = [name for name, value in self.program.parameters.items() if value is None]
        return {**dict.fromkeys(lacking, 1.0), **found}

    def found(self, facts: Facts, tiles: Mapping[str, int], least: Least) -> Found:
        """Return it with *tiles*, priced at the point of *facts*."""
        known: dict[str, float] = {name: value or 0.0 for name, value in self.program.parameters.items()}
        known |= self.values(facts) | {name: float(size) for name, size in tiles.items()}
        known |= {name: known[part] for name, part in facts.follows.items() if part in known}
        order = list(self.program.parameters)
        matrix = np.array([[known[name] for name in order]])
        (values,) = run(self.program, self.names, matrix, self.code).tolist()
        labels = {line.name: line.label for line in self.program.lines}
        parameters = {name: known[name] for name in order}
        price = Cost(dict(zip(self.names, values, strict=True)), labels, parameters)
        return Found(
            text=with_tiles(self.text, tiles), mapped=_tiled(self.mapped, tiles), cost=price, least=least
        )


def is_open(digit: Digit) -> bool:
    """Return whether the size of *digit* is a number that the search chose."""
    return isinstance(digit.rule, Number | Name)


def template_of(text: str, cascade: Cascade, machine: Machine, free: Sequence[str]) -> Template | None:
    """Return the mapping in *text* with its tiles and the *free* figures open.

    None if it has several phases, or if its price takes a walk over tasks.
    """
    mapped = mapped_text(text, cascade, machine)
    if len(mapped.nests) > 1:
        return None
    opened = _tiled(mapped, None)
    template = Template(text, opened, derive(opened, machine, free))
    return None if template.pricer.walks else template


def _tiled(mapped: Mapped, tiles: Mapping[str, int] | None) -> Mapped:
    """Return *mapped* with other sizes of its tiles, or with open ones."""

    def sized(digit: Digit) -> Digit:
        if not is_open(digit):
            return digit
        size = Name(digit.size_name) if tiles is None else Number(float(tiles[digit.size_name]))
        return Digit(digit.name, size)

    nests = tuple(
        replace(
            nest,
            roots={
                name: replace(root, digits=tuple(sized(digit) for digit in root.digits))
                for name, root in nest.roots.items()
            },
        )
        for nest in mapped.nests
    )
    return replace(mapped, nests=nests)


# ------------------------------------------------------------------------------------ points


@dataclass(frozen=True)
class Shelf:
    """Structures found at some points of a cascade on a machine, to be priced at others."""

    cascade: Cascade
    machine: Machine
    wanted: Wanted
    templates: tuple[Template, ...]

    def found(self, points: Sequence[Asked]) -> list[Found | FusemaxError]:
        """Return the best of the structures with the best tiles at each of *points*, or why there is none.

        A point at which none fits is searched in full.
        """
        programs: dict[frozenset[str], Program] = {}  # the figures' program, once for the same names
        alike: dict[tuple[tuple[str, int], ...], Facts] = {}  # the facts of a point of each sizes
        facts = [self._facts(point, programs, alike) for point in points]
        known = [one for one in facts if isinstance(one, Facts)]
        chosen = iter(self._chosen(known))
        answers: list[Found | FusemaxError] = []
        for point, one in zip(points, facts, strict=True):
            answer = next(chosen) if isinstance(one, Facts) else one
            answers.append(self._searched(point) if answer is None else answer)
        return answers

    def _facts(
        self, point: Asked, programs: dict[frozenset[str], Program],
        alike: dict[tuple[tuple[str, int], ...], Facts],
    ) -> Facts | FusemaxError:  # fmt: skip
        sizes, figures = point
        names, key = frozenset(figures), tuple(sorted(sizes.items()))
        try:
            if names not in programs:
                programs[names] = figures_program(self.cascade, self.machine, names)
            if key in alike:
                return facts_like(alike[key], figures, programs[names])
            wanted = self.wanted
            alike[key] = facts_of(
                self.cascade, self.machine, sizes, figures, wanted.absorb, wanted.within, programs[names]
            )
            return alike[key]
        except FusemaxError as error:
            return error

    def _searched(self, point: Asked) -> Found | FusemaxError:
        try:
            return best_found(self.cascade, self.machine, *point, self.wanted)
        except FusemaxError as error:
            return error

    def _chosen(self, facts: Sequence[Facts]) -> list[Found | None]:
        best: list[tuple[float, Template, dict[str, int]] | None] = [None] * len(facts)
        for template in self.templates:
            for place, (value, tiles) in enumerate(_best_tiles(template, facts, self.wanted.objective)):
                one = best[place]
                if tiles is not None and (one is None or value < one[0]):
                    best[place] = (value, template, tiles)
        return [
            None if one is None else one[1].found(each, one[2], _least(each, one[0], self.wanted.objective))
            for each, one in zip(facts, best, strict=True)
        ]


def _least(facts: Facts, value: float, objective: str) -> Least:
    bound = bound_of(facts)
    covered = min(1.0, bound.of(objective) / value) if value else 1.0
    return Least(
        latency_s=bound.latency_s, traffic_B=bound.traffic_B, energy_J=bound.energy_J, covered=covered
    )


def improved(shelf: Shelf, points: Sequence[Asked]) -> Shelf:
    """Return *shelf* with the structures of up to :data:`MORE` of *points*: in turn that of which its bound covers least."""
    seen: set[int] = set()
    for _ in range(MORE):
        answers = shelf.found(points)
        rated = [
            (answer.least.covered, number)
            for number, answer in enumerate(answers)
            if isinstance(answer, Found) and number not in seen
        ]
        least, worst = min(rated, default=(1.0, 0))
        if least > ENOUGH:
            break
        seen.add(worst)
        brief = replace(shelf.wanted, seconds=min(shelf.wanted.seconds, BRIEF_S))
        more = shelf_of(shelf.cascade, shelf.machine, [points[worst]], brief)
        known = {with_tiles(one.text, None) for one in shelf.templates}
        new = tuple(one for one in more.templates if with_tiles(one.text, None) not in known)
        shelf = replace(shelf, templates=(*shelf.templates, *new))
    return shelf


def shelf_of(cascade: Cascade, machine: Machine, points: Sequence[Asked], wanted: Wanted) -> Shelf:
    """Return the structures that full searches find at *points*; those at which nothing is found give none."""
    texts: dict[str, None] = {}
    for sizes, figures in points:
        try:
            found = best_found(cascade, machine, sizes, figures, wanted)
        except FusemaxError:
            continue
        texts.setdefault(found.text)
    free = sorted({name for _, figures in points for name in figures})
    templates: dict[str, Template] = {}
    for text in texts:
        key = with_tiles(text, None)
        if key not in templates and (one := template_of(text, cascade, machine, free)) is not None:
            templates[key] = one
    return Shelf(cascade, machine, wanted, tuple(templates.values()))


# ------------------------------------------------------------------------------------ tiles


def _best_tiles(
    template: Template, facts: Sequence[Facts], objective: str
) -> list[tuple[float, dict[str, int] | None]]:
    """Return, for each point, the best price of *template* with the tiles that have it; no tiles where none fits."""
    (nest,) = template.mapped.nests
    einsums = tuple(name for body in nest.bodies for name in body.einsums)
    grids = [
        tilings(one, narrowed(axes_for(one, template.cuts, einsums, {}), TILINGS, liked(one)))
        for one in facts
    ]
    found = _priced(template, facts, grids)
    points = [best_point(prices, objective) for prices in found]
    fine = [
        grid
        if point is None
        else tilings(one, narrowed(refined_axes(one, grid, point, {}), TILINGS, liked(one)))
        for one, grid, point in zip(facts, grids, points, strict=True)
    ]
    again = _priced(template, facts, fine)
    answers: list[tuple[float, dict[str, int] | None]] = []
    for first, grid, prices, narrow in zip(found, grids, again, fine, strict=True):
        tried = [
            (float(one.measure(objective)[point]), on.at(point))
            for one, on in ((first, grid), (prices, narrow))
            if (point := best_point(one, objective)) is not None
        ]
        answers.append(min(tried, key=lambda pair: pair[0]) if tried else (np.inf, None))
    return answers


def _priced(template: Template, facts: Sequence[Facts], grids: Sequence[Tilings]) -> list[Prices]:
    """Return the prices of *template* on the grid of each point, all points at once."""
    counts = [grid.points for grid in grids]
    values = [template.values(one) for one in facts]
    columns: dict[str, np.ndarray] = {
        name: np.repeat([one[name] for one in values], counts) for name in (values[0] if values else ())
    }
    for name in grids[0].sizes if grids else ():
        columns[name] = np.concatenate([grid.sizes[name] for grid in grids]).astype(np.float64)
    for one in facts[:1]:
        columns |= {name: columns[part] for name, part in one.follows.items() if part in columns}
    whole = template.pricer(columns, (sum(counts),))
    ends = np.cumsum(counts)[:-1]
    parts = [np.split(one, ends) for one in (whole.latency_s, whole.energy_J, whole.traffic_B, whole.lack_B)]
    return [
        Prices(latency_s=latency, energy_J=energy, traffic_B=traffic, lack_B=lack)
        for latency, energy, traffic, lack in zip(*parts, strict=True)
    ]
