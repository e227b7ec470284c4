"""The pictures of the gallery are those that its studies draw: nothing moved, was cut, or lost its colour."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import fusemax as fm
from tests.test_docs import ROOT, all_files

PICTURES = {path.stem: path for path in (ROOT / "docs" / "gallery").glob("*.png")}
STUDIES = [name for name in all_files() if name.startswith("gallery-")]
TOLERANCE = (
    0.01  #: mean difference of a colour, of 1: another version of matplotlib may set a letter otherwise
)


def difference(one: Path, other: Path) -> float:
    """Return the mean difference of two pictures, each averaged over squares of four dots; 1 where sizes differ."""
    first, second = (imread(path)[..., :3] for path in (one, other))
    if any(abs(a - b) > 4 for a, b in zip(first.shape, second.shape, strict=True)):
        return 1.0
    height, width = (min(a, b) // 4 * 4 for a, b in zip(first.shape[:2], second.shape[:2], strict=True))
    blurred = [
        picture[:height, :width].reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3))
        for picture in (first, second)
    ]
    return float(np.abs(blurred[0] - blurred[1]).mean())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> dict[str, Path]:
    """The pictures of the gallery's studies, drawn now."""
    folder = tmp_path_factory.mktemp("gallery")
    for name in STUDIES:
        (folder / name).write_text(all_files()[name], encoding="utf-8")
        fm.run(folder / name, out=folder / Path(name).stem)
    return {path.stem: path for path in folder.rglob("*.png")}


def test_every_picture_is_drawn_by_a_study() -> None:
    """The gallery shows what its studies draw, and all of it."""
    files = {
        found
        for name in STUDIES
        for found in re.findall(r"file: ([\w-]+)", all_files()[name])
        if "." not in found
    }

    assert set(PICTURES) == files - {Path(name).stem for name in STUDIES}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_pictures_are_as_they_were_looked_at(name: str, drawn) -> None:
    """Each picture equals the one in docs/gallery within a tolerance."""
    assert difference(PICTURES[name], drawn[name]) < TOLERANCE


def test_a_lost_series_would_be_found(drawn, tmp_path) -> None:
    """The tolerance is finer than what one sees: a picture without one colour is too far away."""
    from matplotlib.image import imsave

    picture = imread(PICTURES["speed-up"])[..., :3].copy()
    blue = picture[..., 2] > picture[..., 0] + 0.3
    picture[blue] = 1.0
    imsave(tmp_path / "changed.png", picture)

    assert difference(tmp_path / "changed.png", drawn["speed-up"]) > TOLERANCE
