"""``best`` where a mapping is named: the one that a search finds, kept by the content of what was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fusemax import __version__
from fusemax.cascade.ir import Cascade
from fusemax.compiled import own_folder
from fusemax.cost.evaluate import Cost
from fusemax.errors import FusemaxError
from fusemax.files import replace_file
from fusemax.library.digest import digest_of
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.search.answer import Answer, best_mapping, priced_text
from fusemax.search.plan import Plan, Search
from fusemax.search.within import Within

#: The name that stands for the mapping which a search finds.
BEST = "best"
#: Told of every better plan.
Watch = Callable[[Search, Plan], None]
#: Changes when the search does, so that answers of an older one are not taken for its own.
EDITION = 8
#: Seconds of work after which a search that nobody asked for ends, if what it found is near the bound.
UNNAMED_S = 3.0
#: Near: the bound is no less than this share of it.
NEAR = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a search is for, and how it goes: the parameters of :func:`fusemax.search.answer.best_mapping`."""

    objective: str = "latency"
    absorb: tuple[str, ...] = ()
    seconds: float = 12.0
    search: str = "joined"
    within: Within | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """What no mapping is below, of each measure, and the part of the best price of the objective that this covers."""

    latency_s: float
    traffic_B: float
    energy_J: float
    covered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best mapping found: its file, the same set against cascade and machine, its price, the bounds, why the search ended
    (:class:`fusemax.search.answer.Answer`), and the seconds of work that it was given."""

    text: str
    mapped: Mapped
    cost: Cost
    least: Least
    ended: str = "done"
    seconds: float = 0.0


def best_found(
    cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None,
    wanted: Wanted | None = None, watch: Watch = lambda search, plan: None,
) -> Found:  # fmt: skip
    """Return the best mapping found: one kept from before, or that of a new search; *watch* is told of every better plan.

    Equal cascades, machines, sizes, figures and wishes get the same one. Errors are those of
    :func:`fusemax.search.answer.best_mapping`.
    """
    wanted, given = wanted or Wanted(), dict(figures or {})
    asked = (dict(sorted(sizes.items())), dict(sorted(given.items())), wanted)
    name = f"best_{digest_of(cascade, machine, *asked, EDITION, __version__)[:32]}.json"
    folder = own_folder()
    kept = None if folder is None else _kept(folder / name, cascade, machine, sizes, given)
    if kept is not None:
        return replace(kept, seconds=wanted.seconds)
    answer = best_mapping(
        cascade, machine, sizes, given, objective=wanted.objective, absorb=wanted.absorb,
        seconds=wanted.seconds, search=wanted.search, within=wanted.within, by_work=True, watch=watch,
    )  # fmt: skip
    least = least_of(answer)
    if folder is not None and answer.stopped != "asked":
        with suppress(FusemaxError, OSError):  # a full disk: the next search begins anew
            replace_file(
                folder / name,
                json.dumps({"mapping": answer.text, "least": asdict(least), "ended": answer.stopped}),
            )
    return Found(
        text=answer.text, mapped=answer.mapped, cost=answer.cost, least=least, ended=answer.stopped,
        seconds=wanted.seconds,
    )  # fmt: skip


def found_unasked(
    cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float],
    watch: Watch = lambda search, plan: None,
) -> Found:  # fmt: skip
    """Return the best mapping where nobody names one: that of a short search if near the bound, else that of a long one."""
    found = best_found(cascade, machine, sizes, figures, Wanted(seconds=UNNAMED_S), watch)
    if found.ended != "time" or found.least.covered >= NEAR:
        return found
    longer = best_found(cascade, machine, sizes, figures, Wanted(), watch)
    return min(longer, found, key=lambda one: one.cost.latency_s)


def least_of(answer: Answer) -> Least:
    """Return what no mapping is below, by the bound of *answer*."""
    bound = answer.bound
    return Least(
        latency_s=bound.latency_s, traffic_B=bound.traffic_B, energy_J=bound.energy_J, covered=answer.gap
    )


def best_text(
    cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None,
    *, objective: str = "latency", absorb: Sequence[str] = (), seconds: float = 12.0,
) -> str:  # fmt: skip
    """Return the best mapping found, as the text of a mapping file; see :func:`best_found`."""
    wanted = Wanted(objective=objective, absorb=tuple(absorb), seconds=seconds)
    return best_found(cascade, machine, sizes, figures, wanted).text


def _kept(
    path: Path, cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float]
) -> Found | None:
    """Return what the file at *path* holds when its mapping still is legal and fits; else None."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        text, ended, least = str(content["mapping"]), str(content["ended"]), Least(**content["least"])
        mapped, cost = priced_text(text, cascade, machine, sizes, figures)
    except (OSError, ValueError, KeyError, TypeError, FusemaxError):
        return None
    return Found(text=text, mapped=mapped, cost=cost, least=least, ended=ended)
