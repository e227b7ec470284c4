"""What is said where a point does not suit a mapping's machine: the same by every witness that finds it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fusemax.errors import FusemaxError
from fusemax.language.figure import is_figure
from fusemax.nearest import meant
from fusemax.quantity import format_quantity

TILE_HINT = (
    "use smaller tiles, keep less at {}, or let tensors share a place ('in_place:') or spill ('spill:'); "
    "what is taken in blocks and never there whole is kept with 'buffers: 0'"
)
WHOLE_HINT = "inputs, outputs and what passes between nests are there as a whole; take smaller sizes or a larger 'size'"


def check_figures(given: Collection[str], known: Collection[str], more: Collection[str] = ()) -> None:
    """Raise FusemaxError where a figure is *given* that is none of the *known* ones of a machine; it has *more* of them."""
    unknown = [name for name in given if name not in known]
    if unknown:
        there = sorted(name for name in {*known, *more} if is_figure(name))
        part = unknown[0].partition(".")[0]
        hint = meant(unknown[0], [name for name in there if name.partition(".")[0] == part] or there)
        raise FusemaxError(f"no such figure of the machine: {', '.join(unknown)}\n  hint: {hint}")


def too_small(
    place: str, nest: str, mapping: str, needed_B: float, parts_B: Mapping[str, float], there_B: float, whole: bool,
    divided: bool = False,
) -> str:  # fmt: skip
    """Return what is said of a *place* that holds less than is needed there, *parts_B* by tensor.

    *whole* says that tensors are there as a whole, not tiles of them; *divided*, that groups of threads divide the place.
    """
    largest = sorted(parts_B.items(), key=lambda part: -part[1])
    parts = ", ".join(f"{tensor} {_bytes(size)}" for tensor, size in largest)
    return (
        f"{place} is too small in nest {nest} of mapping {mapping}: {_bytes(needed_B)} needed ({parts}"
        f"{'; for groups of threads, each with whole instructions' if divided else ''}), "
        f"{_bytes(there_B)} there\n  hint: {WHOLE_HINT if whole else TILE_HINT.format(place)}"
    )


def _bytes(value: float) -> str:
    exact = f" ({value:,.0f} B)" if value >= 1024 else ""
    return format_quantity(value, "B") + exact
