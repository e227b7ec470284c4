"""What may be wrong with dimensions that a machine names: those whose lanes add up, and rows by which a memory is divided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fusemax.machine.parts import Level, Unit


def wrong_dimensions(
    levels: Mapping[str, Level], units: Mapping[str, Unit]
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield what is wrong: the keys under which it stands, what, and how to mend it."""
    for name, unit in units.items():
        for dimension in unit.sums or ():
            if dimension not in unit.shape:
                yield (
                    ("units", name, "sums"), f"{dimension!r} is no dimension of {name}",
                    f"its dimensions: {', '.join(unit.shape)}; none: []",
                )  # fmt: skip
    known = [f"{name}.{dimension}" for name, unit in units.items() for dimension in unit.shape]
    for name, level in levels.items():
        if level.divided is None:
            continue
        if level.divided.rows not in known:
            text = f"{level.divided.rows!r} is no dimension of a unit"
            yield ("levels", name, "divided", "rows"), text, f"there are: {', '.join(known)}"
        if level.size is None or not level.per_core:
            text = (
                f"{name} is divided among groups of threads, and so is a memory of one core that has a size"
            )
            yield ("levels", name, "divided"), text, "give it 'size:' and 'per_core: true'"
