"""The order of the files: none imports, by way of others, a file that imports it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx

PACKAGE = Path(__file__).parents[1] / "fusemax"


def modules(package: Path) -> dict[str, Path]:
    """Return every module of *package* by its dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules that a file takes names from, in functions too; not those for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & set(known)
            is_module_only = len(inner) == len(node.names)
            yield from inner
            if node.module in known and not is_module_only:
                yield node.module
        else:
            yield from imported(node, known)


def circles(package: Path) -> list[list[str]]:
    """Return the groups of modules that need each other."""
    known = modules(package)
    graph = networkx.DiGraph()
    for name, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        graph.add_edges_from((name, other) for other in imported(tree, known) if other != package.name)
    return [sorted(group) for group in networkx.strongly_connected_components(graph) if len(group) > 1]


def test_no_circle_of_files() -> None:
    """Data flows one way inside the folders too."""
    assert [] == circles(PACKAGE)


def test_a_circle_is_seen(tmp_path: Path) -> None:
    """An import inside a function closes a circle like any other."""
    folder = tmp_path / "house"
    (folder / "room").mkdir(parents=True)
    for name, text in (
        ("__init__", ""),
        ("room/__init__", ""),
        ("room/a", "from house.room.b import f\n"),
        ("room/b", "def f():\n    from house import c\n"),
        ("c", "import house.room.a\n"),
    ):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    assert [["house.c", "house.room.a", "house.room.b"]] == circles(folder)
