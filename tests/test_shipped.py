"""What comes with fusemax is found by name, and a wheel carries all of it and nothing beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fusemax import shipped as module
from fusemax.shipped import SHELVES, UnknownNameError, find, find_machine, find_mapping, machines, shipped

REPOSITORY = Path(__file__).resolve().parent.parent
FILES = (
    "einsums/attention/flash.yaml",
    "einsums/softmax.yaml",
    "arch/wide/machine.yaml",
    "arch/wide/edge.yaml",
    "arch/wide/binding.yaml",
    "arch/tall/machine.yaml",
    "arch/tall/unfused.yaml",
    "studies/short.yml",
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a root with a few empty files, in place of the shipped one; the current folder is elsewhere."""
    for name in FILES:
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(module, "ROOT", tmp_path / "root")
    return tmp_path / "root"


def test_names_in_order(root):
    """A name is the path below the shelf without its ending."""
    assert ["attention/flash", "softmax"] == list(shipped("einsums"))
    assert {"short": root / "studies/short.yml"} == shipped("studies")
    assert {} == shipped("nowhere")


def test_find_by_name_and_by_path(root):
    """A name gives the shipped file; an ending, or a file that exists, makes it a path."""
    Path("mine").touch()

    assert root / "einsums/attention/flash.yaml" == find("einsums", "attention/flash")
    assert Path("no/such.yaml") == find("einsums", "no/such.yaml")
    assert Path("mine") == find("einsums", "mine")


def test_machines(root):
    """A machine's name is its folder; other files of the folder are named with it."""
    Path("own").mkdir()
    Path("own/machine.yaml").touch()

    assert ["tall", "wide"] == list(machines())
    assert root / "arch/wide/machine.yaml" == find_machine("wide")
    assert root / "arch/wide/edge.yaml" == find_machine("wide/edge")
    assert Path("own/machine.yaml") == find_machine("own")
    assert Path("a/b.yml") == find_machine("a/b.yml")


def test_mappings(root):
    """A mapping is looked for beside its machine, then in the whole of arch, then as a path."""
    wide = root / "arch/wide/machine.yaml"

    assert root / "arch/wide/binding.yaml" == find_mapping("binding", wide)
    assert root / "arch/tall/unfused.yaml" == find_mapping("tall/unfused", wide)
    assert Path("x.yaml") == find_mapping("x.yaml", wide)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (
            lambda _: find("einsums", "attention/flush"),
            "no file called 'attention/flush' in einsums/; did you mean 'attention/flash'?",
        ),
        (
            lambda _: find("einsums", "zzz"),
            "no file called 'zzz' in einsums/; there are: attention/flash, softmax",
        ),
        (lambda _: find_machine("wde"), "no file called 'wde' in arch/; did you mean 'wide'?"),
        (
            lambda _: find("nowhere", "x"),
            "no file called 'x' in nowhere/; there are none; give the path of a .yaml file of your own",
        ),
        (
            lambda root: find_mapping("bindnig", root / "arch/wide/machine.yaml"),
            "no file called 'bindnig' in {root}/arch/wide/; did you mean 'binding'?",
        ),
        (
            lambda root: find_mapping("zzz", root / "gone/machine.yaml"),
            "no file called 'zzz' in {root}/gone/; there are none; give the path of a .yaml file of your own",
        ),
    ],
)
def test_unknown_names(root, ask, expected):
    """An unknown name is answered with the nearest one or with all that there are."""
    with pytest.raises(UnknownNameError) as caught:
        ask(root)

    assert expected.format(root=root) == str(caught.value)


def test_shelves_hold_no_python():
    """A Python file on a shelf would break the editable install."""
    assert [] == [path for shelf in SHELVES for path in (REPOSITORY / shelf).rglob("*.py")]


@pytest.mark.slow
def test_wheel_carries_the_shelves_and_nothing_beside_the_package(tmp_path):
    """The YAML files of a wheel are those on disk, and it installs no other top-level folder."""
    command = [
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(REPOSITORY),
    ]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    on_disk = {
        path.relative_to(REPOSITORY).as_posix()
        for shelf in SHELVES
        for path in (REPOSITORY / shelf).rglob("*.y*ml")
    }
    inside = {
        name.removeprefix("fusemax/_shipped/") for name in names if name.startswith("fusemax/_shipped/")
    }

    assert on_disk == {name for name in inside if name.endswith((".yaml", ".yml"))}
    assert all(name.startswith(("fusemax/", "fusemax-")) for name in names)
