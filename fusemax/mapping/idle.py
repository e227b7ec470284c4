"""Tiles of a mapping that cut nothing: no loop and no lane of a unit goes over their digits."""

from __future__ import annotations

from fusemax.mapping.nest import Mapped


def idle_tiles(mapped: Mapped) -> tuple[str, ...]:
    """Return the ranks that tiles cut though no nest has a loop over, or spreads over lanes, any of their digits."""
    cut: dict[str, bool] = {}
    for nest in mapped.nests:
        used = {digit for body in nest.bodies for digit in body.loops}
        used |= {digit for body in nest.bodies for across in body.spatial.values() for digit in across}
        for root in nest.roots.values():
            if len(root.digits) > 1:
                names = {digit.name for digit in root.digits}
                cut[root.size_name] = cut.get(root.size_name, False) or bool(names & used)
    return tuple(name for name, goes in cut.items() if not goes)
