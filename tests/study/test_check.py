"""``check`` refuses what ``run`` would, at its place, all at once; ``run`` leaves a row for what does not fit."""

from __future__ import annotations

import re
from pathlib import Path

import polars
import pytest

from fusemax.cli.check import check_file
from fusemax.errors import FusemaxError
from fusemax.shipped import find
from tests.study.engine import run_file

HEAD = "kind: sweep\ntitle: t\nsource: own\n"
SIZES = "{B: 1, H: 2, E: 64, F: 64, M: [512, 2Ki], P: M}"
GRID = "{B: 1, H: 2, E: 64, F: 64, P: M}\n  grid: {M: [512, 2Ki]}"
MANY = str(list(range(1, 30_000)))
ONE = "{c: {machine: fusemax, mapping: fusemax}}"


def study(
    tmp_path: Path, sizes: str = SIZES, configurations: str = ONE, more: str = "", part: str = ""
) -> Path:
    """Return the file of a study of one part."""
    path = tmp_path / "mine.yaml"
    text = f"{HEAD}parts:\n- name: a\n  sizes: {sizes}\n{part}  configurations: {configurations}\n{more}"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    """Return what is said of the study at *path*."""
    with pytest.raises(FusemaxError) as caught:
        check_file(path)
    return str(caught.value)


@pytest.mark.parametrize("sizes", [SIZES, GRID], ids=["list", "grid"])
def test_all_wrong_names_at_once(tmp_path: Path, sizes: str) -> None:
    """Machine, mapping and figure names, each with its place and what is near."""
    wrong = (
        "{u: {machine: fusemx, mapping: fusemax}, v: {machine: fusemax, mapping: fusmax},"
        " w: {machine: fusemax, mapping: fusemax, figures: {L3.sise: 1 MiB}}}"
    )
    said = refused(study(tmp_path, sizes, wrong))
    line = 8 if "grid" in sizes else 7
    for name, near in (("'fusemx'", "'fusemax'"), ("'fusmax'", "'fusemax'"), ("L3.sise", "'L3.size'")):
        assert name in said
        assert f"did you mean {near}" in said
    assert 3 == said.count(f"mine.yaml:{line}:")


def test_mistakes_of_several_kinds_at_once(tmp_path: Path) -> None:
    """Misspelt keys hide neither wrong names of machines nor what is wrong with figures, and no title hides nothing."""
    path = study(
        tmp_path,
        configurations="{u: {machin: fusemax, mapping: fusmax}, v: {machine: fusemx, mapping: fusemax}}",
        more="figurs:\n- {file: f, kind: pie, x: seq_len, y: latency_s}\nsummary: {baselines: [w]}\n",
    )
    path.write_text(path.read_text(encoding="utf-8").replace("title: t", "titel: t"), encoding="utf-8")
    said = refused(path)
    for text in (
        "2:1: titel: unknown key 'titel'\n  hint: did you mean 'title'?", "7:24: parts.0.configurations.u.machin: unknown key",
        "7:50: parts.0.configurations.u.mapping: no file called 'fusmax'", "7:72: parts.0.configurations.v.machine: no file",
        "8:1: figurs: unknown key", "9:19: figures.0.kind: expected one of",
        "summary.baselines.0: no configuration is called 'w'",
    ):  # fmt: skip
        assert text in said, said


