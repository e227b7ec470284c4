"""``fusemax check``: is a file of ours right? Every mistake with its place and remedy."""

from __future__ import annotations

from pathlib import Path

import typer

from fusemax.errors import FusemaxError, readable

CONFIGURATION = "config.json"  #: what the file of a model is called, whatever stands in it
CLAIMS = {"claim", "price", "proof", "seal", "space"}  #: keys that nothing but a certificate has


def check(
    files: list[Path] = typer.Argument(help="Cascades, machines, mappings or studies, as YAML files."),
) -> None:
    """Check files of any kind, config.json too; say "ok", or every mistake with file:line:column and how to mend it."""
    failed = False
    for file in files:
        try:
            kind, notes = checked(file)
            typer.echo(f"{file}: ok ({kind})")
            for note in notes:
                typer.echo(f"  note: {note}")
        except FusemaxError as error:
            failed = True
            typer.echo(readable(str(error)), err=True)
    if failed:
        raise typer.Exit(1)


def check_file(file: Path) -> str:
    """Return what kind of file *file* is, when it is right; raise FusemaxError with every mistake when not."""
    return checked(file)[0]


def checked(file: Path) -> tuple[str, tuple[str, ...]]:
    """Return what :func:`check_file` does, and what is right in the file but hardly meant."""
    from fusemax.shipped import is_folder
    from fusemax.source import read_yaml

    file = _found(file)
    if is_folder(file):
        file = _of_folder(file)
    if file.suffix == ".json" and _is_certificate(file):
        from fusemax.search.certificate import verified

        verdict = verified(file)
        return f"certificate: {verdict.claim}", ()
    document = read_yaml(file)
    data = document.data
    if not isinstance(data, dict):
        raise FusemaxError(f"{document.place(())}: expected a mapping of keys to values")
    if "einsums" in data or "inputs" in data:
        from fusemax.analysis.left_out import zeros_folded
        from fusemax.cascade.build import cascade_of

        return "cascade", tuple(map(str, zeros_folded(cascade_of(document, file.stem))))
    if "nests" in data or "bind" in data:
        return _mapping(file)
    if "levels" in data or "units" in data:
        from fusemax.machine import machine_of

        machine_of(document)
        return "machine", ()
    if "blocks" in data:
        from fusemax.gpu.backends import BACKENDS
        from fusemax.gpu.grid import read_grid

        read_grid(file, tuple(BACKENDS))
        return "grid of GPU measurements", ()
    if "kind" in data or "parts" in data:
        return _study(file)
    if "model_type" in data or "architectures" in data or file.name == CONFIGURATION:
        from fusemax.model.config import model_of

        model_of(document, file.stem)
        return "model", ()
    if "chips" in data or "links" in data:
        from fusemax.model.system import system_of

        system_of(document)
        return "system", ()
    raise FusemaxError(
        f"{document.place(())}: this is no file of ours\n"
        "  hint: a cascade has 'einsums:', a machine 'levels:' and 'units:', a mapping 'nests:', a study 'kind:'"
    )


def _is_certificate(file: Path) -> bool:
    """Return whether the JSON in *file* is meant as a certificate; what cannot be read is, unless it is called otherwise."""
    import json

    if file.name == CONFIGURATION:
        return False
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return True
    return isinstance(data, dict) and bool(CLAIMS & data.keys())


def _of_folder(folder: Path) -> Path:
    """Return the file that a folder of a model or of a machine is named for."""
    from fusemax.shipped import is_file

    for name in (CONFIGURATION, "machine.yaml"):
        if is_file(folder / name):
            return folder / name
    raise FusemaxError(f"{folder}: a folder without config.json (a model) or machine.yaml (a machine)")


def _found(file: Path) -> Path:
    """Return *file*, or where there is none that which ships under its name: a study, a cascade, a machine."""
    from fusemax.shipped import is_file, machines, shipped

    if is_file(file) or file.suffix:
        return file
    shelves = (shipped("studies"), shipped("einsums"), machines())
    return next((shelf[str(file)] for shelf in shelves if str(file) in shelf), file)


def _mapping(file: Path) -> tuple[str, tuple[str, ...]]:
    from fusemax.cost.whole import check_whole_tiles
    from fusemax.library.load import Library
    from fusemax.mapping.idle import idle_tiles
    from fusemax.mapping.lanes import remarks
    from fusemax.mapping.spec import mapping_file_of
    from fusemax.source import read_yaml

    mapping_file_of(read_yaml(file))
    beside = file.parent / "machine.yaml"
    if not beside.exists():
        return "mapping, its form only: no machine.yaml lies beside it", ()
    design = Library(file.parent).design(beside, file)
    check_whole_tiles(design.mapped, design.machine)
    notes = (
        f"tiles of {rank} change nothing: no loop goes over their digits, and no lanes do"
        for rank in idle_tiles(design.mapped)
    )
    return "; ".join(("mapping", *remarks(design.mapped, design.machine).values())), tuple(notes)


def _study(file: Path) -> tuple[str, tuple[str, ...]]:
    from fusemax.study.load import read_study
    from fusemax.study.run import check_study

    kind, notes = check_study(read_study(file))
    return f"study, {kind}", notes
