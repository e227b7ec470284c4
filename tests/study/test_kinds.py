"""A kind of study is one module and one entry: everything around it comes by itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from fusemax.cli.check import check_file
from fusemax.errors import FusemaxError
from fusemax.plot.spec import FigureSpec
from fusemax.source import Document
from fusemax.study import kind as kinds
from fusemax.study.kind import Kind, Outcome, Progress
from fusemax.table.column import measure, size
from fusemax.table.table import table_of_rows
from fusemax.typed import typed
from tests.study.engine import run_file


class Squares(BaseModel):
    """A study that squares numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    kind: Literal["squares"]
    title: str
    numbers: list[int]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What it squares."""

    study: Squares
    files: Mapping[str, Path] = field(default_factory=dict)


def plan(document: Document, options: Mapping[str, Any]) -> Plan:
    """Return the plan; raise ProblemsError with every mistake."""
    del options
    return Plan(study=typed(document, Squares), files={"squares.yaml": Path(document.file)})


def edited(plan: Plan, out: Path, progress: Progress) -> Outcome:
    """Return the table of squares, while somebody removes the study."""
    plan.files["squares.yaml"].unlink()
    return tables(plan, out, progress)


def tables(plan: Plan, out: Path, progress: Progress) -> Outcome:
    """Return the table of squares."""
    del out, progress
    rows = [{"number": number, "square_s": float(number**2)} for number in plan.study.numbers]
    return Outcome(tables={"squares": table_of_rows(rows, (size("number"), measure("square_s")))})


FIGURES = (FigureSpec(file="squares", kind="lines", x="number", y="square_s", table="squares"),)
KIND = Kind(plan=plan, tables=tables, specs=lambda plan: FIGURES)
EDITED = Kind(plan=plan, tables=edited, specs=lambda plan: FIGURES)


def test_one_entry_adds_a_kind_of_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check, run, tables with descriptions, figures, provenance and report of a kind that the package does not know."""
    path = tmp_path / "squares.yaml"
    path.write_text("kind: squares\ntitle: squares\nnumbers: [1, 2, 3]\n", encoding="utf-8")
    with pytest.raises(FusemaxError, match=r"squares\.yaml:1:7: unknown kind of study 'squares'"):
        check_file(path)
    monkeypatch.setattr(kinds, "KINDS", {**kinds.KINDS, "squares": f"{__name__}:KIND"})
    assert "study, squares" == check_file(path)
    out = run_file(path, tmp_path / "out")
    left = {file.name for file in out.iterdir()}
    assert {
        "squares.csv",
        "columns.json",
        "provenance.json",
        "report.html",
        "squares.svg",
        "squares.png",
    } == left
    assert "number,square_s\n1,1.0\n2,4.0\n3,9.0\n" == (out / "squares.csv").read_text(encoding="utf-8")
    path.write_text("kind: squares\ntitle: squares\nnumber: [1]\n", encoding="utf-8")
    with pytest.raises(FusemaxError, match=r"squares\.yaml:3:1: number: unknown key 'number'"):
        check_file(path)


def test_provenance_tells_of_the_files_that_were_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study that is edited, or removed, while it runs is told as it was when the run began."""
    path = tmp_path / "squares.yaml"
    content = "kind: squares\ntitle: squares\nnumbers: [1, 2, 3]\n"
    path.write_text(content, encoding="utf-8")
    monkeypatch.setattr(kinds, "KINDS", {**kinds.KINDS, "squares": f"{__name__}:EDITED"})
    out = run_file(path, tmp_path / "out")
    told = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    assert told["sha256"] == {"squares.yaml": hashlib.sha256(content.encode()).hexdigest()}
