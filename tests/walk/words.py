"""Words between places: tiles that come, stay and go, element by element."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fusemax.machine import Machine
from fusemax.mapping.nest import Body, Residence
from tests.walk.groups import Grouping, Task, together
from tests.walk.space import Element
from tests.walk.trace import Step, Trace

#: Which words: of which tensor, at which level, of which kind (read, write, fill, drain).
Words = Counter[tuple[str, str, str]]


@dataclass
class Event:
    """Elements taken from a place, then elements given to it, at one moment, for *tasks* in a row on so many cores."""

    when: int
    tasks: frozenset[Task]
    taken: frozenset[Element]
    given: frozenset[Element]
    times: int = 1


@dataclass
class Stay:
    """A tile in its place, from when it comes until another takes its place; *at* is where windows over it stand."""

    tile: frozenset[Element]
    at: tuple[int, ...]
    events: list[Event] = field(default_factory=list)


def chain(machine: Machine, residences: Iterable[Residence], body: Body, tensor: str) -> list[Residence]:
    """Return the places of *tensor* around *body*, from the outside in; the outermost level itself is left out unless kept."""
    order = machine.places
    mine = [r for r in residences if r.tensor == tensor and not r.staged and r.covers(body.node)]
    return sorted(mine, key=lambda r: (order.index(r.level), len(r.node)))


@dataclass
class Tally:
    """Counts words, of which a level that overflows leaves a part outside.

    ``spilled`` is that part, by level, for the tensors of ``mapped.spill``.
    """

    trace: Trace
    machine: Machine
    spilled: Mapping[str, float]
    words: Words = field(default_factory=Counter)

    def _outside(self, level: str, tensor: str) -> float:
        return self.spilled.get(level, 0.0) if tensor in self.trace.mapped.spill.get(level, ()) else 0.0

    def accessed(self, level: str, tensor: str, kind: str, many: float) -> None:
        """Add *many* words that are read or written at *level*: those that it has no room for at the one around it too."""
        self.words[level, tensor, kind] += many  # type: ignore[assignment]
        part = self._outside(level, tensor)
        if part:
            around = self.machine.level_names[self.machine.level_names.index(level) - 1]
            self.accessed(around, tensor, kind, many * part)

    def moved(self, outer: str, level: str, tensor: str, kinds: tuple[str, str], many: float) -> None:
        """Add *many* words between two levels, but at *outer* those that stay there."""
        self.accessed(outer, tensor, kinds[0], many * (1 - self._outside(level, tensor)))
        self.words[level, tensor, kinds[1]] += many  # type: ignore[assignment]


def words_of(
    trace: Trace,
    machine: Machine,
    steps: Sequence[Step],
    tasks: Sequence[Task],
    cores: int,
    spilled: Mapping[str, float],
    grouping: Grouping | None = None,
) -> Words:
    """Return the words of one nest: of all *steps* in their order, each of one of *tasks*, which go to so many *cores*.

    *spilled* is the part of what may spill that is outside, by level.
    """
    tally = Tally(trace, machine, spilled)
    for tensor in trace.cascade.tensors:
        _words_of_tensor(trace, machine, steps, tasks, cores, tensor, tally, grouping)
    return tally.words


def _words_of_tensor(
    trace: Trace,
    machine: Machine,
    steps: Sequence[Step],
    tasks: Sequence[Task],
    cores: int,
    tensor: str,
    tally: Tally,
    grouping: Grouping | None,
) -> None:
    inbox: dict[tuple[Residence, ...], list[tuple[Step, Event]]] = defaultdict(list)
    for when, step in enumerate(steps):
        taken, again = step.taken.get(tensor, frozenset()), step.again.get(tensor, frozenset())
        given = step.given.get(tensor, frozenset())
        if not taken and not given:
            continue
        places = tuple(chain(machine, trace.nest.residences, step.body, tensor))
        level = places[-1].level if places else machine.outermost
        tally.accessed(level, tensor, "read", len(taken | again))
        tally.accessed(level, tensor, "write", len(given))
        inbox[places].append((step, Event(when, frozenset({tasks[when]}), taken | again, given)))
    while inbox:
        depth = max(len(places) for places in inbox)
        if depth == 0:
            return
        inner = {places: events for places, events in inbox.items() if len(places) == depth}
        for places in inner:
            del inbox[places]
        by_place: dict[Residence, list[tuple[tuple[Residence, ...], Step, Event]]] = defaultdict(list)
        for places, events in inner.items():
            by_place[places[-1]] += [(places, step, event) for step, event in events]
        for place, events in by_place.items():
            around = events[0][0][:-1]
            outer = around[-1].level if around else machine.outermost
            if place.level == outer:
                inbox[around] += [(step, event) for _, step, event in events]
                continue
            own = place.level not in machine.levels or machine.levels[place.level].per_core
            here = [(step, event) for _, step, event in events]
            if grouping is not None and not own:
                if place.level == grouping.level:
                    here += _wanted_inside(trace, tensor, place, steps, tasks)
                moved = _moves_of_groups(trace, tensor, place, here, steps, cores, grouping)
            else:
                moved = _moves(trace, tensor, place, here, cores if own else 1)
            for _, event in moved:
                tally.moved(outer, place.level, tensor, ("read", "fill"), event.times * len(event.taken))
                tally.moved(outer, place.level, tensor, ("write", "drain"), event.times * len(event.given))
            if moved:
                inbox[around] += moved
                inbox[around].sort(key=lambda entry: entry[1].when)


def _moves(
    trace: Trace, tensor: str, place: Residence, events: list[tuple[Step, Event]], cores: int
) -> list[tuple[Step, Event]]:
    """Return what comes to and leaves *place*, as events for the place around it.

    With several *cores* that have a place of their own, a tile that tasks in a row want comes to as many of them.
    """
    stays = _stays(trace, tensor, place, events)
    moved: list[tuple[Step, Event]] = []
    for number, (step, stay) in enumerate(stays):
        wanting = frozenset[Task]().union(*(event.tasks for event in stay.events))
        times = min(cores, len(wanting))
        first = stay.events[0]
        fill, drains = _of_stay(trace, tensor, place, stay, [s for _, s in stays[number + 1 :]])
        moved.append((step, Event(first.when, wanting, fill, frozenset(), times)))
        moved += [(step, Event(e.when, wanting, frozenset(), given, times)) for e, given in drains]
        if times > 1:  # once they have left
            last = Event(stay.events[-1].when, wanting, _carried(stay), frozenset(), times - 1)
            moved.append((step, last))
    return [(step, event) for step, event in moved if event.taken or event.given]


def _wanted_inside(
    trace: Trace, tensor: str, place: Residence, steps: Sequence[Step], tasks: Sequence[Task]
) -> list[tuple[Step, Event]]:
    """Return what steps inside *place* take of a *tensor* that none of them makes, though a place further inside may hold it.

    A tile that a group shares comes whole, also where a core of it has its part still.
    """
    mine = [(when, step) for when, step in enumerate(steps) if place.covers(step.body.node)]
    if any(tensor in step.given for _, step in mine):
        return []
    return [
        (step, Event(when, frozenset({tasks[when]}), step.taken[tensor], frozenset()))
        for when, step in mine if tensor in step.taken
    ]  # fmt: skip


def _moves_of_groups(
    trace: Trace, tensor: str, place: Residence, events: list[tuple[Step, Event]], steps: Sequence[Step], cores: int,
    grouping: Grouping,
) -> list[tuple[Step, Event]]:  # fmt: skip
    """Return what comes to and leaves a *place* that groups of cores share: what they want at one time comes once to each.

    A tile that groups in a row want comes to as many of them, if there are so many. All cores' levels see groups go on alike.
    """
    order = together(steps, grouping)
    at = {when: moment for moment, when in enumerate(order)}
    seen = [(step, replace(event, when=at[event.when])) for step, event in events]
    many = 1
    if place.level == grouping.level:
        many = cores // grouping.cores
        seen = [(step, replace(e, tasks=frozenset(map(grouping.team, e.tasks)))) for step, e in seen]
    moved = _moves(trace, tensor, grouping.seen(place), seen, many)
    return [(step, replace(event, when=order[event.when])) for step, event in moved]


def _carried(stay: Stay) -> frozenset[Element]:
    """Return the partial sums that go on from one task to another, and so from core to core."""
    maker: dict[Element, frozenset[Task]] = {}
    found: set[Element] = set()
    for event in stay.events:
        several = len(event.tasks) > 1
        mine = event.tasks
        found |= {e for e in event.taken if e in maker and (several or maker[e] != mine)}
        maker |= dict.fromkeys(event.given, event.tasks)
    return frozenset(found)


def _stays(
    trace: Trace, tensor: str, place: Residence, events: list[tuple[Step, Event]]
) -> list[tuple[Step, Stay]]:
    """Return the tiles that *place* holds, one after the other; a tile that is wanted again at once stays.

    Which tile it is follows from the loops alone, not from how much of it a mask leaves. A window that a loop moves is another
    tile, also where it holds the same elements; so is the union of several accesses, when a loop moves one of them.
    """
    windows = trace.loops_of_windows(tensor) | _moving(trace, place)
    stays: list[tuple[Step, Stay]] = []
    for step, event in sorted(events, key=lambda entry: entry[1].when):
        tile = trace.tile(place, {loop: step.setting[loop] for loop in place.loops})
        at = tuple(step.setting[loop] for loop in place.loops if loop in windows)
        if stays and (stays[-1][1].tile, stays[-1][1].at) == (tile, at):
            stays[-1][1].events.append(event)
        else:
            stays.append((step, Stay(tile, at, [event])))
    return stays


def _moving(trace: Trace, place: Residence) -> frozenset[str]:
    """Return the loops of *place* that move its tile, any of its accesses: alone they lead from one tile to another one.

    Iterations that a mask leaves out are among them.
    """
    settings = [tuple(each.values()) for each in trace.space.settings(place.loops, {})]
    found: set[str] = set()
    for number, loop in enumerate(place.loops):
        tiles: dict[tuple[int, ...], set[frozenset[Element]]] = defaultdict(set)
        for values in settings:
            rest = (*values[:number], *values[number + 1 :])
            tiles[rest].add(trace.tile(place, dict(zip(place.loops, values, strict=True))))
        if any(len(several) > 1 for several in tiles.values()):
            found.add(loop)
    return frozenset(found)


def _of_stay(
    trace: Trace, tensor: str, place: Residence, stay: Stay, later: list[Stay]
) -> tuple[frozenset[Element], list[tuple[Event, frozenset[Element]]]]:
    """Return what has to be brought in for *stay*, and what has to be taken out, after which event that makes it."""
    here: set[Element] = set()
    fill: set[Element] = set()
    newest: dict[Element, tuple[Element, Event]] = {}
    anew: set[Element] = set()
    leaving: list[tuple[Element, Event]] = []
    for event in stay.events:
        own = event.given if trace.generation(tensor) is not None else frozenset[Element]()
        for element in event.taken - own:  # generations that follow each other inside of a body never come
            if trace.place(place, element) not in here and trace.comes_from_outside(tensor, element, place):
                fill.add(element)
        here |= {trace.place(place, element) for element in event.taken | event.given}
        for element in event.given:
            at = trace.place(place, element)
            if at in newest and newest[at][0] != element:
                leaving += [newest[at]] if newest[at][0] in trace.taken_outside(tensor, place) else []
            if newest.get(at, (None,))[0] != element:
                newest[at] = (element, event)
                anew.discard(element)
            elif element not in event.taken:  # made again, the same
                anew.add(element)
            elif element not in anew:
                newest[at] = (element, event)
    leaving += [made for made in newest.values() if _wanted_outside(trace, tensor, place, made[0], later)]
    by_event: dict[int, tuple[Event, set[Element]]] = {}
    for element, event in leaving:
        by_event.setdefault(event.when, (event, set()))[1].add(element)
    return trace.space.apart(tensor, frozenset(fill)), [
        (event, frozenset(elements)) for event, elements in by_event.values()
    ]


def _wanted_outside(trace: Trace, tensor: str, place: Residence, element: Element, later: list[Stay]) -> bool:
    """Return whether *element* is needed once its tile has left *place*: by the user, another body, or the place itself."""
    if _taken_next(trace, place, element, later):
        return True
    if trace.generation(tensor) is not None and not trace.is_last(tensor, element):
        return element in trace.taken_outside(tensor, place)
    return tensor in trace.cascade.outputs or _read_outside(trace, tensor, place)


def _taken_next(trace: Trace, place: Residence, element: Element, later: list[Stay]) -> bool:
    """Return whether a later stay takes *element* before its place is made anew."""
    at = trace.place(place, element)
    for stay in later:
        for event in stay.events if at in stay.tile else ():
            if element in event.taken:
                return True
            if any(trace.place(place, given) == at for given in event.given):
                return False
    return False


def _read_outside(trace: Trace, tensor: str, place: Residence) -> bool:
    readers = trace.cascade.readers(tensor)
    bodies = [trace.body_of[r.name] for r in readers if r.name in trace.body_of]
    return any(reader.initial for reader in readers) or any(not place.covers(body.node) for body in bodies)


def total(parts: Iterable[Mapping[tuple[str, str, str], int]]) -> Words:
    """Return the sum of several counts."""
    found: Words = Counter()
    for part in parts:
        found.update(part)
    return found
