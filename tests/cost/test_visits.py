"""Tiles visited one by one against a walk over single elements: two ranks under a band, cut twice, and one beside them."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cost import visits
from fusemax.cost.visits import tiles_moved

#: The loops: three that cut rows and columns, and one over heads; the outer cut of a root stands outside of the inner one.
ORDERS = [
    ("r1", "c1", "h", "r0", "c0"),
    ("h", "c1", "r1", "c0"),
    ("c1", "r1", "h", "c0", "r0"),
    ("r1", "h", "c1"),
]
EDGE = st.integers(-9, 9)


def moved(order: tuple[str, ...], point: dict[str, int], heads: bool) -> float:
    """Words of a tensor with columns, and with *heads* if so, brought in when its tile changes, element by element."""
    rows, columns = point["r"] * point["rr"], point["c"] * point["cc"]
    values = {
        "r1": range(-(-point["R"] // rows)), "r0": range(point["rr"]), "c1": range(-(-point["C"] // columns)),
        "c0": range(point["cc"]), "h": range(point["H"]),
    }  # fmt: skip
    own = [n for n, loop in enumerate(order) if loop[0] == "c" or (loop == "h" and heads)]
    total, tile, here, tasks = 0, None, set[tuple[int, int]](), set[int]()
    for setting in product(*(values[loop] for loop in order)):
        at = dict(zip(order, setting, strict=True))
        inside = touched(at, point)
        if not inside:
            continue
        if tile != [setting[n] for n in own]:
            total += len(here) * min(point["cores"], len(tasks))
            tile, here, tasks = [setting[n] for n in own], set(), set()
        here |= {(at["h"] if heads else 0, column) for column in inside}
        tasks.add(setting[0])
    return total + len(here) * min(point["cores"], len(tasks))


def touched(at: dict[str, int], point: dict[str, int]) -> set[int]:
    """Columns of the tiles that a point of the band touches, where loops stand at *at*."""
    found: set[int] = set()
    for r, c in product(range(point["R"]), range(point["C"])):
        here = (
            r // (point["r"] * point["rr"]) == at["r1"] and c // (point["c"] * point["cc"]) == at["c1"]
            and at.get("r0", r // point["r"] % point["rr"]) == r // point["r"] % point["rr"]
            and at.get("c0", c // point["c"] % point["cc"]) == c // point["c"] % point["cc"]
        )  # fmt: skip
        if here and point["lo"] <= (c - r if point["sign"] > 0 else c + r) <= point["hi"]:
            first = c // point["c"] * point["c"]
            found |= set(range(first, min(first + point["c"], point["C"])))
    return found


points = st.fixed_dictionaries(
    {
        "R": st.integers(1, 9), "C": st.integers(1, 9), "H": st.integers(1, 6), "r": st.integers(1, 3),
        "rr": st.integers(1, 3), "c": st.integers(1, 3), "cc": st.integers(1, 3), "lo": EDGE, "hi": EDGE,
        "sign": st.sampled_from([1, -1]), "cores": st.integers(1, 3),
    }
)  # fmt: skip


def table(order: tuple[str, ...], point: dict[str, int], heads: bool, otherwise: float) -> list[float]:
    """What ``tiles_moved`` takes: rows, columns and heads as roots; the outermost loop is spread."""
    inner = {
        "r1": point["r"] * point["rr"],
        "r0": point["r"],
        "c1": point["c"] * point["cc"],
        "c0": point["c"],
        "h": 1,
    }
    alike = heads or order[0] != "h"
    roots = [
        (point["R"], point["r"], 0, 1, 0), (point["C"], point["c"], 1, 1e12, 0),
        (point["H"], 1, int(heads), 1e12, int(alike)),
    ]  # fmt: skip
    loops = [
        ("rch".index(x[0]), inner[x], int(x[0] == "c" or (x == "h" and heads)), int(not n))
        for n, x in enumerate(order)
    ]
    head = [otherwise, point["cores"], point["lo"], point["hi"], point["sign"], 0, 1, 3, len(order), -1]
    return [float(value) for value in (*head, *(v for row in (*roots, *loops) for v in row))]


@settings(max_examples=120)
@given(st.sampled_from(ORDERS), points, st.booleans())
def test_tiles_come_when_they_change(order: tuple[str, ...], point: dict[str, int], heads: bool) -> None:
    """Exact for every order of loops, ragged edges, several cores, and more heads than are walked."""
    assert tiles_moved(table(order, point, heads, -1.0)) == moved(order, point, heads)


def test_with_too_many_visits_the_callers_value_stands() -> None:
    """A hundred thousand rows and columns in tiles of one are too many."""
    point = {
        "R": 10**5,
        "C": 10**5,
        "H": 1,
        "r": 1,
        "rr": 3,
        "c": 1,
        "cc": 3,
        "lo": -(10**5),
        "hi": 0,
        "sign": 1,
        "cores": 1,
    }

    assert tiles_moved(table(ORDERS[0], point, True, 7.0)) == 7.0
    assert visits.VISITS < 10**5


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9), st.booleans()), min_size=1, max_size=3),
    st.data(),
)
def test_no_visit_is_shorter_than_was_said(roots: list[tuple[int, int, bool]], data: st.DataObject) -> None:
    """What is given up before it begins would have been given up on the way: as many steps are taken at the least."""
    loops = []
    for root, (size, inner, carried) in enumerate(roots):
        outer = inner * data.draw(st.integers(1, 3))
        cuts = [outer, inner] if data.draw(st.booleans()) else [inner]
        loops += [(root, cut, carried) for cut in cuts]
        assert size > 0
    order = sorted(loops, key=lambda loop: -loop[1])  # the larger piece of a root stands outside
    numbers = [0, 4, 0, 0, 1, -1, -1, len(roots), len(loops), -1]
    for size, inner, carried in roots:
        numbers += [size, inner, inner if carried else 0, 10**14, 0]
    for root, cut, carried in order:
        numbers += [root, cut, int(carried), data.draw(st.integers(0, 1))]
    _, left = visits._visited(list(numbers), 10**9)
    assert visits._fewest_steps(numbers) <= 10**9 - left


def test_many_tiles_are_given_up_at_once() -> None:
    """A product with 160 x 80 tasks has more steps than are taken: nothing is visited, the caller's value stands."""
    numbers = [
        5, 132, 0, 0, 1, -1, -1, 2, 2, -1, 20480, 128, 0, 10**14, 0, 10240, 128, 1, 10**14, 0, 0, 128, 0, 1, 1, 128, 1, 1
    ]  # fmt: skip
    assert visits._fewest_steps(numbers) == 2 * 160 * 80 - 1 > visits.VISITS
    assert tiles_moved([float(number) for number in numbers]) == 5.0


def test_tiles_without_elements():
    """A tile of none is refused when all is counted; until then the value that stands for too many steps is taken."""
    product_of_seven = [5, 1, 0, 0, 1, -1, -1, 1, 1, -1, 7, 7, 1, 7, 0, 0, 3, 1, 0]
    assert tiles_moved(product_of_seven) == 7
    for place in (11, 16):  # the tile in which the root is touched, and the elements of one iteration
        numbers = list(product_of_seven)
        numbers[place] = 0
        assert tiles_moved(numbers) == 5