def test_two_rows_of_one_point(tmp_path: Path) -> None:
    """Two parts of one name with the same configuration and sizes: nothing would tell their rows apart."""
    more = f"- name: a\n  sizes: {SIZES}\n  configurations: {ONE}\n"
    said = refused(study(tmp_path, more=more))
    assert "mine.yaml:8:3: parts.1: there are two rows of part a, configuration c, seq_len 512" in said


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("taxonomy", ("lengths: [4Ki,", "lengths: [4Kii,"), "lengths.0: expected a number such as '16Ki', got '4Kii'"),
        ("taxonomy", ("word: 2B", "word: 2iB"), "word: expected a quantity in B such as '16 MiB', got '2iB'"),
        ("models", ("length: [1Ki, 4Ki, 16Ki]", "length: [1Kl]"), "phases.0.length.0: expected a number such as '16Ki'"),
    ],
)  # fmt: skip
def test_quantities_of_other_kinds_have_places(
    tmp_path: Path, kind: str, change: tuple[str, str], said: str
) -> None:
    """A quantity that cannot be read is told with its place in studies of every kind."""
    text = find("studies", kind).read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(*change), encoding="utf-8")
    found = next(line for line in refused(path).splitlines() if said in line)
    assert re.match(r"\S+mine\.yaml:\d+:\d+: ", found)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ("{B: -1, H: 2, E: 64, F: 64, M: 512, P: M}", "6:14: parts.0.sizes.B: expected a whole number of at least 1"),
        ("{B: 1, H: 2, E: 64, F: 64, M: [512, 0], P: M}", "parts.0.sizes.M.1: expected a whole number"),
        ("{B: 1, H: 2, E: 64, F: 64, M: 512}", "needs a size for P"),
        ("{B: 1, H: 2, E: 64, F: 64, M: 512, P: Q}", "no size is given for Q"),
        ("{B: 1, H: 2, E: 64, F: 64, M: P, P: M}", "M, P need each other"),
        ("{B: 1, H: 2, E: 64, F: 64, M: 5, P: M/2}", "P = 2.5 is not a whole number"),
        ("{B: 1, H: 2, E: 64, F: 64, M: [512, 512], P: M}", "512 stands twice"),
        ("{B: 1, H: 2, E: 64, F: 64, M: 512, P: M, R: 7}", "no cascade of this part has a rank or size 'R'"),
        ("{B: 1, H: 2, E: 64, F: 64, M: 512, P: M, clock: 1 GHz}", "'clock' is a figure of a machine"),
        (
            "{B: 1, H: 2, E: 64, F: 64, M: [1, 2, 3, 4, 5, 6, 7, 8], P: MANY}".replace("MANY", MANY),
            "239,992 points",
        ),
    ],
)  # fmt: skip
def test_wrong_sizes(tmp_path: Path, sizes: str, said: str) -> None:
    """Sizes that are missing, not used, or can be none."""
    assert said in refused(study(tmp_path, sizes))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("summary: {baselines: [d]}\n", "summary.baselines.0: no configuration is called 'd'"),
        ("summary: {parts: [b]}\n", "summary.parts.0: no part is called 'b'"),
        ("compare: {published: no.csv, tolerance: 1}\n", "compare.published: "),
        (
            "figures:\n- {file: f, kind: bars, x: seq_len, y: latency}\n",
            "9:40: figures.0.y: there is no column",
        ),
        (
            "figures:\n- {file: f, kind: bars, x: seq_len, y: utilization_3d}\n",
            "did you mean 'utilization_2d'?",
        ),
        ("figures:\n- {file: f, kind: bar, x: seq_len, y: latency_s}\n", "figures.0.kind: "),
        ("figures:\n- {file: f, kind: bars, x: seq_len, y: latency_s, tilte: t}\n", "did you mean 'title'?"),
        ("figures:\n- {file: f, kind: bars, x: seq_len}\n", "figures.0: y: required key is missing"),
        ("figures:\n- {file: f, kind: bars, x: seq_len, y: latency_s, title: '{'}\n", "figures.0.title: "),
        (
            "figures:\n- {file: f, kind: bars, x: seq_len, y: latency_s, title: '{modle}'}\n",
            "no column 'modle'",
        ),
        (
            "figures:\n- {file: f, kind: bars, x: seq_len, y: latency_s, where: {part: b}}\n",
            "no row has part = 'b'",
        ),
        (
            "figures:\n- {file: f, kind: bars, x: seq_len, y: latency_s, series: configuration, baseline: d}\n",
            "figures.0.baseline: no series is called 'd'",
        ),
        ("figures:\n- {file: f, kind: bars, table: comparison, x: part, y: ours}\n", "no table 'comparison'"),
    ],
)
def test_wrong_names_outside_the_parts(tmp_path: Path, more: str, said: str) -> None:
    """Baselines, parts, tables and columns that there will not be are found before anything runs."""
    path = study(tmp_path, more=more)
    assert said in refused(path)
    with pytest.raises(FusemaxError):
        run_file(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("  total_of: [b]\n", "parts.0.total_of.0: no other part is called 'b'"),
        ("  sum_over: model\n", "parts.0.sum_over: the part has no table 'model'"),
        ("  outputs: [latancy_s]\n", "parts.0.outputs: there is no output 'latancy_s'"),
        ("  where: [M > 1Mi]\n", "parts.0.where: part 'a' has no points"),
    ],
)
def test_wrong_keys_of_a_part(tmp_path: Path, part: str, said: str) -> None:
    """Keys that mean nothing where they stand."""
    assert said in refused(study(tmp_path, part=part))


