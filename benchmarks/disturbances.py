"""More that ``safety.py`` tries: signals in every phase, a Dask cluster that breaks, a place where nothing can be written.

Each returns in a word or two what happened; words in capitals are wrong.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from safety import KEPT, command, judged, run, table

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PHASES = ("starting", "imports", "planning", "chunks", "table")
STAYED_S = 20.0  #: within which all that a run started has to be gone
ALONE = ("--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")


def signals(folder: Path, study: Path, dice: random.Random, number: int) -> str:
    """Send a signal to a run and all that it started, in one of the phases; then go on with what stands there."""
    kind = "workers" if number % 5 == 4 else dice.choice([kind for kind in KEPT if kind != "workers"])
    which, phase = SIGNALS[number % 3], PHASES[number // 3 % len(PHASES)]
    whole, out = folder / f"whole-{kind}", folder / "out"
    if not table(whole):
        status, said = run(study, whole, *KEPT[kind])
        assert status == 0, said
    started = subprocess.Popen(
        command(study, out, *KEPT[kind]), cwd=study.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    _reached(phase, out, started, dice)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, which)
    said = started.communicate(timeout=60)[1]
    named = f"{which.name} {phase}"
    if "Traceback" in said and phase != "starting":  # Python itself is stopped then
        return f"{named}: TRACEBACK"
    if not _ends(started.pid):
        return f"{named}: PROCESSES STAY"
    again = ("--resume",) if started.returncode else ("--fresh",)
    status, said = run(study, out, *KEPT[kind], *again)
    return f"{named}: {judged(out, table(whole), status, said)}"


def _reached(phase: str, out: Path, started: subprocess.Popen[str], dice: random.Random) -> None:
    """Return when the run *started* is somewhere in *phase*, or has ended."""
    wanted = {"planning": 0, "chunks": dice.randrange(1, 20), "table": 29}.get(phase)
    if wanted is None:
        time.sleep(dice.uniform(0.0, 0.03) if phase == "starting" else dice.uniform(0.05, 0.6))
        return
    while started.poll() is None and len(list(out.glob("chunks/*.json"))) < wanted:
        time.sleep(0.001)
    time.sleep(dice.uniform(0.0, 0.9 if phase == "planning" else 0.1))


def _ends(group: int) -> bool:
    """Return whether all processes of *group* are gone before long."""
    end_s = time.monotonic() + STAYED_S
    while time.monotonic() < end_s:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


# --- a cluster that breaks

BROKEN = ("scheduler killed", "worker killed", "no workers", "folder not seen", "no scheduler")


def cluster(folder: Path, study: Path, dice: random.Random, number: int) -> str:
    """Run on a Dask cluster of which something breaks: the table is right, or the run says in words what is wrong."""
    broken = BROKEN[number % len(BROKEN)]
    whole, out = folder / "whole-all", folder / "out"
    if not table(whole):
        assert run(study, whole)[0] == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        scheduler = workers = None
        if broken != "no scheduler":
            there = ("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
            scheduler = stack.enter_context(_dask(folder, *there))
        if broken not in ("no scheduler", "no workers"):
            elsewhere = _blind(folder) if broken == "folder not seen" else None
            workers = [
                stack.enter_context(_dask(folder, "worker", address, *ALONE, elsewhere=elsewhere))
                for _ in range(2)
            ]
        started = subprocess.Popen(
            command(study, out, "--cluster", address), cwd=study.parent, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        if broken in ("scheduler killed", "worker killed"):
            _reached("chunks", out, started, dice)
            victim = scheduler if broken == "scheduler killed" else (workers or [None])[0]
            assert victim is not None
            os.killpg(victim.pid, signal.SIGKILL)
        begin_s = time.monotonic()
        try:
            said = started.communicate(timeout=150)[1]
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()
            return f"{broken}: HANGS"
        took_s = time.monotonic() - begin_s
    if "Traceback" in said:
        return f"{broken}: TRACEBACK"
    if started.returncode == 0:
        return f"{broken}: {judged(out, table(whole), 0, '')}"
    if "hint: " not in said:
        return f"{broken}: SAYS NO WITHOUT A HINT {said[-200:]!r}"
    status, again = run(study, out, "--resume")
    text = f"{broken}: said no within {20 * (int(took_s) // 20 + 1)} s, then {judged(out, table(whole), status, again)}"
    return text if out.exists() or broken in ("no scheduler", "no workers") else f"{text} WRONG: no folder"


def _blind(folder: Path) -> Mapping[str, str]:
    """Return the environment of workers to which files of *folder* are not there, as on another machine."""
    hooks = folder / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "sitecustomize.py").write_text(
        "import pathlib\n_read = pathlib.Path.read_bytes\n"
        "def read_bytes(self):\n"
        "    if self.name == 'jobs.pickle':\n        raise FileNotFoundError(2, 'No such file', str(self))\n"
        "    return _read(self)\n"
        "pathlib.Path.read_bytes = read_bytes\n",
        encoding="utf-8",
    )
    return {"PYTHONPATH": str(hooks)}


@contextlib.contextmanager
def _dask(
    folder: Path, *arguments: str, elsewhere: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], cwd=folder, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **(elsewhere or {})},
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# --- nothing can be written


def readonly(folder: Path, study: Path, dice: random.Random, number: int) -> str:
    """Run an installation that is closed to writers, with a home that is closed too; in turn, the results as well."""
    del dice
    whole, out, site, home = (folder / name for name in ("whole-all", "out", "site", "home"))
    if not table(whole):
        assert run(study, whole)[0] == 0
    closed = bool(number % 2)
    if not site.exists():
        package = Path(__import__("fusemax").__file__).parents[1]
        for name in ("fusemax", "einsums", "arch", "studies"):
            shutil.copytree(package / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
        home.mkdir()
    out.mkdir()
    shut = [*site.rglob("*"), site, home, *([out] if closed else [])]
    for path in shut:
        path.chmod(0o555)
    done = subprocess.run(
        command(study, out), cwd=folder, capture_output=True, text=True, check=False, timeout=120, preexec_fn=_no_master,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(site)},
    )  # fmt: skip
    written = [path.name for path in (*site.rglob("__pycache__"), *home.iterdir())]
    for path in shut:
        path.chmod(0o755)
    if written:
        return f"site closed: WRONG {written[0]} was written"
    if closed:
        told = done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
        return "results closed: said no" if told else f"results closed: WRONG {done.stderr[-200:]!r}"
    return f"site closed: {judged(out, table(whole), done.returncode, done.stderr)}"


def _no_master() -> None:
    """Let the program that is started obey what files say of writers, whoever runs it."""
    import ctypes

    drop_from_bounding_set, override_of_permissions = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, override_of_permissions)


MORE = {"signals": signals, "cluster": cluster, "readonly": readonly}
