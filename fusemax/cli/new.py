"""``fusemax new``: a file of your own to begin with, commented, and right as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from fusemax.errors import FusemaxError
from fusemax.source import shortened

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_PATH, LONGEST_NAME = 3000, 200  #: characters that every file system takes
NEXT = {
    "machine": "fusemax new mapping {folder}/first",
    "mapping": "fusemax cost attention/1-pass --machine {folder}/machine.yaml --mapping {path}"
    " --set B=1 H=1 E=64 F=64 M=1024 P=1024",
    "cascade": "fusemax passes {path}",
    "study": "fusemax run {path}",
}
ITS_MACHINE = (
    "fusemax new machine {folder}/machine.yaml"  #: what a mapping without a machine beside it needs first
)


def new(
    kind: Literal["machine", "mapping", "cascade", "study"] = typer.Argument(help="The kind of file."),
    name: str = typer.Argument(help="What it is called: a path without ending. A machine gets a folder."),
) -> None:
    """Write a commented machine, mapping, cascade or study to begin with; it passes "fusemax check" as it is."""
    from shlex import quote

    path = path_of(kind, name)
    write(kind, path)
    lines = (
        NEXT[kind]
        if kind != "mapping" or (path.parent / "machine.yaml").exists()
        else f"{ITS_MACHINE}\n      {NEXT[kind]}"
    )
    follow = lines.format(path=quote(str(path)), folder=quote(str(path.parent)))
    typer.echo(f"wrote {path}\nnext: fusemax check {quote(str(path))}\n      {follow}")


def path_of(kind: str, name: str) -> Path:
    """Return the file that a new *kind* called *name* stands in: ``NAME.yaml``, of a machine ``NAME/machine.yaml``."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    if not path.name or name.endswith(("/", "\\")):
        raise FusemaxError(
            f"{name!r} is no name of a file\n  hint: give a path without ending, such as mine/first"
        )
    return path / "machine.yaml" if kind == "machine" else path.with_name(f"{path.name}.yaml")


def write(kind: str, path: Path) -> None:
    """Write the template of *kind* to *path*.

    Raises
    ------
    FusemaxError
        When something stands there already, the place cannot be written, or a mapping's machine has other units than it.
    """
    from fusemax.files import replace_file

    if len(str(path)) > LONGEST_PATH or any(len(step) > LONGEST_NAME for step in path.parts):
        raise FusemaxError(f"{shortened(str(path))!r}: too long for the name of a file")
    if path.exists():
        raise FusemaxError(f"{path}: stands there already\n  hint: take another name")
    title = path.resolve().parent.name if kind == "machine" and path.stem == "machine" else path.stem
    text = (
        (TEMPLATES / f"{kind}.yaml")
        .read_text(encoding="utf-8")
        .replace("title: NAME", f"title: {_quoted(title)}")
    )
    if kind == "mapping":
        _refuse_other_machine(text, path)
    replace_file(path, text)


def _quoted(title: str) -> str:
    """Return *title* as a text in YAML."""
    return "'" + title.replace("'", "''") + "'"


def _refuse_other_machine(text: str, path: Path) -> None:
    """Refuse a mapping that would not be legal on the machine beside it."""
    from fusemax.library.load import Library

    beside = path.parent / "machine.yaml"
    if not beside.exists():
        return
    try:
        Library(path.parent).design(beside, text)
    except FusemaxError:
        raise FusemaxError(
            f"{beside} is another machine than that of 'fusemax new machine', for which the mapping is written\n"
            f"  hint: fusemax map CASCADE --machine {beside} --set ... -o {path} finds one"
        ) from None
