"""The layers of stacks: the thinnest of many as one."""

from __future__ import annotations

from typing import Any

from fusemax.plot.chart import Keys, Values

MOST_LAYERS = 8  #: as many as there are colours


def gathered(values: Values) -> tuple[Values, tuple[str, ...]]:
    """Return *values* with the thinnest layers as one where there are more than there are colours, and the words for it.

    A layer is as thick as its largest share of a bar.
    """
    bars: dict[tuple[Keys, Any], float] = {}
    for (panel, _, x), (y, *_) in values.items():
        bars[panel, x] = bars.get((panel, x), 0.0) + y
    thick: dict[str, float] = {}
    for (panel, series, x), (y, *_) in values.items():
        thick[series] = max(thick.get(series, 0.0), y / (bars[panel, x] or 1.0))
    if len(thick) <= MOST_LAYERS:
        return values, ()
    thin = sorted(thick, key=lambda series: -thick[series])[MOST_LAYERS - 1 :]
    name = f"{len(thin)} others"
    found: dict[tuple[Keys, str, Any], tuple[float, ...]] = {
        place: ys for place, ys in values.items() if place[1] not in thin
    }
    for (panel, series, x), (y, *_) in values.items():
        if series in thin:
            place = (panel, name, x)
            found[place] = (found.get(place, (0.0,))[0] + y,)
    listed = ", ".join(series for series in thick if series in thin)
    most = max(thick[series] for series in thin)
    return found, (f"{name}, each at most {most:.2%} of a bar: {listed}.",)
