"""``fusemax passes``: how often a cascade must sweep each rank, why, and what that means for buffers and traffic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from fusemax.cli.options import CASCADE
from fusemax.cli.passes_facts import Facts
from fusemax.cli.passes_screen import show, show_traffic
from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    from fusemax.analysis.passes import Analysis
    from fusemax.cascade.ir import Cascade

PIPED = 200  #: columns when no terminal says how many there are
NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")  #: of a size
WORD_B = 2  #: bytes of a word unless --word-B says otherwise: 16-bit floating point


def passes(
    cascade: str = CASCADE,
    rank: str = typer.Option("", "--rank", help="Only this rank, with everything about it."),
    tensor: str = typer.Option(
        "", "--tensor", help="Only this tensor, with the chain that forces its passes."
    ),
    buffer: str = typer.Option(
        "", "--buffer", help="Size of the fast memory, such as 16MiB, for a traffic bound."
    ),
    sizes: list[str] = typer.Option([], "--set", help="A size, such as E=64; once for each."),
    tiles: list[str] = typer.Option(
        [], "--tile", help="Coordinates of a rank kept together, such as P=P0 or P=64."
    ),
    word_B: int = typer.Option(WORD_B, "--word-B", min=1, help="Bytes of a word."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON for programs."),
) -> None:
    """Bound the passes of a cascade from below, with the chain of Einsums that forces them."""
    from rich.console import Console

    from fusemax.analysis.left_out import zeros_folded
    from fusemax.analysis.passes import analyse
    from fusemax.cascade.build import load_cascade

    found = analyse(load_cascade(cascade))
    chosen = [found.rank(rank)] if rank else list(found.ranks)
    if tensor:
        chosen = [entry for entry in chosen if any(one.tensor == tensor for one in entry.tensors)]
        if not chosen:
            raise FusemaxError(
                f"cascade {cascade} has no tensor {tensor!r} with such a rank; {_tensors(found)}"
            )
    if sizes and not buffer:
        raise FusemaxError(
            "--set has nothing to give sizes to\n  hint: ask for a traffic bound, as with --buffer 16MiB"
        )
    if tiles and not (rank or tensor or buffer or as_json):
        raise FusemaxError(
            "--tile changes nothing here\n  hint: ask for a rank with --rank, or a bound with --buffer"
        )
    coordinates = _tiles(tiles, found.cascade)
    facts = Facts(found, coordinates, _sizes(sizes, found.cascade, coordinates), word_B)
    capacity_B = _capacity_B(buffer) if buffer else None
    if as_json:
        import json

        typer.echo(json.dumps(facts.data(chosen, tensor, capacity_B), indent=2))
        return
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, soft_wrap=True, markup=False, width=PIPED)
    with console.capture() as printed:
        show(console, facts, chosen if rank or tensor else [], tensor)
        if capacity_B is not None:
            show_traffic(console, facts, rank or facts.bounded(), capacity_B, buffer)
        for claim in found.no_claims:
            console.print(f"no claim: {claim}", style="yellow", markup=False)
        for note in zeros_folded(found.cascade):
            console.print(f"note: {note}", style="yellow", markup=False)
    typer.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def _tensors(found: Analysis) -> str:
    return f"there are: {', '.join(found.cascade.tensors)}"


def _pairs(texts: list[str], example: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise FusemaxError(f"expected NAME=VALUE such as {example}, got {text!r}")
        if name.strip() in pairs:
            raise FusemaxError(f"{example.split()[0]} {name.strip()}: given twice")
        pairs[name.strip()] = value.strip()
    return pairs


def _tiles(texts: list[str], cascade: Cascade) -> dict[str, str]:
    """Return how many coordinates of each rank are kept together: a name of a size, or a number."""
    found: dict[str, str] = {}
    for name, value in _pairs(texts, "--tile P=P0").items():
        _known("--tile", name, tuple(cascade.ranks))
        if value == "S":
            raise FusemaxError(f"--tile {name}: S is the size of the fast memory; give the tile another name")
        found[name] = (
            value if NAME.fullmatch(value) else str(_whole("--tile", name, value, " or a name such as P0"))
        )
    return found


def _sizes(texts: list[str], cascade: Cascade, tiles: Mapping[str, str]) -> dict[str, float]:
    named = [tile for tile in tiles.values() if not tile.isdigit()]
    known = tuple(dict.fromkeys((*cascade.ranks, *cascade.size_symbols(), *named)))
    found: dict[str, float] = {}
    for name, value in _pairs(texts, "--set E=64").items():
        _known("--set", name, known)
        found[name] = float(_whole("--set", name, value, ""))
    return found


def _known(option: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise FusemaxError(f"{option} {name}: the cascade has no {name!r}; there are: {', '.join(known)}")


def _whole(option: str, name: str, text: str, other: str) -> int:
    from fusemax.quantity import QuantityError, quantity

    refusal = f"{option} {name}: expected a whole number of at least 1 such as 64{other}, got {text!r}"
    try:
        value = quantity(text, "1")
    except QuantityError:
        raise FusemaxError(refusal) from None
    if value < 1 or value != int(value):
        raise FusemaxError(refusal)
    return int(value)


def _capacity_B(text: str) -> float:  # noqa: N802 - the unit is a byte
    """Return the size of the fast memory, which is more than nothing and has its unit."""
    from fusemax.quantity import QuantityError, quantity

    try:
        value = quantity(text, "B")
    except QuantityError as error:
        raise FusemaxError(f"--buffer: {error}") from None
    if value <= 0:
        raise FusemaxError(f"--buffer: expected more than zero bytes, got {text!r}")
    if not text.strip().endswith(("B", "bit")):
        raise FusemaxError(f"--buffer: expected a unit, as in '{text.strip()} MiB', got {text!r}")
    return value
