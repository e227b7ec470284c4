"""``fusemax passes``: how often a cascade must sweep each rank, why, and what that means for buffers and traffic."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from fusemax.cli.options import CASCADE
from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    from rich.console import Console

    from fusemax.analysis.answer import RankPasses
    from fusemax.analysis.passes import Analysis
    from fusemax.analysis.traffic import Traffic
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
        _print(console, facts, chosen if rank or tensor else [], tensor)
        if capacity_B is not None:
            _traffic(console, facts, rank or facts.bounded(), capacity_B, buffer)
        for claim in found.no_claims:
            console.print(f"no claim: {claim}", style="yellow", markup=False)
    typer.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def _print(console: Console, facts: Facts, chosen: list[RankPasses], tensor: str) -> None:
    """Print everything about the *chosen* ranks; an overview of all when there are none."""
    found = facts.analysis
    _headed(console, found.cascade.name, f": {found.cascade.title}")
    for entry in chosen:
        _detail(console, facts, entry, tensor)
    if not chosen:
        _overview(console, found)
        _reasons(console, found)


def _headed(console: Console, head: str, rest: str) -> None:
    """Print *head* in bold, then *rest*, both as they stand."""
    from rich.text import Text

    console.print(Text.assemble((head, "bold"), rest))


class Facts:
    """An analysis with the tiles, sizes and word that a question came with."""

    def __init__(
        self, analysis: Analysis, tiles: Mapping[str, str], sizes: Mapping[str, float], word_B: int
    ) -> None:
        self.analysis, self.tiles, self.sizes, self.word_B = analysis, tiles, sizes, word_B

    def footprint(self, rank: str) -> dict[str, tuple[str, str]]:
        """Return kind and formula of each tensor's live footprint."""
        from fusemax.analysis.footprint import footprints

        return {f.tensor: (f.kind, str(f.words)) for f in footprints(self.analysis, rank, self.tiles)}

    def bounded(self) -> str:
        """Return the rank whose passes bound the traffic when none is named: the whole rank with the most."""
        parts = {part for digits in self.analysis.plain.digits.values() for part in digits}
        whole = [entry for entry in self.analysis.ranks if entry.rank not in parts]
        return max(whole, key=lambda one: (one.passes, sum(len(group) for group in one.groups))).rank

    def traffic(self, rank: str, capacity_B: float) -> tuple[Traffic, float | None, str]:
        """Return the traffic bound, in bytes with the sizes given, and what sizes are missing."""
        from fusemax.analysis.traffic import traffic_bound, value_of

        bound = traffic_bound(self.analysis, rank, self.tiles)
        # The capacity goes in as a number: a rank may be called S.
        valued = traffic_bound(self.analysis, rank, self.tiles, capacity_B / self.word_B)
        counted = {tile: float(tile) for tile in self.tiles.values() if tile.isdigit()}
        sizes = {**self.sizes, **counted}
        symbols: Any = valued.least.free_symbols
        needed = {*self.analysis.cascade.batch, *(symbol.name for symbol in symbols)}
        left = sorted(needed - {*sizes})
        if left:
            return bound, None, ", ".join(left)
        batch = math.prod(sizes[name] for name in self.analysis.cascade.batch)
        return bound, value_of(valued.least, sizes) * batch * self.word_B, ""

    def data(self, chosen: list[RankPasses], tensor: str, capacity_B: float | None) -> dict[str, Any]:
        """Return everything as plain data."""
        analysis = self.analysis
        result: dict[str, Any] = {
            "cascade": analysis.cascade.name,
            "ranks": [self._rank(entry, tensor) for entry in chosen],
            "no_claims": [str(claim) for claim in analysis.no_claims],
        }
        if capacity_B is not None:
            rank = chosen[0].rank if len(chosen) == 1 else self.bounded()
            bound, size_B, missing = self.traffic(rank, capacity_B)
            result["traffic_bound"] = {"rank": rank, "words": str(bound.least), "buffer_B": capacity_B}
            result["traffic_bound"] |= {"sizes_missing": missing} if size_B is None else {"traffic_B": size_B}
        return result

    def _rank(self, entry: RankPasses, tensor: str) -> dict[str, Any]:
        live = self.footprint(entry.rank)
        from fusemax.analysis.plain import sequence

        cascade = self.analysis.cascade
        own = sequence(cascade, entry.rank)
        same = [r.rank for r in self.analysis.ranks if r is not entry and sequence(cascade, r.rank) == own]
        return {
            "rank": entry.rank,
            "same_sequence": same,
            "passes": entry.passes,
            "sweeps": entry.sweeps,
            "groups": [list(group) for group in entry.groups],
            "crossing": list(entry.crossing),
            "read_again": list(entry.read_again),
            "conflicts": list(entry.conflicts),
            "tensors": [
                {
                    "tensor": one.tensor,
                    "passes": one.count,
                    "direct": one.direct,
                    "per_step_of": list(one.grows_with),
                    "why": one.why().splitlines(),
                    "fibre": list(one.at),
                    "live": {"kind": live[one.tensor][0], "words": live[one.tensor][1]},
                }
                for one in entry.tensors
                if not tensor or one.tensor == tensor
            ],
        }


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


