"""The order of the files: none imports, by way of others, a file that imports it."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import networkx
import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fusemax"


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
    assert statistics.median(of_modules.values()) < 130


def test_the_map_of_the_house_names_what_is_there() -> None:
    """Every file and folder that ARCHITECTURE.md names with a slash stands where it says."""
    named = re.findall(
        r"`([a-z_]+/[a-z_/]+(?:\.py)?)`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    )
    places = [(PACKAGE / name, ROOT / name, PACKAGE / f"{name}.py") for name in named]
    assert [] == [
        str(first.relative_to(PACKAGE))
        for first, *rest in places
        if not any(p.exists() for p in (first, *rest))
    ]


#: Rooms whose business is one machine or one algorithm: the register-level program of the published array, and the writers of
#: layers, which are cascades.
OF_THEIR_OWN = ("simulate/pe", "model/layers", "cli")
#: Words of the two machines that stand for themselves elsewhere: what every memory of a chip ends in, ranks and lengths.
COMMON = {"DRAM", "machine", "fusemax", "auto", "edge"}
EXAMPLE = re.compile(r"(?:such as|e\.g\.) .*", re.DOTALL)


def own_names() -> set[str]:
    """The names of FuseMax's and FLAT's machines, mappings, levels and units, and of the tensors of their cascades."""
    found: set[str] = {"FLAT", "FuseMax", "+Cascade", "+Architecture", "+Binding"}
    for machine in ("fusemax", "flat"):
        folder = ROOT / "arch" / machine
        described = yaml.safe_load((folder / "machine.yaml").read_text(encoding="utf-8"))
        found |= {machine, *described["levels"], *described["units"]}
        found |= {path.stem for path in folder.glob("*.yaml")}
    for name in ("1-pass", "2-pass", "3-pass"):
        text = (ROOT / "einsums" / "attention" / f"{name}.yaml").read_text(encoding="utf-8")
        found |= set(re.findall(r"^\s*([A-Z]\w+)\[", yaml.safe_load(text)["einsums"], re.MULTILINE))
    return {name for name in found - COMMON if len(name) > 1}


def names_in(text: str, names: set[str]) -> list[str]:
    """The *names* that stand as words of their own in *text*, examples left out."""
    listed = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    return re.findall(rf"(?<![\w-])(?:{listed})(?![\w-])", EXAMPLE.sub("", text))


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts in the code of a module with their lines: no docstrings, which may give examples."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


def test_no_machine_by_name_in_general_code() -> None:
    """No code but that of one machine or algorithm knows a machine, unit, level, mapping or tensor of the paper."""
    names = own_names()
    assert {"2d", "1d", "L3", "BQK", "SLNV", "unfused", "flat", "one-tile", "weight-stationary"} <= names
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not path.relative_to(PACKAGE).as_posix().startswith(OF_THEIR_OWN)
        for number, text in texts_of(path)
        if names_in(text, names)
    ]
    assert [] == found


def test_a_name_of_a_machine_is_seen() -> None:
    """As a word of its own, in a longer text or a path too; not in an example of a message, nor as a part of another word."""
    names = own_names()
    assert ["L3"] == names_in("L3.size", names)
    assert ["weight-stationary"] == names_in("by weight-stationary mappings", names)
    assert [] == names_in("write a figure such as L3.size", names)
    assert [] == names_in("a flatter line of 2dots", names)


def test_recipes_name_what_is_there() -> None:
    """Every file that ARCHITECTURE.md names is there, and holds the name before it: `KINDS` (`plot/kinds.py`)."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Where to change what")[2]
    there = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("[a-z]*/**/*.*")]
    files = re.findall(r"`([\w/-]+\.(?:py|md|yaml))`", text)
    assert len(files) > 20
    assert [] == [
        name for name in files if not any(path.endswith(f"/{name}") or path == name for path in there)
    ]
    named = re.findall(r"`(\w+)`(?: and one entry in `(\w+)`)? \(`([\w/]+\.py)`", text)
    assert len(named) > 5
    lost = [(n, f) for *ns, f in named for n in ns if n not in (PACKAGE / f).read_text(encoding="utf-8")]
    assert [] == lost
