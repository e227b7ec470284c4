"""Tasks under a band beside a ragged rank, dealt one by one, against a walk that looks at every pair of tiles."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from fusemax.cost.ragged import dealt_tasks

SIZE, TILE, EDGE = st.integers(1, 9), st.integers(1, 3), st.integers(-9, 9)
ORDERS = [("e", "r"), ("r", "e"), ("e", "r", "c"), ("c", "e", "r")]


def loads(order: tuple[str, ...], point: dict[str, int]) -> list[int]:
    """Cycles of each task, as the loops run: one for the task and two for each touched pair, times its size of E."""
    steps = {"r": 2 * point["r"], "c": 2 * point["c"], "e": point["e"]}
    sizes = {"r": point["R"], "c": point["C"], "e": point["E"]}
    found: list[int] = []
    for setting in product(*(range(0, sizes[loop], steps[loop]) for loop in order)):
        begin = {"r": 0, "c": 0, "e": 0} | dict(zip(order, setting, strict=True))
        end = {k: min(sizes[k], begin[k] + steps[k]) if k in order else sizes[k] for k in sizes}
        pairs = {
            (r // point["r"], c // point["c"])
            for r, c in product(range(begin["r"], end["r"]), range(begin["c"], end["c"]))
            if point["lo"] <= (c - r if point["sign"] > 0 else c + r) <= point["hi"]
        }
        found.append((1 + 2 * len(pairs)) * (end["e"] - begin["e"]))
    return found


def busiest(works: list[int], cores: int) -> int:
    """The load of the busiest core when each task goes to the core that is free first."""
    busy = [0] * cores
    for work in works:
        busy[busy.index(min(busy))] += work
    return max(busy)


@given(
    st.sampled_from(ORDERS),
    st.fixed_dictionaries(
        {
            "R": SIZE, "C": SIZE, "E": SIZE, "r": TILE, "c": TILE, "e": TILE, "lo": EDGE, "hi": EDGE,
            "sign": st.sampled_from([1, -1]), "cores": st.integers(1, 5),
        }
    ),
    st.booleans(),
)  # fmt: skip
def test_ragged_tasks_go_to_the_core_that_is_free_first(
    order: tuple[str, ...], point: dict[str, int], in_order: bool
) -> None:
    """The load of the busiest core is that of the walk, in order and the heaviest first."""
    roots, inner = {"r": 0, "c": 1, "e": 2}, {"r": 2 * point["r"], "c": 2 * point["c"], "e": point["e"]}
    loops = [float(value) for loop in order for value in (roots[loop], inner[loop], 0)]
    whole, last = point["e"], point["E"] - (-(-point["E"] // point["e"]) - 1) * point["e"]
    cycles = {size: [size] * 4 + [2 * size] * 4 for size in (whole, last)}
    kinds = [value for size in (whole, last) for value in (size, *cycles[size], *[0] * 8)]
    head = [in_order, point["cores"], point["lo"], point["hi"], point["sign"], point["R"], point["C"]]
    numbers = [*head, len(order), 1, 1, 2, *loops, point["E"], point["r"], point["c"], *kinds]
    found = dealt_tasks([float(number) for number in numbers])
    works = loads(order, point)
    expected = busiest(works if in_order else sorted(works, reverse=True), point["cores"])

    assert sum(n * w for n, w in zip(found, [*cycles[whole], *cycles[last]], strict=True)) == expected


def test_with_too_many_tasks_every_core_has_an_even_share() -> None:
    """Ten thousand squared tasks of one cycle, on four cores."""
    cycles, counts = [1.0] * 4 + [0.0] * 4, [1e8] + [0.0] * 7
    numbers = [1, 4, -1e4, 1e4, 1, 1e4, 1e4, 2, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, *cycles, *counts]

    assert dealt_tasks([float(number) for number in numbers])[0] == 1e8 / 4
