"""The order of the files: none imports, by way of others, a file that imports it."""

from __future__ import annotations

import ast
import re
import statistics
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


def imported(tree: ast.AST, known: dict[str, Path], types: bool = False) -> Iterator[str]:
    """Yield the modules that a file takes names from, in functions too; those for *types* alone where they are asked for."""
    for node in ast.iter_child_nodes(tree):
        if not types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
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
            yield from imported(node, known, types)


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


def test_no_two_files_import_each_other() -> None:
    """Not for types either: what both need stands in a third, lower file."""
    known = modules(PACKAGE)
    pairs = {
        (name, other)
        for name, path in known.items()
        for other in imported(ast.parse(path.read_text(encoding="utf-8")), known, types=True)
        if other not in (name, PACKAGE.name)
    }
    assert [] == sorted((name, other) for name, other in pairs if name < other and (other, name) in pairs)


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


#: What somebody works on; nothing is added here, and what has shrunk is taken out.
LARGE_MODULES: dict[str, int] = {}
LARGE_FUNCTIONS: dict[str, int] = {}


def lines_of_modules(package: Path) -> dict[str, int]:
    """Return the lines of every module."""
    return {
        path.relative_to(package.parent).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules(package).values()
    }


def lines_of_functions(package: Path) -> dict[str, int]:
    """Return the lines of every function, by its module and name; of two of one name, of the longer."""
    found: dict[str, int] = {}
    for path in modules(package).values():
        name = path.relative_to(package.parent).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                key, lines = f"{name}:{node.name}", node.end_lineno - node.lineno + 1
                found[key] = max(lines, found.get(key, 0))
    return found


def test_small_modules_and_functions() -> None:
    """A module has at most 400 lines, a function 60; the lists above only hold what is still to be cut."""
    of_modules, of_functions = lines_of_modules(PACKAGE), lines_of_functions(PACKAGE)
    assert {} == {n: c for n, c in of_modules.items() if c > max(400, LARGE_MODULES.get(n, 0))}
    assert {} == {n: c for n, c in of_functions.items() if c > max(60, LARGE_FUNCTIONS.get(n, 0))}
    assert statistics.median(of_modules.values()) <= 150


#: Machines, mappings, units and tensors of FuseMax and FLAT: data of arch/, and nobody's business in general code.
OWN_NAMES = re.compile(
    r"\b(?:2d|1d|L3|flat|FLAT|unfused|BQK|SLNV|SLN|SPNV|RNV|output-stationary|weight-stationary|one-tile)\b|\+Binding"
)
GENERAL = ("study", "plot", "report", "search", "gpu", "table", "library")


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts in the code of a module with their lines: no docstrings, which may give examples."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


def test_no_machine_by_name_in_general_code() -> None:
    """Studies, figures, reports, the mapper and the GPU's part know no machine, unit, mapping or tensor of the paper."""
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {text}"
        for room in GENERAL
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for number, text in texts_of(path)
        if OWN_NAMES.search(text)
    ]
    assert [] == found
