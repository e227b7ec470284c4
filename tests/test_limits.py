"""Files that ask for too much: every one ends at once, with a message that says where and what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fusemax as fm
from fusemax.errors import FusemaxError, Place, Problem, ProblemsError
from fusemax.language.parse import DEEPEST, MOST_BRACKETS, parse, parse_expression
from fusemax.machine import machine_of
from fusemax.model.system import system_of
from fusemax.source import LIMITS, Text, document_of, read_yaml


def said(content: str) -> str:
    """The message with which the YAML text is refused."""
    with pytest.raises(FusemaxError) as caught:
        document_of(content, "f.yaml")
    return str(caught.value)


def test_aliases_that_multiply():
    """Ten lines that unfold to 9^9 values stop at the limit."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]

    assert said("\n".join(rows)).endswith(f"more than {LIMITS.values:,} values, aliases unfolded")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a: &x [1, *x]", "f.yaml:1:4"),
        ("a: &x {b: {c: *x}}", "f.yaml:1:4"),
        ("d: 1\na: &x\n  <<: *x\n  b: 1", "f.yaml:2:4"),
    ],
)
def test_aliases_to_themselves(content: str, place: str):
    """An alias inside what it names has no end, in lists, mappings and merges."""
    assert said(content).startswith(f"{place}: an alias stands inside what it names")


def test_aliases_that_people_write():
    """An anchor used twice, and merged, is no cycle."""
    document = document_of("a: &x {n: 1}\nb: *x\nc: {<<: *x, m: 2}\nd: [*x, *x]")

    assert document.data == {"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 1, "m": 2}, "d": [{"n": 1}, {"n": 1}]}


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_depth(opening: str):
    """Lists and mappings in each other stop at a depth, long before Python's own."""
    assert f"more than {LIMITS.depth} deep" in said("a:\n  " + opening * 5000)
    document_of("a: " + "[" * 20 + "]" * 20)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("9" * 5000, "too large"),
        ("1e400", "too large"),
        ("-1e400", "too large"),
        ("1e-400", "too small"),
        ("9007199254740993", "nearest is 9007199254740992"),
    ],
)
def test_numbers_that_a_double_cannot_hold(number: str, reason: str):
    """A number that would become another one is refused, in YAML and in formulas."""
    message = said(f"a: {number}")
    assert reason in message
    assert message.startswith("f.yaml:1:4")
    assert len(message) < 200
    if "-" not in number:
        with pytest.raises(ProblemsError, match=reason):
            parse_expression(Text(f"M + {number}"))


@pytest.mark.parametrize("content", ["a: b\0c", "a: b\x07", "a: 1\n\x7f"])
def test_characters_that_no_text_holds(content: str):
    """Control characters are named with their place."""
    line, column = (2, 1) if "\n" in content else (1, 5)
    assert said(content).startswith(f"f.yaml:{line}:{column}: not YAML: the character U+00")


def test_keys():
    """A key is text of a length that can be read."""
    assert "a key of 900 characters" in said(f"{'k' * 900}: 1")
    assert "a key is text" in said("? [a, b]\n: 1")


def test_files_that_never_end(tmp_path: Path):
    """Pipes and devices are not waited for, large files not read; a folder is told as such."""
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    large = tmp_path / "large.yaml"
    large.write_text("a: " + "x" * LIMITS.size_B)
    for path, reason in ((pipe, "a pipe"), (Path("/dev/zero"), "a device"), (large, "larger than 1 MiB")):
        with pytest.raises(FusemaxError, match=reason):
            read_yaml(path)
    with pytest.raises(FusemaxError, match="directory"):
        read_yaml(tmp_path)
    with pytest.raises(FusemaxError, match="no name of a file"):
        read_yaml(Path("a\0b.yaml"))


@pytest.mark.parametrize(
    "formula",
    [
        "(" * 3000 + "Q[e]" + ")" * 3000,
        "-" * 3000 + "1",
        "2" + "**2" * 3000,
        "exp(" * 3000,
        "Q[Q[" * 2000,
        "- " * 3000,
    ],
)
def test_brackets_in_each_other(formula: str):
    """Formulas that nest without end stop where the limit is passed, and show only the part around it."""
    with pytest.raises(ProblemsError) as caught:
        parse(Text(f"A[e] = {formula}"))
    assert len(str(caught.value)) < 600


def test_long_sums():
    """A sum of thousands of terms is as deep as it is long; one of DEEPEST - 1 terms is read."""
    with pytest.raises(ProblemsError, match=f"more than {DEEPEST} operations"):
        parse(Text("A[e] = " + " + ".join(["Q[e]"] * 3000)))
    parse(Text("A[e] = " + "+".join(["1"] * (DEEPEST - 1))))
    parse(Text("A[e] = " + "(" * (MOST_BRACKETS - 1) + "1" + ")" * (MOST_BRACKETS - 1)))


