"""Certificates: what the search claims is found again without it, and a changed claim is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.errors import FusemaxError
from fusemax.search.certificate import Certificate, seal_of, verified

SIZES = ["B=2", "H=2", "M=512", "P=384", "E=32", "F=16"]


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate of 1-pass attention on FuseMax's chip."""
    path = tmp_path_factory.mktemp("certificate") / "c.json"
    pairs = [part for size in SIZES for part in ("--set", size)]
    arguments = ["map", "attention/1-pass", "--machine", "fusemax", *pairs, "--certificate", str(path)]
    found = CliRunner().invoke(build(), arguments)
    assert found.exit_code == 0, found.output
    return path


def test_a_certificate_is_verified(stated: Path) -> None:
    """The command says what was claimed; the bound is below the price."""
    found = CliRunner().invoke(build(), ["check", str(stated)])
    verdict = verified(stated)

    assert found.exit_code == 0, found.output
    assert "within" in found.output
    assert verdict.bound <= verdict.price


def _set(*path: str | int) -> Callable[[dict[str, Any], Any], None]:
    def change(data: dict[str, Any], value: Any) -> None:
        inside: Any = data
        for step in path[:-1]:
            inside = inside[step]
        old = inside[path[-1]]
        inside[path[-1]] = value(old) if callable(value) else value

    return change


TAMPERED = {
    "price": (_set("price", "latency_s"), lambda v: v * 0.99),
    "bound": (_set("proof", "value"), lambda v: v * 1.001),
    "weight": (_set("proof", "weights", "2d"), lambda v: v * 0.5),
    "negative weight": (_set("proof", "weights"), {"2d": 2.0, "1d": -1.0}),
    "words": (_set("proof", "words", "K"), lambda v: v + 1),
    "words in all": (_set("proof", "least_words"), 1.0),
    "covered": (_set("covered"), lambda v: v * 0.9),
    "claim": (_set("claim"), "the latency is optimal"),
    "mapping": (_set("mapping"), lambda v: v.replace("schedule: auto", "schedule: serial")),
    "words of its own": (_set("mapping"), lambda v: v + "words: {K: 1 B}\n"),
    "size": (_set("sizes", "M"), 500),
    "machine": (_set("machine"), "flat"),
    "absorb": (_set("absorb"), ["SQ"]),
    "space": (_set("space", "skeletons"), lambda v: v + 1),
    "kind": (_set("kind"), "proof"),
    "nan": (_set("price", "latency_s"), float("nan")),
    "text": (_set("price", "latency_s"), "fast"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_certificate_is_refused(what: str, stated: Path, tmp_path: Path) -> None:
    """Every part of a certificate is computed again, or bound to one that is: a new seal does not help."""
    data = json.loads(stated.read_text())
    change, value = TAMPERED[what]
    change(data, value)
    with suppress(ValueError):
        data["seal"] = seal_of(Certificate.model_validate(data))
    path = tmp_path / "c.json"
    path.write_text(json.dumps(data))

    with pytest.raises(FusemaxError):
        verified(path)


def _numbers(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(data, dict):
        for key, value in cast("dict[str, Any]", data).items():
            yield from _numbers(value, (*path, key))
    elif isinstance(data, int | float):
        yield path


def test_no_number_may_be_flipped(stated: Path, tmp_path: Path) -> None:
    """Counts of what was tried are a record that nobody can compute again; the seal tells that they were changed."""
    whole = json.loads(stated.read_text())
    places = list(_numbers(whole))
    assert ("space", "tilings") in places
    assert len(places) > 25
    for place in places:
        data = json.loads(stated.read_text())
        _set(*place)(data, lambda v: v + 1)
        path = tmp_path / "c.json"
        path.write_text(json.dumps(data))

        with pytest.raises(FusemaxError):
            verified(path)
