"""A report in a browser: nothing sticks out of the page, and no words of a figure lie on others."""

from __future__ import annotations

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

LOOK = """
<pre id="seen"></pre><script>
addEventListener('load', () => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  const over = [];
  for (const svg of document.querySelectorAll('svg')) {
    const box = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim());
    const words = texts.map(t => [t.textContent.trim(), t.getBoundingClientRect()]);
    for (const [text, r] of words) {
      const across = r.left < box.left - 1 || r.right > box.right + 1;
      if (across || r.top < box.top - 1 || r.bottom > box.bottom + 1) over.push(['cut', text]);
    }
    for (let i = 0; i < words.length; i++) for (let j = i + 1; j < words.length; j++) {
      const [a, p] = words[i], [b, q] = words[j];
      const x = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const y = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (x > 1.5 && y > 0.45 * Math.min(p.height, q.height)) over.push([a, b]);
    }
  }
  document.getElementById('seen').textContent = JSON.stringify({wide, over});
});
</script>"""


def seen(report: Path, width: int, folder: Path) -> dict:
    """What a window of *width* dots shows: by how many dots the page is too wide, and words that are cut or overlap."""
    page = folder / f"{report.parent.name}-{report.stem}-{width}.html"
    base = f'<base href="{report.as_uri()}">'  # styles and pictures stand beside the page itself
    text = report.read_text(encoding="utf-8").replace("<head>", f"<head>{base}", 1)
    page.write_text(text.replace("</body>", f"{LOOK}</body>"), encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},1000", "--virtual-time-budget=5000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout)
    assert found is not None, done.stderr[-500:]
    return json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


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
@pytest.mark.parametrize("width", [1280, 500])  # a window of Chromium is never narrower than 500
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
    "index",
    "gallery",
    "studies",
    "tutorial",
    "python",
    "reference/command-line",
    "notebooks/1-first-steps",
)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 500])
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
