"""The documentation is true: its files are right, its commands print what it says, its Python runs."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from fusemax.cli.check import check_file
from fusemax.errors import FusemaxError

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAME = re.compile(r"# file: (\S+)\n")


def all_files() -> dict[str, str]:
    """Every YAML and CSV example of every page that names its file; the name is no part of a table."""
    found: dict[str, str] = {}
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            name = NAME.match(text)
            if language in ("yaml", "csv") and name:
                found[name.group(1)] = text if language == "yaml" else text[name.end() :]
    return found


def alone(name: str) -> bool:
    """Whether no command of a page runs the example, with what other commands made or on a machine of its own."""
    used = re.compile(rf"^\$ fusemax (run {re.escape(name)}|.*--mapping {re.escape(name)}\b)", re.MULTILINE)
    return not any(used.search(page.read_text(encoding="utf-8")) for page in PAGES)


@pytest.mark.parametrize(
    "name", sorted(name for name in all_files() if name.endswith(".yaml") and alone(name))
)
def test_examples_are_right(name: str, tmp_path: Path) -> None:
    """``fusemax check`` says ok to every example, with the other examples beside it."""
    for other, text in all_files().items():
        (tmp_path / other).write_text(text, encoding="utf-8")

    assert check_file(tmp_path / name)


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it prints; ``...`` stands for anything."""
    parts = re.split(r"^\$ fusemax ", text, flags=re.MULTILINE)[1:]
    return [(command, expected) for command, _, expected in (part.partition("\n") for part in parts)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_print_what_is_shown(page: Path, tmp_path: Path, monkeypatch) -> None:
    """Each command of each console block prints what is shown below it."""
    from typer.testing import CliRunner

    from fusemax.cli import build
    from fusemax.cli.arguments import gathered

    for name, text in all_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    matches = doctest.OutputChecker().check_output
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        for command, expected in commands(text) if language == "console" else ():
            result = CliRunner().invoke(build(), gathered(shlex.split(command)))
            printed = result.output + (
                f"{result.exception}\n" if isinstance(result.exception, FusemaxError) else ""
            )

            assert matches(expected, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE), printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_run(page: Path, tmp_path: Path, monkeypatch) -> None:
    """Every ``>>>`` example gives what is shown; what one block defines the next ones know."""
    blocks = [
        text for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language == "pycon"
    ]
    monkeypatch.chdir(tmp_path)
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, str(page), 0)

    assert 0 == doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example).failed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_stand_in_blocks(page: Path) -> None:
    """An example outside of a block would be read as a quotation, and would not be run."""
    assert ">>>" not in BLOCK.sub("", page.read_text(encoding="utf-8"))