def test_what_does_not_fit_is_a_row(tmp_path: Path) -> None:
    """With 16 KiB a block of keys and queries has no room; the row says so, and figures and report have a gap."""
    plain = "{machine: fusemax, mapping: fusemax}"
    small = f"{{large: {plain}, small: {plain[:-1]}, figures: {{L3.size: 16 KiB}}}}}}"
    figure = (
        "figures:\n- {file: f, kind: lines, x: seq_len, y: latency_s, series: configuration}\n"
        "- {file: g, kind: lines, x: seq_len, y: latency_s, where: {configuration: small}}\n"
    )
    run_file(study(tmp_path, configurations=small, more=figure), tmp_path / "out")
    table = polars.read_csv(tmp_path / "out" / "results.csv")
    rows = table.select("configuration", "seq_len", "fits").rows()
    assert [
        ("large", 512, True),
        ("large", 2048, True),
        ("small", 512, False),
        ("small", 2048, False),
    ] == rows
    assert table["reason"][3].startswith("L3 is too small in nest")
    assert [None] == table.filter(~polars.col("fits"))["latency_s"].unique().to_list()
    assert (tmp_path / "out" / "f.svg").exists()
    assert not (tmp_path / "out" / "g.svg").exists()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "2 points have no value and left a gap" in page
    assert "It fits at no point" in page


def test_paths_are_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study, its machine, mapping and cascade in other folders than the one that it is run from."""
    from fusemax.shipped import ROOT

    inner = tmp_path / "deep"
    (inner / "chip").mkdir(parents=True)
    shelf = ROOT / "arch" / "fusemax"
    (inner / "chip" / "machine.yaml").write_text((shelf / "machine.yaml").read_text(encoding="utf-8"))
    mapping = (shelf / "fusemax.yaml").read_text(encoding="utf-8")
    (inner / "chip" / "map.yaml").write_text(
        mapping.replace("cascade: attention/1-pass", "cascade: own.yaml")
    )
    (inner / "chip" / "own.yaml").write_text(
        (ROOT / "einsums/attention/1-pass.yaml").read_text(encoding="utf-8")
    )
    own = "{c: {machine: chip, mapping: map}, d: {machine: chip/machine.yaml, mapping: chip/map.yaml}}"
    for number, sizes in enumerate((SIZES, GRID)):
        path = study(inner, sizes, own)
        monkeypatch.chdir(tmp_path)
        check_file(path)
        run_file(Path("deep/mine.yaml"), tmp_path / f"out{number}")
        table = polars.read_csv(tmp_path / f"out{number}" / "results.csv")
        assert 4 == table.height
        assert table["latency_s"][0] == table["latency_s"][2]


def test_dollars_are_text(tmp_path: Path) -> None:
    """Names and titles with dollars, braces and underscores are shown as they are."""
    more = "figures:\n- {file: f, kind: bars, x: seq_len, y: latency_s, series: configuration, title: '$\\frac$ a_b^$'}\n"
    names = (
        "{'costs $5 and $6_': {machine: fusemax, mapping: fusemax}, _x: {machine: fusemax, mapping: fusemax}}"
    )
    run_file(study(tmp_path, configurations=names, more=more), tmp_path / "out")
    svg = (tmp_path / "out" / "f.svg").read_text(encoding="utf-8")
    assert "$\\frac$ a_b^$" in svg
    assert "costs $5 and $6_" in svg
    assert ">_x<" in svg


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("{clock: {from: 1 GHz, to: 2 GHz, steps: 2000000}}", "'steps' is at most 1,000,000"),
        (
            "{clock: {from: 1 GHz, to: 2 GHz, steps: 90000}, launch: {from: 0 s, to: 1 s, steps: 90000}}",
            "a table of 8.1e+09 points is too large",
        ),
    ],
)
def test_grids_without_end(tmp_path: Path, grid: str, said: str) -> None:
    """More points than can be run are refused before they are counted out."""
    sizes = "{B: 1, H: 2, E: 64, F: 64, M: 512, P: M}\n  grid: " + grid
    assert said in refused(study(tmp_path, sizes))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: derivations\ntitle: t\ncascades: [attention/3-pas]\n", "3:12: cascades.0: no file called"),
        (
            "kind: derivations\ntitle: t\nknown:\n  attention/3-pass: {rank: Q, passes: 1, source: s}\n",
            "known.attention/3-pass.rank: cascade attention/3-pass has no rank 'Q'",
        ),
    ],
)
def test_other_kinds(tmp_path: Path, text: str, said: str) -> None:
    """Cascades and ranks that there are not."""
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    assert said in refused(path)


def test_what_other_kinds_would_stop_at(tmp_path: Path) -> None:
    """A size that a bound needs, and a mapping of another cascade: told before anything is worked out."""
    from fusemax.shipped import ROOT

    path = tmp_path / "mine.yaml"
    text = (ROOT / "studies/taxonomy.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("H: 1, E: 64, F: 64", "H: 1, F: 64"), encoding="utf-8")
    assert "needs a size for E" in refused(path)
    text = (ROOT / "studies/gpu-passes.yaml").read_text(encoding="utf-8")
    path.write_text(
        text.replace("cascade: attention/3-pass,", "cascade: attention/2-pass,"), encoding="utf-8"
    )
    assert "three-pass.yaml:" in refused(path)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("{kind: energy}", "two rows for component = 2d mac, configuration = c\n  hint: they differ in seq_len"),
        ("{seq_len: 512}", "10:3: figures.0: value has several units: cycles (cycles), time (s)"),
        ("{kind: energy, seq_len: 512}", ""),
    ],
)  # fmt: skip
def test_what_a_stack_would_add_up(tmp_path: Path, where: str, said: str) -> None:
    """Energies of two lengths, or joules and cycles, make no bar; ``check`` knows the pieces of each row before it runs."""
    figure = "{file: f, kind: stacks, x: configuration, y: value, series: component, table: breakdown"
    path = study(tmp_path, more=f"figures:\n- {figure}, where: {where}}}\n")
    path.write_text(path.read_text(encoding="utf-8").replace("parts:", "\nparts:"), encoding="utf-8")
    if said:
        assert said in refused(path)
    else:
        check_file(path)


def test_what_figures_ask_of_a_grid(tmp_path: Path) -> None:
    """A unit of other values, a value that no point has, a misspelt key told once: though which rows stay is not known yet."""
    grid = "{B: 1, H: 2, E: 64, F: 64, P: M}\n  grid: {M: [512, 2Ki], L3.size: [4 MiB, 16 MiB]}\n  where: [latency_s < 1]"
    figures = """figures:
