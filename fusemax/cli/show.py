"""``fusemax show``: a cascade's Einsums, its data flow as text (and as a picture), its operations as formulas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from fusemax.cascade.ir import Cascade


def show(
    cascade: str = typer.Argument(help="A cascade of einsums/, such as attention/1-pass, or your own file."),
    svg: Path = typer.Option(None, "--svg", help="Draw the data flow, passes coloured, into this file."),
) -> None:
    """Show the Einsums of a cascade, who reads what, and how many operations each does."""
    from fusemax.cascade.build import load_cascade

    loaded = load_cascade(cascade)
    typer.echo(text_of(loaded))
    if svg is not None:
        from fusemax.analysis.passes import analyse
        from fusemax.plot.dag import draw

        draw(loaded, analyse(loaded), svg)
        typer.echo(f"\ndrawn: {svg}")


def text_of(cascade: Cascade) -> str:
    """Return the description of *cascade* that the command prints."""
    rows = [f"{cascade.name}: {cascade.title}", f"source: {cascade.source}"]
    if cascade.batch:
        rows.append(f"batch ranks: {', '.join(cascade.batch)}")
    rows += ["", "Einsums", *(f"  {line}" for line in str(cascade).splitlines())]
    rows += ["", "Data flow", *(f"  {line}" for line in _flow(cascade))]
    rows += ["", "Operations (per batch element)", *(f"  {line}" for line in _operations(cascade))]
    return "\n".join(rows)


def _flow(cascade: Cascade) -> list[str]:
    rows = []
    width = max(len(einsum.name) for einsum in cascade.computed)
    for einsum in cascade.computed:
        sources = ", ".join(dict.fromkeys(str(access) for access in einsum.reads))
        kind = " (output)" if einsum.name in cascade.outputs else ""
        rows.append(f"{einsum.name:{width}} <- {sources}{kind}")
    return rows


def _operations(cascade: Cascade) -> list[str]:
    from fusemax.analysis.work import operations

    rows = []
    totals: dict[str, list[str]] = {}
    width = max(len(einsum.name) for einsum in cascade.computed)
    for einsum in cascade.computed:
        for operation in operations(cascade, einsum):
            count = "*".join(_sizes(cascade, operation.variables)) or "1"
            rows.append(f"{einsum.name:{width}} {operation.name:8} {count}")
            totals.setdefault(operation.name, []).append(count)
    rows += ["", *(f"{'total':{width}} {name:8} {' + '.join(_collected(c))}" for name, c in totals.items())]
    return rows


def _sizes(cascade: Cascade, variables: frozenset[str]) -> list[str]:
    """Return the sizes of *variables*, with the digits of a partitioned rank taken together (``m1, m0`` is M)."""
    from fusemax.language.syntax import names

    left = {variable.upper() for variable in variables}
    for name, rank in cascade.ranks.items():
        parts = set(names(rank.size)) if rank.size is not None else set()
        if len(parts) > 1 and parts <= left:
            left = (left - parts) | {name}
    return sorted(left)


def _collected(counts: list[str]) -> list[str]:
    return [f"{counts.count(c)}*{c}" if counts.count(c) > 1 else c for c in dict.fromkeys(counts)]
