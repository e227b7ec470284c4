"""A progress bar around a loop: what is being done, how much of it, the rate and the time left; on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def watched(items: Sequence[Item], name_of: Callable[[Item], str], unit: str) -> Iterator[Item]:
    """Yield *items* one after another, with a bar on standard error while the loop runs.

    ``name_of`` says what is being done now; *unit* is the plural that the rate counts (``cascades``).

    >>> list(watched([1, 2], str, "numbers"))
    [1, 2]
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal or len(items) < 2:
        yield from items
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(items), rate="")
        for done, item in enumerate(items):
            speed = bar.tasks[0].speed
            rate = f"{speed:.3g} {unit}/s" if speed else unit
            bar.update(task, completed=done, description=name_of(item)[-36:], rate=rate)
            yield item
