"""``fusemax list``: what ships with fusemax, and what fits what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import typer

from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    from fusemax.library.shelf import Entry


def list_(
    kind: Literal["machines", "systems", "cascades", "mappings", "studies"] = typer.Argument(
        None, help="What to list; all kinds in short if not given."
    ),
    cascade: str = typer.Option("", "--cascade", help="Only what has a mapping for this cascade."),
    machine: str = typer.Option("", "--machine", help="Only what has a mapping on this machine."),
    match: str = typer.Option("", "--match", help="Only names and titles with this text."),
    json: bool = typer.Option(False, "--json", help="As JSON for programs."),
) -> None:
    """List the machines, systems of chips, cascades, mappings and studies that come with fusemax, with what fits what."""
    from fusemax.library.shelf import KINDS, entries

    _refuse_unknown(cascade, machine)
    kinds = [kind] if kind else KINDS
    found = {one: [e for e in entries(one) if _fits(one, e, cascade, machine, match)] for one in kinds}
    if json:
        typer.echo(_as_json(found))
        return
    from fusemax.screen import columns

    for one, chosen in found.items():
        if kind is None:
            typer.echo(f"{len(chosen)} {one}: {', '.join(entry.name for entry in chosen) or 'none'}\n")
        else:
            typer.echo(columns([_row(one, entry) for entry in chosen]) if chosen else f"no {one} fit")
    if kind is None:
        typer.echo(
            "fusemax list KIND tells titles and what fits what; see also --cascade, --machine, --match"
        )


def _refuse_unknown(cascade: str, machine: str) -> None:
    from fusemax.library.shelf import entries
    from fusemax.nearest import meant

    for option, name, kind in (("--cascade", cascade, "cascades"), ("--machine", machine, "machines")):
        known = [entry.name for entry in entries(kind)]
        if name and name not in known:
            raise FusemaxError(
                f"{option}: no {kind[:-1]} {name!r} ships with fusemax\n  hint: {meant(name, known)}"
            )


def _fits(kind: str, entry: Entry, cascade: str, machine: str, match: str) -> bool:
    if match and match.casefold() not in f"{entry.name} {entry.title}".casefold():
        return False
    if not cascade and not machine:
        return True
    if kind == "studies":
        return False
    if kind == "systems":
        return not cascade and machine in entry.machines
    pairs = _pairs(entry) if kind == "mappings" else _pairs_of(kind, entry.name)
    return any(cascade in ("", one) and machine in ("", other) for one, other in pairs)


def _pairs(mapping: Entry) -> list[tuple[str, str]]:
    return [(mapping.cascade, machine) for machine in mapping.machines]


def _pairs_of(kind: str, name: str) -> list[tuple[str, str]]:
    from fusemax.library.shelf import entries

    place = ("cascades", "machines").index(kind)
    return [pair for mapping in entries("mappings") for pair in _pairs(mapping) if pair[place] == name]


def _row(kind: str, entry: Entry) -> tuple[str, ...]:
    if kind == "mappings":
        others = [one for one in entry.machines if one != entry.name.rpartition("/")[0]]
        shared = f" (on {', '.join(entry.machines)})" if others else ""
        return entry.name, f"for {entry.cascade}", f"{entry.title}{shared}"
    if kind == "studies":
        return entry.name, entry.kind, entry.title
    if kind == "systems":
        return entry.name, f"of {entry.machines[0]}", entry.title
    pairs = _pairs_of(kind, entry.name)
    other = {"machines": 0, "cascades": 1}[kind]
    fits = len(dict.fromkeys(pair[other] for pair in pairs))
    noun = ("cascade", "machine")[other]
    return entry.name, f"{fits or 'no'} {noun}{'' if fits == 1 else 's'}", entry.title


def _as_json(found: dict[str, list[Entry]]) -> str:
    import json
    from dataclasses import asdict

    data = {
        kind: [
            {key: value for key, value in asdict(entry).items() if value and key != "path"} for entry in some
        ]
        for kind, some in found.items()
    }
    return json.dumps(data, indent=2)
