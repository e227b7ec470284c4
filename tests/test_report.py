"""The report tells what the tables say, on one page that needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars
import pytest

from fusemax.errors import FusemaxError
from fusemax.plot.spec import Picture
from fusemax.report import Points, Short, Study, write
from fusemax.report.agreement import agreements
from fusemax.report.numbers import Numbers
from fusemax.report.pictures import inline_svg
from fusemax.report.summary import headline
from fusemax.table.table import table_of
from tests.study_tables import SPEEDUPS, comparison, draw_all, results, write_tables

POINTS = Points(parts=("attention", "end to end"), baselines=("unfused", "FLAT"))
STUDY = Study(
    title="A tiny <study>",
    command="fusemax run tiny",
    points=POINTS,
    inputs={"studies/tiny.yaml": "0" * 64},
)
_VOID = {"meta", "br", "img", "input", "link", "hr"}


class _Page(HTMLParser):
    """Collects identifiers, links and text, and notes tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        self._note(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    def _note(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "xlink:href", "src"):
                self.links.append(value or "")


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert [] == page.open
    return page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a results folder with tables and figures."""
    folder = write_tables(tmp_path_factory.mktemp("results"))
    return folder


@pytest.fixture(scope="module")
def pictures(folder: Path) -> tuple[Picture, ...]:
    """Return the pictures in the folder."""
    return draw_all(folder)


def test_page_stands_alone(folder: Path, pictures: tuple[Picture, ...]) -> None:
    """All pictures are inside, links point into the page or the folder, and identifiers are unique."""
    page = _read(write(folder, replace(STUDY, pictures=pictures)))
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert len(pictures) == text.count("<svg")
    assert "<script" not in text
    assert "<metadata" not in text
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    outside = {link for link in page.links if not link.startswith("#")}
    assert all((folder / link).is_file() for link in outside)


def test_bytes_are_the_same_each_time(folder: Path, pictures: tuple[Picture, ...]) -> None:
    """A report that is written again has the same bytes."""
    first = write(folder, replace(STUDY, pictures=pictures)).read_bytes()
    assert first == write(folder, replace(STUDY, pictures=pictures)).read_bytes()


def test_sentences_hold_the_means(folder: Path) -> None:
    """Speed-ups in the text are those with which the table was made."""
    words = " ".join(_read(write(folder, STUDY)).words)
    assert "Attention: the fastest on average, +Binding, is 8.00 times as fast as unfused on average" in words
    assert "4.00 times as fast as FLAT on average" in words
    assert "8.00 times as fast as +Cascade on average, with 87.5% less traffic" in words
    assert "A tiny <study>" in words
    assert "It takes 50% less energy than unfused and 50% less energy than FLAT." in words


def test_means_are_of_ratios() -> None:
    """The mean over points of the ratio at each point, not the ratio of means; sums of parts included."""
    table = polars.DataFrame(results(), infer_schema_length=None)
    sums = {"end to end": ("attention", "linear")}
    numbers = Numbers(table_of(table), polars.DataFrame(comparison()), sums=sums)
    found = headline(numbers, table_of(table), "end to end", ("unfused",))
    cells = {line.configuration: line.cells for line in found.overall}
    expected = sum((time + 3) / (time / SPEEDUPS["+Binding"] + 3) for time in (1, 1024)) / 2
    assert expected == pytest.approx(cells["+Binding"][0].ours)
    assert expected == pytest.approx(cells["+Binding"][0].published)
    energy = sum((time / 2 + 1) / (time + 1) for time in (4, 4096)) / 2
    assert energy == pytest.approx(cells["+Binding"][1].ours)
    assert energy == pytest.approx(cells["+Binding"][1].published)


def test_published_mean_needs_every_point() -> None:
    """With one published value missing there is no published mean, and ours stays."""
    table = polars.DataFrame(results(), infer_schema_length=None)
    rows = [
        row
        for row in comparison()
        if (row["configuration"], row["model"], row["seq_len"]) != ("FLAT", "XLM", 1024)
    ]
    described = table_of(table)
    found = headline(Numbers(described, polars.DataFrame(rows)), described, "attention", ("unfused",))
    cell = next(line for line in found.overall if line.configuration == "FLAT").cells[0]
    assert 2.0 == pytest.approx(cell.ours)
    assert cell.published is None


def test_agreement_counts_rows() -> None:
    """Equal, close, explained and unexplained rows are told apart; the worst is named."""
    rows = comparison()[:8]
    for row, (difference, reason) in zip(
        rows,
        [
            (0.0, ""),
            (-1e-10, ""),
            (1e-7, ""),
            (0.1, "known"),
            (-0.2, "known"),
            (0.05, ""),
            (None, ""),
            (0.0, ""),
        ],
        strict=True,
    ):
        row |= {"table": "t", "quantity": "q", "relative_difference": difference, "reason": reason}
    (found,) = agreements(polars.DataFrame(rows[:6] + rows[7:]))
    assert (7, 3, 1, 1) == (found.rows, found.equal, found.close, found.unexplained)
    assert -0.2 == found.worst
    assert ("known",) == found.reasons
    (found,) = agreements(polars.DataFrame(rows))
    assert 2 == found.unexplained


def test_unexplained_rows_are_shown(folder: Path, tmp_path: Path) -> None:
    """The page says how many numbers differ for no reason given."""
    write_tables(tmp_path)
    table = polars.read_parquet(tmp_path / "comparison.parquet")
    table.with_columns(reason=polars.lit("not explained")).write_parquet(tmp_path / "comparison.parquet")
    words = " ".join(_read(write(tmp_path, STUDY)).words)
    assert "40 are equal to ours within 1e-9. 40 differ and nothing says why." in words


def test_parts_that_do_not_differ_are_left_out(folder: Path) -> None:
    """Without a choice of parts, those where every configuration takes the same time are not told of."""
    words = " ".join(_read(write(folder, replace(STUDY, points=Points()))).words)
    assert "End to end" in words
    assert "Linear" not in words


def test_other_studies_need_no_comparison(tmp_path: Path) -> None:
    """Results alone make a page: nothing is called the fastest or published, what is missing is a dash."""
    rows = [row | {"energy_J": float("nan")} for row in results() if row["part"] == "attention"]
    polars.DataFrame(rows, infer_schema_length=None).write_csv(tmp_path / "results.csv")
    page = _read(write(tmp_path, Study(title="Mine", command="fusemax run mine.yaml", points=Points())))
    words = " ".join(page.words)
    assert "published" not in words
    assert "fastest" not in words
    assert "8.00 times as fast as +Cascade on average" in words
    assert "–" in page.words
    assert not re.search(r"\bnan\b", words)


def test_names_are_text_not_markup(tmp_path: Path) -> None:
    """A model with an angle bracket in its name stays text."""
    rows = [row | {"model": "<b>&"} for row in results() if row["model"] == "BERT"]
    polars.DataFrame(rows, infer_schema_length=None).write_csv(tmp_path / "results.csv")
    page = _read(write(tmp_path, STUDY))
    assert "<b>&" in page.words


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"baselines": ("FLTA",)},
            "no configuration of 'attention' is called 'FLTA'; there are: unfused, FLAT",
        ),
        (
            {"parts": ("decode",)},
            "the results have no part 'decode'; there are: attention, linear, end to end",
        ),
    ],
)
def test_wrong_names_are_told(folder: Path, change: dict[str, tuple[str, ...]], message: str) -> None:
    """A baseline or a part that is not in the tables is refused with those there are."""
    with pytest.raises(FusemaxError) as caught:
        write(folder, replace(STUDY, points=replace(POINTS, **change)))
    assert str(caught.value).startswith(message)


def test_missing_figure_is_told(tmp_path: Path, pictures: tuple[Picture, ...]) -> None:
    """A picture that was not drawn is named, and no report is written."""
    write_tables(tmp_path)
    with pytest.raises(FusemaxError) as caught:
        write(tmp_path, replace(STUDY, pictures=pictures))
    path = tmp_path / f"{pictures[0].file}.svg"
    assert f"{path}: the figure cannot be read (No such file or directory)" == str(caught.value)
    assert not (tmp_path / "report.html").exists()


def test_missing_column_is_told(tmp_path: Path) -> None:
    """Results without a column that the page needs are refused."""
    polars.DataFrame({"part": ["attention"], "configurations": ["ours"]}).write_csv(tmp_path / "results.csv")
    with pytest.raises(
        FusemaxError, match="there is no column 'configuration'; did you mean 'configurations'"
    ):
        write(tmp_path, STUDY)


def test_inlined_pictures_do_not_meet() -> None:
    """Identifiers and the references to them carry the name of the picture; other texts stay."""
    svg = '<?xml version="1.0"?><svg width="9pt"><a id="x" clip-path="url(#x)"/><use href="#x"/></svg>'
    head, body = (
        '<svg role="img" aria-label="a &quot;b&quot;">',
        '<a id="f-x" clip-path="url(#f-x)"/><use href="#f-x"/></svg>',
    )
    assert head + body == inline_svg(svg, "f", 'a "b"')
    with pytest.raises(FusemaxError, match=r"f\.svg: not an SVG document"):
        inline_svg("hello", "f", "")


def test_a_study_of_another_kind(tmp_path: Path) -> None:
    """Without configurations at points there is no headline, but sentences, short tables and the command."""
    short = Short(title="Few", headings=("what", "how many"), rows=(("a <b>", "3"),))
    page = Study(title="Mine", command="fusemax run 'my study.yaml'", said=("All is well.",), short=(short,))
    words = " ".join(_read(write(tmp_path, page)).words)
    assert "All is well. Few what how many a <b> 3" in words
    assert "fusemax run 'my study.yaml'" in words
    assert not {"Headline", "published", "Step"} & set(words.split())


def test_contents_list_the_sections_that_are_there() -> None:
    """Links lead to sections of the page, in order; a page of one section needs none."""
    from fusemax.report.rendered import _CONTENTS, _with_contents

    section = '<section id="{0}">\n<h2>{1}</h2>\n</section>\n'
    two = _with_contents(
        f"{_CONTENTS}\n{section.format('run', 'What was run')}{section.format('figures', 'Figures')}"
    )
    one = _with_contents(f"{_CONTENTS}\n{section.format('run', 'What was run')}")

    assert '<li><a href="#run">What was run</a></li>\n<li><a href="#figures">Figures</a></li>' in two
    assert "<nav" not in one
