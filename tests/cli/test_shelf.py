"""list, new, schema and --version: the first commands of somebody who has read nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fusemax import __version__
from fusemax.cli import build
from fusemax.cli.check import check_file
from fusemax.cli.new import path_of
from fusemax.cli.schema import MODELS, schema_of
from fusemax.errors import FusemaxError
from fusemax.library.load import design_of
from fusemax.library.shelf import KINDS, entries
from fusemax.screen import columns
from fusemax.shipped import ROOT
from fusemax.source import read_yaml


def run(*arguments: str) -> str:
    """Return what the command prints; its mistake is raised."""
    result = CliRunner().invoke(build(), list(arguments), catch_exceptions=False)

    assert 0 == result.exit_code, result.output
    return result.output


def test_version() -> None:
    """One line, and the exit code of success."""
    assert f"fusemax {__version__}\n" == run("--version")


def test_every_shipped_file_has_a_title() -> None:
    """Titles and what fits what, read without a parser, are those of the parsed files."""
    for kind in KINDS:
        assert entries(kind)
        for entry in entries(kind):
            data = read_yaml(entry.path).data
            assert " ".join(str(data["title"]).split()) == entry.title
            assert data.get("kind", "") == entry.kind
            assert kind != "mappings" or data["cascade"] == entry.cascade


def test_what_fits_what_is_true() -> None:
    """A mapping is listed for machines that take it: each is legal there."""
    for entry in entries("mappings"):
        if entry.machines:
            name = entry.name.rpartition("/")[2]
            assert entry.cascade == design_of(entry.machines[-1], name).cascade.name


def test_lists_are_filtered() -> None:
    """By cascade, by machine, by a text; as JSON."""
    mappings = json.loads(run("list", "mappings", "--cascade", "attention/1-pass", "--json"))["mappings"]

    assert {"attention/1-pass"} == {entry["cascade"] for entry in mappings}
    assert "fusemax/fusemax" in {entry["name"] for entry in mappings}
    assert run("list", "machines", "--cascade", "attention/1-pass").split()[0] == "flat"
    assert ["micro24"] == [
        line.split()[0] for line in run("list", "studies", "--match", "array sizes").splitlines()
    ]
    assert "no machines fit" in run("list", "machines", "--match", "abacus")
    assert f"{len(entries('studies'))} studies: audit, " in run("list")
    with pytest.raises(FusemaxError, match="hint: did you mean 'h100'"):
        run("list", "--machine", "h10")


def test_new_files_are_right_and_lead_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new file passes check, and the command that it names next runs; spaces in names are quoted."""
    monkeypatch.chdir(tmp_path)
    for kind, name in (
        ("machine", "my chip"),
        ("mapping", "my chip/first"),
        ("cascade", "own one"),
        ("study", "s"),
    ):
        printed = run("new", kind, name)
        path = path_of(kind, name)

        assert printed.startswith(f"wrote {path}\n")
        assert check_file(path) in (kind, f"{kind}, sweep")
        with pytest.raises(FusemaxError, match="stands there already"):
            run("new", kind, name)
    assert check_file(tmp_path / "my chip" / "first.yaml") == "mapping"
    assert "cycles" in run(
        "cost", "attention/1-pass", "--machine", "my chip", "--mapping", "my chip/first.yaml",
        *(part for size in ("B=1", "H=1", "E=64", "F=64", "M=1024", "P=1024") for part in ("--set", size)),
    )  # fmt: skip


def test_a_new_mapping_beside_another_machine(tmp_path: Path) -> None:
    """The template would not be legal there: refused, with the command that finds one."""
    (tmp_path / "machine.yaml").write_text(entries("machines")[0].path.read_text())
    with pytest.raises(FusemaxError, match=r"hint: fusemax map CASCADE --machine"):
        run("new", "mapping", str(tmp_path / "first"))

    assert not (tmp_path / "first.yaml").exists()
    with pytest.raises(FusemaxError, match="no name of a file"):
        run("new", "study", f"{tmp_path}/")


# --- schemas: a small reader of what they use, so that no package is needed


