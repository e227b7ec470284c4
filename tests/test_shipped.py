"""What comes with fusemax is found by name, and a wheel carries all of it and nothing beside it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
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


@pytest.mark.slow
def test_a_wheel_works_where_nothing_else_does(tmp_path):
    """A clean environment, spaces in every path, no compiler, no home to write to: checks, costs and studies run.

    The libraries come from the environment of the tests; the package and its files come from the wheel alone.
    """
    home = tmp_path / "a folder with spaces"
    command = ["pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(home), str(REPOSITORY)]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    (wheel,) = home.glob("*.whl")
    venv.create(home / "env", symlinks=True)
    packages = home / "env" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    zipfile.ZipFile(wheel).extractall(packages)
    (home / "mine.yaml").write_text(STUDY, encoding="utf-8")
    environment = {"PATH": str(home / "none"), "HOME": "/dev/null", "LANG": "C.UTF-8"}

    def ran(*words: str) -> str:
        python = home / "env" / "bin" / "python"
        done = subprocess.run(
            [python, "-m", "fusemax", *words],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "mine.yaml: ok (study, sweep)" in ran("check", "mine.yaml")
    assert "latency" in ran("cost", "attention/1-pass", "--machine", "fusemax", "--mapping", "fusemax", "--set",
                            "B=1", "H=12", "E=64", "F=64", "M=4096", "P=4096")  # fmt: skip
    assert "report.html" in ran("run", "mine.yaml", "--out", "results here")
    assert {"report.html", "results.csv", "time.svg"} <= {
        path.name for path in (home / "results here").iterdir()
    }
    where = ran_python(home, environment)
    assert where.startswith(str(packages)), "the package of the wheel, not that of the checkout"


def ran_python(home: Path, environment: dict[str, str]) -> str:
    """Return where the environment in *home* has fusemax from."""
    words = [home / "env" / "bin" / "python", "-c", "import fusemax; print(fusemax.__file__)"]
    done = subprocess.run(words, cwd=home, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


STUDY = """kind: sweep
title: From a wheel
source: our own
parts:
- name: attention
  sizes: {B: 1, H: 2, E: 64, F: 64, P: M}
  grid: {M: [1Ki, 2Ki]}
  configurations: {FuseMax: {machine: fusemax, mapping: fusemax}}
figures:
- {file: time, kind: lines, x: seq_len, y: latency_s}
"""
