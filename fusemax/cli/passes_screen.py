"""What ``fusemax passes`` shows: an overview of the ranks, everything about one, a bound on the traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemax.cli.passes_facts import Facts

if TYPE_CHECKING:
    from rich.console import Console

    from fusemax.analysis.answer import RankPasses
    from fusemax.analysis.passes import Analysis


def show(console: Console, facts: Facts, chosen: list[RankPasses], tensor: str) -> None:
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


def show_traffic(console: Console, facts: Facts, rank: str, capacity_B: float, buffer: str) -> None:
    """Print the bound on the traffic over *rank* with a fast memory of *capacity_B* bytes, written as *buffer*."""
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
