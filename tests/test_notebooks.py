"""The notebooks: listed, without stored outputs; the site's build runs them, and the first one is run here as well."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    """The cells of one kind of a notebook."""
    return [
        cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind
    ]


def shown(source: str, names: dict[str, Any]) -> Any:
    """Run the code of a cell and return the value of its last line, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_what_they_print(path: Path) -> None:
    """A stored output would be old one day, and makes every change hard to read."""
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells(path, "code"))
    assert "".join(cells(path, "markdown")[0]["source"]).startswith("# ")


def test_all_notebooks_are_listed() -> None:
    """Their page and the site's navigation name each of them."""
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("docs/notebooks.md", "mkdocs.yml")]

    assert 6 == len(NOTEBOOKS)
    assert all(f"notebooks/{path.name}" in page for page in pages for path in NOTEBOOKS)


def test_first_steps_run(capsys) -> None:
    """The first hour in a notebook: a number, where it comes from, a figure, and the passes of an own algorithm."""
    names: dict[str, Any] = {}
    answers = [shown("".join(cell["source"]), names) for cell in cells(NOTEBOOKS[0], "code")]

    drawing = next(answer for answer in answers if type(answer).__name__ == "Drawing")
    assert all(path.stat().st_size > 1000 for path in drawing.paths)
    assert {"AV": "DRAM"} in answers
    assert "3 passes over the keys" in capsys.readouterr().out
    assert all(hasattr(answers[1], name) for name in ("_repr_html_", "latency_s"))
