"""Arguments that several commands share: sizes and figures of the machine on the command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError
from fusemax.language.figure import SINGLE, figure_value, is_figure
from fusemax.language.value import size_fault
from fusemax.nearest import meant
from fusemax.quantity import QuantityError, quantity

if TYPE_CHECKING:
    from fusemax.machine import Machine
    from fusemax.mapping.nest import Mapped


def sizes_and_figures(pairs: Sequence[str]) -> tuple[dict[str, int], dict[str, float]]:
    """Return the sizes (``M=4096``) and the machine figures (``L3.size=32MiB``) among *pairs*.

    Raises
    ------
    FusemaxError
        Naming every pair that cannot be read, with what was expected.
    """
    sizes: dict[str, int] = {}
    figures: dict[str, float] = {}
    mistakes: list[str] = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name or not text:
            mistakes.append(f"--set: expected NAME=VALUE such as M=4096, got {pair!r}")
        elif "." in name or name.islower():
            _figure(name, text, figures, mistakes)
        else:
            _size(name, text, sizes, mistakes)
    if mistakes:
        raise FusemaxError("\n".join(mistakes))
    return sizes, figures


def _size(name: str, text: str, sizes: dict[str, int], mistakes: list[str]) -> None:
    try:
        value = quantity(text, "1")
    except QuantityError:
        mistakes.append(f"--set {name}: expected a whole number such as 4096 or 4Ki, got {text!r}")
        return
    fault = size_fault(value)
    if fault:
        mistakes.append(f"--set {name}: a size is {fault}, got {text!r}")
    elif name in sizes:
        mistakes.append(f"--set {name}: given twice")
    else:
        sizes[name] = int(value)


def _figure(name: str, text: str, figures: dict[str, float], mistakes: list[str]) -> None:
    if not is_figure(name):
        mistakes.append(f"--set {name}: no such figure; sizes are in capitals\n  hint: {meant(name, SINGLE)}")
        return
    try:
        value = figure_value(name, text)
    except QuantityError as error:
        mistakes.append(f"--set {name}: {error}")
        return
    if name in figures:
        mistakes.append(f"--set {name}: given twice")
    else:
        figures[name] = value


def mapped_on(
    cascade: str, machine: str, mapping: str | None, sizes: Mapping[str, int], figures: Mapping[str, float],
    seconds: float | None = None,
) -> tuple[Mapped, Machine]:  # fmt: skip
    """Return the mapping called *mapping*, set against cascade and machine.

    ``best`` is the one that a search finds; None the one that a short search finds, or a long
    one where that is far from its bound. How good it is and how to search longer is
    told on standard error. *seconds* of work replace those of either.
    """
    from fusemax.library.load import Library

    library = Library()
    if mapping not in (None, "best"):
        if seconds is not None:
            raise FusemaxError("--seconds is for a mapping that is searched for; leave out it or --mapping")
        design = library.design(machine, mapping, cascade)
        return design.mapped, design.machine
    from fusemax.cli.searching import Progress, told
    from fusemax.search.best import Wanted, best_found, found_unasked

    chosen, described = library.cascade(cascade), library.machine(machine)
    wanted = Wanted() if seconds is None else Wanted(seconds=seconds)
    with Progress("latency", "searching for a mapping") as progress:
        if mapping is None and seconds is None:
            found = found_unasked(chosen, described, sizes, figures, progress.watch)
        else:
            found = best_found(chosen, described, sizes, figures, wanted, progress.watch)
    sys.stderr.write(f"{told(found.least.covered, found.ended, found.seconds)}\n")
    return found.mapped, described


def gathered(arguments: Sequence[str]) -> list[str]:
    """Return *arguments* with ``--set A=1 B=2`` written as ``--set A=1 --set B=2``, as a command line reads it.

    >>> gathered(["cost", "x", "--set", "M=1", "P=2", "--json"])
    ['cost', 'x', '--set', 'M=1', '--set', 'P=2', '--json']
    """
    result: list[str] = []
    inside = False
    for argument in arguments:
        if argument == "--set":
            inside = True
            continue
        if inside and "=" in argument and not argument.startswith("-"):
            result += ["--set", argument]
            continue
        if inside and (not result or result[-2:-1] != ["--set"]):
            result.append("--set")
        inside = False
        result.append(argument)
    if inside and (len(result) < 2 or result[-2] != "--set"):
        result.append("--set")
    return result


def command_line() -> list[str]:
    """Return the arguments of this process, gathered.

    Raises
    ------
    FusemaxError
        For an empty one, which names nothing: as a path it would be the folder where one stands; and for bytes that are no
        text, which cannot be printed or written into a table.
    """
    given = sys.argv[1:]
    refuse_unreadable(given)
    return gathered(given)


def refuse_unreadable(arguments: Sequence[str]) -> None:
    """Raise FusemaxError where one of *arguments* is empty, such as a variable of the shell that is not set, or no text."""
    for position, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if not argument or (option.startswith("--") and option != "--set" and equals and not value):
            before = option or (arguments[position - 1] if position else "")
            name = before if before.startswith("-") and before != "--" else f"argument {position + 1}"
            raise FusemaxError(f"{name}: expected a text, got an empty one")
        if re.search("[\ud800-\udfff]", argument):
            raise FusemaxError(f"argument {position + 1}: expected a text in UTF-8, got {argument!a}")
