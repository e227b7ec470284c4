"""Levels that groups of cores share: what a machine's file may say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fusemax.machine.parts import Level

#: The level, the key, what is wrong, and how to mend it.
Mistake = tuple[str, str, str, str]


def wrong_groups(levels: Mapping[str, Level], figures: Mapping[str, float]) -> Iterator[Mistake]:
    """Yield what is wrong with the ``shared_by`` of *levels*, which stand from the outside in; *figures* are numbers by name.

    Groups are equal: their cores divide all of them, and those of a level further out. Further in, no more share one.
    """
    cores = figures["replicas"]
    outer, most = "", cores
    for number, (name, level) in enumerate(levels.items()):
        if level.shared_by is None:
            if most < cores and not level.per_core:
                hint = f"put {name} outside of it, or say by how many cores it is shared"
                yield name, "", f"{name} is shared by all cores, and {outer} around it by {most:g}", hint
            if level.per_core:
                outer, most = name, 1.0
            continue
        mine = figures[f"{name}.shared_by"]
        if number == 0:
            text = f"{name} is the outermost level, which all cores share"
            yield name, "shared_by", text, "remove it, or put a level around it"
        elif most < mine:
            text = f"{name} is shared by {mine:g} cores, and {outer} around it by {most:g}"
            yield name, "shared_by", text, f"put {name} outside of {outer}"
        elif most % mine:
            what = f"{most:g} cores (replicas)" if not outer else f"the {most:g} that share {outer}"
            hint = f"groups are equal: take a divisor of {most:g}"
            yield name, "shared_by", f"{mine:g} cores that share {name} do not divide {what}", hint
        outer, most = name, mine
