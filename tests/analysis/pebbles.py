"""The fewest words that move, by search: an optimal red-blue pebbling of a small cascade.

Independent of the bounds: it knows the tasks of the unrolled cascade and nothing else. A word in fast memory may be
stored, dropped, or used; a result may take the place of an operand; sums may be made in any order and in pieces that
are joined later; anything may be computed again.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from itertools import combinations

from fusemax.cascade.ir import Cascade
from fusemax.language.syntax import Reduction
from tests.analysis.unrolled import Unrolled

Word = tuple  # (tensor, point, tasks that are in it)


class Game:
    """The moves of the game: what can be made of the words in fast memory."""

    def __init__(self, cascade: Cascade, sizes: Mapping[str, int]) -> None:
        unrolled = Unrolled(cascade, sizes)
        self.tasks = []
        parts: dict[tuple, set[int]] = {}
        for task in unrolled.tasks:
            (output,) = task.einsum.outputs
            element = (output.tensor, unrolled.point(output, task.at))
            parts.setdefault(element, set()).add(task.number)
            folds = isinstance(task.einsum.action, Reduction)
            self.tasks.append((task.number, element, tuple({e for _, e in task.reads}), folds))
        self.whole = {element: frozenset(numbers) for element, numbers in parts.items()}
        read = {e for _, _, reads, _ in self.tasks for e in reads}
        self.inputs = frozenset((*e, frozenset()) for e in read if e not in self.whole)
        self.goal = frozenset((*e, self.whole[e]) for e in self.whole if e[0] in cascade.outputs)

    def full(self, element: tuple) -> Word:
        """Return the finished word of *element*."""
        return (*element, self.whole.get(element, frozenset()))

    def made(self, fast: frozenset[Word]) -> Iterator[tuple[Word, frozenset[Word]]]:
        """Return the words that one operation makes of those in *fast*, with those whose place the result may take."""
        for number, element, reads, folds in self.tasks:
            operands = frozenset(self.full(read) for read in reads)
            if operands <= fast:
                yield (*element, frozenset({number})), operands
                if folds:
                    for word in fast:
                        if word[:2] == element and number not in word[2]:
                            yield (*element, word[2] | {number}), operands | {word}
        for one, other in combinations(fast, 2):
            if one[:2] == other[:2] and not one[2] & other[2]:
                yield (*one[:2], one[2] | other[2]), frozenset({one, other})


def fewest_moves(cascade: Cascade, sizes: Mapping[str, int], capacity: int) -> int:
    """Return the fewest loads and stores of an optimal schedule with *capacity* words of fast memory."""
    game = Game(cascade, sizes)
    start = (frozenset(), frozenset())
    best = {start: 0}
    queue: list[tuple[int, int, int, tuple]] = [(len(game.goal), 0, 0, start)]
    count = 0
    while queue:
        _, _, cost, state = heapq.heappop(queue)
        if best[state] < cost:
            continue
        fast, stored = state
        if game.goal <= stored:
            return cost
        for new_fast, new_stored, price in _moves(game, fast, stored, capacity):
            new, total = (new_fast, new_stored), cost + price
            if total < best.get(new, 10**9):
                best[new] = total
                count += 1
                heapq.heappush(queue, (total + len(game.goal - new_stored), -count, total, new))
    raise AssertionError("no schedule fits")


def _moves(game: Game, fast: frozenset[Word], stored: frozenset[Word], capacity: int) -> Iterator[tuple]:
    for word in fast - stored - game.inputs:
        yield fast, stored | {word}, 1
    if len(fast) < capacity:
        for word in (game.inputs | stored) - fast:
            yield fast | {word}, stored, 1
    for word, replaceable in game.made(fast):
        if word not in fast:
            if len(fast) < capacity:
                yield fast | {word}, stored, 0
            for old in replaceable:
                yield fast - {old} | {word}, stored, 0
    if len(fast) == capacity:
        for word in fast:
            yield fast - {word}, stored, 0