def mistakes(value: Any, schema: Any, whole: Any) -> list[str]:
    """Return why *value* does not hold to *schema*, as JSON Schema's draft 2020-12 says."""
    if schema is True or not schema:
        return []
    if "$ref" in schema:
        return mistakes(value, whole["$defs"][schema["$ref"].rpartition("/")[2]], whole)
    for key in ("anyOf", "oneOf"):
        if key in schema and all(mistakes(value, one, whole) for one in schema[key]):
            return [f"{value!r} is none of {key}"]
    kinds = schema.get("type", [])
    if kinds and not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return [f"{value!r} is no {kinds}"]
    if "const" in schema and value != schema["const"]:
        return [f"{value!r} is not {schema['const']!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{value!r} is none of {schema['enum']}"]
    found: list[str] = []
    if isinstance(value, dict):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{key} is missing" for key in schema.get("required", ()) if key not in value]
        for key, inner in value.items():
            if key not in properties and more is False:
                found.append(f"{key} is unknown")
            else:
                found += mistakes(inner, properties.get(key, more), whole)
    if isinstance(value, list):
        found += [text for inner in value for text in mistakes(inner, schema.get("items", True), whole)]
    return found


def _is(value: Any, kind: str) -> bool:
    types = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "null": type(None)}
    types |= {"object": dict, "array": list}
    return isinstance(value, types[kind]) and (kind == "boolean" or not isinstance(value, bool))


@pytest.mark.parametrize("kind", MODELS)
def test_schemas_take_every_shipped_file(kind: str) -> None:
    """No shipped file is marked by an editor; a misspelt key and a missing one are."""
    schema = schema_of(kind)
    shelf = {"machine": "machines", "cascade": "cascades", "mapping": "mappings", "study": "studies"}[kind]
    for entry in entries(shelf):
        if kind == "study" and entry.kind != "sweep":
            continue
        data = read_yaml(entry.path).data
        assert not mistakes(data, schema, schema), entry.name
        assert mistakes({**data, "titel": "t"}, schema, schema)
        assert mistakes({key: value for key, value in data.items() if key != "title"}, schema, schema)
    assert json.loads(run("schema", kind)) == json.loads(json.dumps(schema))


def test_editors_are_told_of_quantities() -> None:
    """A quantity is a text or a number, with its unit in words."""
    clock = schema_of("machine")["properties"]["clock"]

    assert ["string", "number"] == clock["type"]
    assert "Hz" in clock["description"]
    assert not re.search(r"\"place\"", json.dumps(schema_of("machine")))


def test_columns_break_no_word() -> None:
    """On a narrow terminal the last cell goes below; a file has no width."""
    rows = [("a-name", "12", "words that go on for a while"), ("b", "7", "")]

    assert max(map(len, columns(rows, 20).splitlines())) <= 20
    assert "a-name  12  words that go on for a while" == columns(rows, 10**5).splitlines()[0]
    assert set(["words", "that", "go", "on", "for", "a", "while"]) <= set(columns(rows, 9).split())


@pytest.mark.parametrize("room", ["20", "40", "79", "300"])
def test_tables_break_no_number_and_no_word(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words whatever the width of the terminal."""
    command = ["cost", "attention/1-pass", "--machine", "fusemax", "--mapping", "fusemax"]
    for size in ("B=1", "H=12", "E=64", "F=64", "M=4096", "P=4096"):
        command += ["--set", size]
    monkeypatch.setenv("COLUMNS", "200")
    wide = set(re.findall(r"[\w.,%/]+", run(*command)))
    monkeypatch.setenv("COLUMNS", room)

    assert wide == set(re.findall(r"[\w.,%/]+", run(*command)))


def test_a_file_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Piped output is not wrapped at the eighty columns of nobody's terminal."""
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = run("list", "mappings", "--machine", "h100").splitlines()

    assert all(line.startswith(("gpu/", "hopper/")) for line in lines)
    assert max(map(len, lines)) > 80


def test_a_folder_of_a_machine_is_checked_as_cost_takes_it(tmp_path: Path) -> None:
    """``fusemax check mine`` where ``mine/machine.yaml`` is a copy of a shipped machine; a folder without a file is told."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "machine.yaml").write_text(
        (ROOT / "arch" / "h200" / "machine.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    assert check_file(mine) == "machine"
    with pytest.raises(FusemaxError, match=r"a folder without config.json \(a model\) or machine.yaml"):
        check_file(tmp_path)
