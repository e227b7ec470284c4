"""When a search has to end: by a clock on the wall, or by work that is the same on every machine, however busy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic, process_time

from fusemax.search.candidate import Tally

HOPELESS_S = 6.0  #: seconds of work after which to stop looking for a first mapping that fits
LONGER = 30.0  #: how many times as long as on a common machine work may take


@dataclass
class Clock:
    """When to stop: at *until*, a moment of *now*; while nothing is known that fits at *hopeless* instead, one of *worked*
    (who waits for other programs is not without hope), or at *latest*; whatever is known at *last*, one of ``monotonic``.

    ``cut`` says whether somebody was told that the time is up: then the answer may depend on it.
    """

    until: float = inf
    hopeless: float = inf
    latest: float = inf
    last: float = inf
    now: Callable[[], float] = monotonic
    worked: Callable[[], float] = process_time
    around: Clock | None = None
    cut: bool = False

    def hope(self) -> None:
        """Something that fits is known: all that is looked for from now on has the same time."""
        self.hopeless, self.latest = inf, self.until

    def half(self) -> Clock:
        """Return a clock that gives up half as soon while nothing is known."""
        # where work is counted, nothing that is found after the end is of use to what follows
        counted = self.now is self.worked
        hopeless = (self.worked() + min(self.hopeless, self.until if counted else inf)) / 2
        latest = (self.now() + min(self.until, self.latest)) / 2
        return Clock(self.until, hopeless, latest, self.last, self.now, self.worked, around=self)

    def over(self, found: bool) -> bool:
        """Return whether the time is up for who has *found* something, or nothing yet."""
        late = self.now() > self.until if found else self.worked() > self.hopeless or self.now() > self.latest
        late = late or monotonic() > self.last
        if late:
            self._cut()
        return late

    def spare_s(self) -> float:
        """Return how many seconds there are for what only makes the search quicker; endless where no clock counts."""
        return self.until - self.now() if self.now is monotonic else inf

    def _cut(self) -> None:
        self.cut = True
        if self.around is not None:
            self.around._cut()


def timed(seconds: float) -> Clock:
    """Return a clock that ends a search after so many *seconds* from now, or later while nothing is known."""
    begun = monotonic()
    hopeless = process_time() + min(seconds, HOPELESS_S)
    return Clock(begun + seconds, hopeless, begun + seconds + HOPELESS_S)


def steady(seconds: float, tally: Tally, hopeless_s: float = HOPELESS_S) -> Clock:
    """Return a clock that ends a search after the work of so many *seconds* on a common machine, as *tally* counts it, and
    after *hopeless_s* more while nothing is known.

    The same search ends at the same point then, whatever else runs beside it.
    """

    def worked() -> float:
        return tally.work_s

    hopeless = seconds + hopeless_s
    return Clock(seconds, hopeless, hopeless, monotonic() + LONGER * hopeless, worked, worked)
