"""The documentation is true: its files are right, its commands print what it says, its Python runs."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from fusemax.cli.check import check_file

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAME = re.compile(r"# file: (\S+)\n")


def all_files() -> dict[str, str]:
    """Every YAML example of every page that names its file."""
    found: dict[str, str] = {}
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            name = NAME.match(text)
            if language == "yaml" and name:
                found[name.group(1)] = text
    return found


@pytest.mark.parametrize("name", sorted(all_files()))
def test_examples_are_right(name: str, tmp_path: Path) -> None:
    """``fusemax check`` says ok to every example, with the other examples beside it."""
    for other, text in all_files().items():
        (tmp_path / other).write_text(text, encoding="utf-8")

    assert check_file(tmp_path / name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_print_what_is_shown(page: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    """Each console block that shows a check prints just that."""
    from typer.testing import CliRunner

    from fusemax.cli import build
    from fusemax.cli.arguments import gathered

    for name, text in all_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        command, _, expected = text.partition("\n")
        if language == "console" and command.startswith("$ fusemax "):
            result = CliRunner().invoke(build(), gathered(command.removeprefix("$ fusemax ").split()))

            assert expected.strip() == result.output.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_run(page: Path) -> None:
    """Every ``>>>`` example gives what is shown."""
    failures, _ = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)

    assert 0 == failures