def _overview(console: Console, found: Analysis) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("rank", "passes", "sweeps"):
        table.add_column(heading, justify="left" if heading == "rank" else "right")
    for heading in ("groups that may share a loop", "crosses", "passes by tensor"):
        table.add_column(heading, overflow="fold")
    for entries in _sequences(found):
        most = max(one.passes for one in entries)
        style = "" if most < 2 else "bold"
        for entry in entries:
            groups = " | ".join(" ".join(group) for group in entry.groups)
            crosses = ", ".join((*entry.crossing, *(f"{name} (input)" for name in entry.read_again)))
            if entry is entries[0]:
                counts = (one for other in entries for one in other.tensors if one.count > 1)
                tensors = " ".join(dict.fromkeys(f"{one.tensor}:{one.count}" for one in counts))
                name, passes = " = ".join(one.rank for one in entries), str(most)
            else:
                name, passes, tensors = f"  along {', '.join(entry.variables)}", "", ""
            row = (name, passes, str(entry.sweeps), groups, crosses or "-", tensors or "-" if passes else "")
            table.add_row(*row, style=style)
    console.print(table)


def _sequences(found: Analysis) -> list[list[RankPasses]]:
    """Return the ranks, those that are one sequence together: the one with the most passes first."""
    from fusemax.analysis.plain import sequence

    groups: dict[str, list[RankPasses]] = {}
    for entry in found.ranks:
        groups.setdefault(sequence(found.cascade, entry.rank), []).append(entry)
    return [sorted(entries, key=lambda entry: -entry.passes) for entries in groups.values()]


def _reasons(console: Console, found: Analysis) -> None:
    for entries in _sequences(found):
        entry = entries[0]
        if entry.passes < 2:
            continue
        one = max(entry.tensors, key=lambda tensor: (tensor.count, tensor.direct))
        name = " = ".join(other.rank for other in entries)
        at = f", at {' and '.join(one.at)}" if one.at else ""
        _headed(console, f"\nwhy {entry.passes} passes over {name}", f", for {one.tensor}{at}")
        console.print("\n".join(f"  {line}" for line in one.why().splitlines()), markup=False)
        if one.grows_with:
            steps = ", ".join(one.grows_with)
            console.print(
                f"  counted for two or more steps of {steps}, and again at every step: keep the state, or sweep it each time",
                markup=False,
            )


def _counted(number: int, word: str, ending: str) -> str:
    return f"{number} {word}{'' if number == 1 else ending}"


def _detail(console: Console, facts: Facts, entry: RankPasses, tensor: str) -> None:
    from fusemax.screen import table

    counted = f": {_counted(entry.passes, 'pass', 'es')}, {_counted(entry.sweeps, 'sweep', 's')}"
    _headed(console, f"\nrank {entry.rank}", counted)
    for number, group in enumerate(entry.groups, start=1):
        console.print(f"  sweep {number}: {', '.join(group)}", markup=False)
    live = facts.footprint(entry.rank)
    counts = {one.tensor: one for one in entry.tensors}
    rows = (
        (name, str(counts[name].count) if name in counts else "", words, kind)
        for name, (kind, words) in live.items()
        if not tensor or name == tensor
    )
    console.print(table(("tensor", ">passes", "live words", "because"), rows, is_plain=True))
    for text in entry.conflicts:
        console.print(f"  direction conflict: {text}", markup=False)
    one = counts[tensor] if tensor else max(entry.tensors, key=lambda t: (t.count, t.direct))
    console.print(f"why, for {one.tensor}:")
    console.print("\n".join(f"  {line}" for line in one.why().splitlines()), markup=False)


def _traffic(console: Console, facts: Facts, rank: str, capacity_B: float, buffer: str) -> None:
    from fusemax.analysis.footprint import symbol

    bound, size_B, missing = facts.traffic(rank, capacity_B)
    _headed(console, f"\ntraffic over {rank} with a fast memory of {buffer}", " (S words)")
    console.print(f"  at least {bound.words} words for each element of the batch", markup=False)
    for product in (*bound.products, *bound.weighted):
        *most, last = product.inputs
        loads, names = product.loads(symbol("S")), f"{', '.join(most)} and {last}"
        console.print(f"  {product.einsum} loads at least {loads} words, of {names}", markup=False)
    if size_B is None:
        console.print(f"  for bytes, give {missing} with --set", markup=False)
    else:
        console.print(f"  at least {size_B:,.0f} B in all, {facts.word_B} B a word", markup=False)
