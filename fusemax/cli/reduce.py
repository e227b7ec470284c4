"""``fusemax reduce``: equivalent cascades with fewer passes, each with its derivation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fusemax.cli.options import CASCADE

if TYPE_CHECKING:
    from rich.console import Console

    from fusemax.analysis.rewrite.form import Form
    from fusemax.analysis.rewrite.search import Reduced


def reduce(
    cascade: str = CASCADE,
    rank: str = typer.Option(
        "", "--rank", help="The rank to pass over less often; the one with most passes if not given."
    ),
    to: int = typer.Option(1, "--to", min=1, help="The number of passes wanted."),
    form: str = typer.Option("", "--form", help="Loops of this form only: running or split."),
    output: Path = typer.Option(None, "-o", "--output", help="Write the best cascade found as YAML."),
    given: list[str] = typer.Option(
        [],
        "--given",
        help="A result that an earlier cascade saved, as the Einsum that makes it: 'O[f,p] = ... :: sum[m]'.",
    ),
    pick: str = typer.Option(
        "", "--pick", help="The title of the form to print and write, such as 'defer SD in AV'."
    ),
    every: bool = typer.Option(
        False, "--all", help="Print the derivation of every form, not of the best alone."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print every form as JSON for programs."),
) -> None:
    """Derive equivalent cascades with fewer passes over a rank, by algebra, and check each by its values."""
    from rich.console import Console

    from fusemax.analysis.rewrite.search import NotReducibleError, search
    from fusemax.cascade.build import load_cascade

    console = Console(highlight=False, soft_wrap=True, markup=False, stderr=as_json)
    found = search(load_cascade(cascade), rank or None, form or None, tuple(given))
    if as_json:
        import json

        from fusemax.analysis.rewrite.record import as_record

        typer.echo(json.dumps(as_record(found), indent=2))
    else:
        _print(console, found, found.forms if every else (found.named(pick),) if pick else found.forms[:1])
    try:
        best = found.named(pick) if pick else found.best(to)
    except NotReducibleError:
        if output is not None:
            console.print(f"\n{output} is not written", markup=False)
        raise
    if output is not None:
        write_form(output, best, found)
        console.print(f"\nwritten: {output} ({best.title})", markup=False)


def _print(console: Console, found: Reduced, shown: tuple[Form, ...]) -> None:
    from fusemax.analysis.rewrite.derivation import explained

    console.print(_table(found))
    for claim in found.no_claims:
        console.print(f"no claim on passes: {claim}", markup=False)
    if not found.complete:
        console.print("the search stopped at its limit of cascades tried; there may be further forms")
    if not shown:
        console.print("\nno form with fewer passes, or with less work in as many, was found")
    for one in shown:
        console.print("\n" + explained(found.original, one, found.rank), markup=False)


def _table(found: Reduced) -> object:
    from fusemax.screen import table

    rows: list[tuple[str, ...]] = []
    for one in (found.original, *found.forms):
        work = one.work / found.original.work if found.original.work else 1.0
        keeps = ", ".join(f"{kept.tensor} ({kept.words})" for kept in one.kept) or "-"
        counts = (str(one.passes), str(one.sweeps), f"{work:.3f}")
        rows.append((*counts, keeps, "safe" if one.safe else "unsafe", one.title))
    headings = (">passes", ">sweeps", ">work", "keeps", "", "form")
    return table(headings, rows, f"{found.original.cascade.name} over {found.rank}", is_plain=True)


def write_form(path: Path, form: Form, found: Reduced) -> None:
    """Write *form* of what was *found* as a cascade file that says where it is from."""
    from dataclasses import replace

    from fusemax.analysis.rewrite.derivation import explained
    from fusemax.cascade.write import cascade_to_yaml
    from fusemax.files import replace_file

    before = found.original
    title = f"{before.cascade.title} - reduced over {found.rank} from {before.passes} to {form.passes} passes"
    source = f"derived by fusemax reduce ({form.title}) from {before.cascade.name}: {before.cascade.source}"
    doc = explained(before, form, found.rank).split("\n\n")[0]
    text = cascade_to_yaml(replace(form.cascade, title=title, source=source, doc=doc))
    replace_file(path, text)