- {file: a, kind: lines, x: M, y: latency_s, unit: J, where: {L3.size: 4194304}}
- {file: b, kind: lines, x: M, y: latency_s, unit: ms, where: {L3.size: 4 MiB}}
- {fille: c, kind: lines, x: M, y: latency_s, series: L3.size}
"""
    said = refused(study(tmp_path, sizes=grid, more=figures))

    assert "figures.0.unit: values in 's' are not shown in 'J'; there are: s, ms, us, ns, ps" in said
    assert (
        "figures.1.where.L3.size: no row has L3.size = '4 MiB'\n  hint: there are: 4194304.0, 16777216.0"
        in said
    )
    assert "figures.2.fille: unknown key 'fille'\n  hint: did you mean 'file'?" in said
    assert 3 == said.count("hint: ") + said.count("not shown")


def test_a_published_table_needs_no_name_of_its_own(tmp_path: Path) -> None:
    """A table without the columns ``table`` and ``seq_len`` is called as its file, in the comparison and in the report."""
    (tmp_path / "claims.csv").write_text("part,configuration,quantity,value\np,c,latency_s,0.5\n")
    (tmp_path / "own.yaml").write_text(
        "kind: sweep\ntitle: t\nsource: s\nlength: M\nparts:\n"
        "- name: p\n  sizes: {B: 1, H: 1, E: 64, F: 64, M: 1024, P: M}\n"
        "  configurations: {c: {machine: fusemax, mapping: fusemax}}\n"
        "compare: {published: claims.csv, tolerance: 0.1}\n"
    )
    folder = run_file(tmp_path / "own.yaml", tmp_path / "out")

    rows = (folder / "comparison.csv").read_text().splitlines()
    assert ["claims"] == [row.split(",")[rows[0].split(",").index("table")] for row in rows[1:]]
    assert "claims" in (folder / "report.html").read_text()