def test_long_names():
    """A name of thousands of letters is told by its length, not repeated."""
    with pytest.raises(ProblemsError, match="a name of 5000 characters"):
        parse(Text(f"{'A' * 5000}[e] = Q[e]"))


def test_long_messages():
    """A file with thousands of mistakes gets a message that can be read, and the count of the rest."""
    problems = [Problem(Place("f.yaml", line, 1), "wrong") for line in range(1, 5001)]

    message = str(ProblemsError(problems))

    assert len(message.splitlines()) == 41
    assert message.endswith("... and 4960 more problems")


@pytest.mark.parametrize(
    ("size", "lanes", "said"),
    [
        (
            "1 MiB",
            "8*0*4",
            "units.alu.shape.lanes: alu.lanes = 8*0*4: expected a whole number of at least 1, got '0'",
        ),
        ("1 MiB", "3/2", "expected a whole number of at least 1, got '1.5'"),
        ("alu.lanes * 0 B", "4", "levels.DRAM.size: DRAM.size = alu.lanes*0: expected more than zero"),
        ("1 MiB", "alu.depth * 4", "'alu.depth' is no figure of this machine"),
        ("DRAM.bandwidth * 2 s", "4", "expected"),
    ],
)
def test_formulas_of_a_machine(size: str, lanes: str, said: str):
    """A figure that is a formula is held to what the figure may be, as one that is a number."""
    levels = f"levels: {{DRAM: {{bandwidth: DRAM.size / 3, size: {size}}}}}"
    units = f"units: {{alu: {{shape: {{lanes: {lanes}}}, operations: {{mac: 1}}}}}}"

    with pytest.raises(FusemaxError) as caught:
        machine_of(document_of(f"title: t\nsource: s\nclock: 1 GHz\nword: 2 B\n{levels}\n{units}\n"))
    assert said in str(caught.value)


@pytest.mark.parametrize("bandwidth", ["0 B/s", "-1 GB/s", "1e-300 B/s"])
def test_links_without_bandwidth(bandwidth: str):
    """A system whose links carry nothing is refused where it says so."""
    links = f"links: {{topology: switch, bandwidth: {bandwidth}}}\nlibraries: {{}}\n"

    with pytest.raises(FusemaxError, match=r"links.bandwidth: expected nothing below 1 B/s"):
        system_of(document_of(f"title: t\nsource: s\nchip: h100\nchips: 8\n{links}"))


def test_long_sums_in_an_index():
    """An index is held to the same depth as a formula."""
    with pytest.raises(ProblemsError, match=f"more than {DEEPEST} operations"):
        parse(Text(f"A[{'+'.join(['e'] * 3000)}] = Q[e]"))
    with pytest.raises(ProblemsError, match=f"more than {DEEPEST} operations"):
        parse(Text(f"A[e] = Q[{'+'.join(['e'] * 3000)}]"))


@pytest.mark.parametrize("value", ["fit(L3)", "2 * fit(L3)", "fit(nowhere, any)"])
def test_fit_elsewhere_than_in_a_tile(value: str):
    """``fit`` chooses the size of a tile; no size or figure is one."""
    design = fm.Design("attention/1-pass", "fusemax", "fusemax")
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "P": 64}
    calls = (
        lambda: design.cost({**sizes, "M": value}),
        lambda: design.with_("2d.rows", value),
        lambda: design.frame({"clock": value}, sizes={**sizes, "M": 64}),
        lambda: design.frame({"L3.size": ["1 MiB"]}, sizes={**sizes, "M": value}),
    )

    for call in calls:
        with pytest.raises(FusemaxError, match="'fit' stands alone, as the size of a tile"):
            call()


@pytest.mark.parametrize(
    ("tile", "verb", "said"),
    [
        ("0", "cost", "is 0, but a tile is a whole number from 1"),
        ("0", "simulate", "tile P0 of mapping fusemax is 0, no whole number"),
        ("2d.columns**9", "simulate", "elements of a tile"),
    ],
)
def test_tiles_that_are_none(tile: str, verb: str, said: str):
    """A tile of nothing, and one of more elements than the simulator numbers."""
    design = fm.Design("attention/1-pass", "fusemax", "fusemax", changes={"tiles.P0": tile})
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "P": 64, "M": 512}

    with pytest.raises(FusemaxError, match=said):
        getattr(design, verb)(sizes)
