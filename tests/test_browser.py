"""A report in a browser: nothing sticks out of the page, and no words of a figure lie on others."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fusemax as fm
from tests.test_docs import ROOT, all_files

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: make setup-browser")

#: Told to the page around, which is as wide as no window of Chromium can be.
LOOK = """
<script>
addEventListener('load', () => {
  for (const folded of document.querySelectorAll('details')) folded.open = true;
  const wide = document.documentElement.scrollWidth - innerWidth;
  const over = [];
  const inside = (r, box) =>
    r.left >= box.left - 1 && r.right <= box.right + 1 && r.top >= box.top - 1 && r.bottom <= box.bottom + 1;
  for (const svg of document.querySelectorAll('svg')) {
    const box = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim());
    const words = texts.map(t => [t.textContent.trim(), t.getBoundingClientRect()]);
    const rolls = svg.closest('.scroll') && !svg.closest('figure.narrow');
    for (const [text, r] of words) {
      if (!inside(r, box)) over.push(['cut', text]);
      if (!rolls && r.right > innerWidth + 1) over.push(['beside the page', text]);
    }
    for (let i = 0; i < words.length; i++) for (let j = i + 1; j < words.length; j++) {
      const [a, p] = words[i], [b, q] = words[j];
      const x = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const y = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (x > 1.5 && y > 0.45 * Math.min(p.height, q.height)) over.push([a, b]);
    }
  }
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, holder = node.parentElement;
    if (!node.textContent.trim()) continue;
    if (holder.closest('svg, script, style, nav.md-nav, .md-header, .md-tabs, .md-search')) continue;
    const box = document.createRange();
    box.selectNodeContents(node);
    const r = box.getBoundingClientRect();
    if (!r.width || !r.height) continue;
    let at = holder, rolls = false;
    while (at) { rolls ||= ['auto', 'scroll'].includes(getComputedStyle(at).overflowX); at = at.parentElement; }
    const out = r.right > innerWidth + 1 || r.left < -1;
    if (!rolls && out) over.push(['beside the page', node.textContent.trim().slice(0, 40)]);
  }
  parent.postMessage(JSON.stringify({wide, over}), '*');
});
</script>"""
AROUND = """<!doctype html><pre id="seen"></pre><script>
addEventListener('message', told => { document.getElementById('seen').textContent = told.data; });
</script><iframe src="{page}" style="width:{width}px;height:1000px;border:0"></iframe>"""


def seen(report: Path, width: int, folder: Path) -> dict:
    """What a page of *width* dots shows: by how many dots it is too wide, and words that are cut, outside, or overlap."""
    page = folder / f"{report.parent.name}-{report.stem}-{width}.html"
    base = f'<base href="{report.as_uri()}">'  # styles and pictures stand beside the page itself
    text = report.read_text(encoding="utf-8").replace("<head>", f"<head>{base}", 1)
    page.write_text(text.replace("</body>", f"{LOOK}</body>"), encoding="utf-8")
    around = folder / f"around-{page.name}"
    around.write_text(
        AROUND.replace("{page}", page.as_uri()).replace("{width}", str(width)), encoding="utf-8"
    )
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        "--window-size=1400,1100", "--virtual-time-budget=5000", "--dump-dom", around.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-500:]
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> dict[str, Path]:
    """Reports of the published study and of the gallery's two."""
    folder = tmp_path_factory.mktemp("reports")
    studies = {"micro24": "micro24"}
    for name, text in all_files().items():
        if name.startswith("gallery-"):
            (folder / name).write_text(text, encoding="utf-8")
            studies[Path(name).stem] = str(folder / name)
    return {name: fm.run(study, out=folder / name).report for name, study in studies.items()}


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["micro24", "gallery-lengths", "gallery-chips"])
def test_reports_are_whole(name: str, width: int, reports, tmp_path) -> None:
    """No page is wider than its window, no words of a figure are cut, none lie on others."""
    found = seen(reports[name], width, tmp_path)

    assert [] == found["over"]
    assert found["wide"] <= 0


@pytest.fixture(scope="module")
def site() -> Path:
    """The documentation site: what ``make docs`` left, built now where that is older than the pages."""
    made = ROOT / "site"
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if not (made / "index.html").exists() or any(
        page.stat().st_mtime > (made / "index.html").stat().st_mtime for page in pages
    ):
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(made)]
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return made


PAGES = (
    "index", "gallery", "studies", "tutorial", "python", "mappings", "migrate", "models", "gpu", "cost-model",
    "reference/command-line", "reference/machine", "reference/python", "notebooks/1-first-steps", "notebooks/4-sweep-and-plot",
    "shipped/index",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
def test_pages_of_the_site_are_whole(width: int, site: Path, tmp_path: Path) -> None:
    """No page of the documentation is wider than its window; wide code and tables scroll by themselves."""
    found = {page: seen(site / f"{page}.html", width, tmp_path) for page in PAGES}

    assert {} == {page: what["wide"] for page, what in found.items() if what["wide"] > 0}
    assert {} == {page: what["over"] for page, what in found.items() if what["over"]}


def test_words_on_words_are_seen(tmp_path) -> None:
    """The look at a page finds what it is made to find."""
    page = tmp_path / "bad" / "report.html"
    page.parent.mkdir()
    words = '<text x="5" y="20">one</text><text x="9" y="21">two</text><text x="90" y="50">too long</text>'
    page.write_text(
        f'<body><svg width="100" height="60">{words}</svg><div style="width:2000px">wide</div></body>'
    )
    found = seen(page, 1280, tmp_path)

    assert ["one", "two"] in found["over"]
    assert ["cut", "too long"] in found["over"]
    assert found["wide"] > 0


def test_a_narrow_page_is_narrow(tmp_path) -> None:
    """400 dots are 400 dots: what is wider is found, though no window is so narrow, and what rolls is let be."""
    page = tmp_path / "narrow" / "report.html"
    page.parent.mkdir()
    words = "<p style='width:420px;white-space:nowrap'>" + "word " * 14 + "</p>"
    page.write_text(f"<html><head></head><body>{words}</body></html>")
    assert ["beside the page", ("word " * 14)[:40]] in seen(page, 400, tmp_path)["over"]
    assert [] == seen(page, 1280, tmp_path)["over"]
    page.write_text(f"<html><head></head><body><div style='overflow-x:auto'>{words}</div></body></html>")
    assert [] == seen(page, 400, tmp_path)["over"]


@pytest.mark.slow
def test_examples_of_docstrings_are_blocks_of_code(site: Path) -> None:
    """The reference shows what is typed and what is printed line by line, not as quotations."""
    page = (site / "reference/python.html").read_text(encoding="utf-8")

    assert '<span class="gp">&gt;&gt;&gt; </span>' in page
    assert "<blockquote>" not in page
