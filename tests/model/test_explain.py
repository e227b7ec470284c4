"""Where the time of a step of a whole model comes from: the same number as its table has, down to figures and sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fusemax.cli.model_explain import explained
from fusemax.errors import FusemaxError
from fusemax.model.config import load_model
from fusemax.model.engine import Engine, Host
from fusemax.model.parallel import Parallel
from fusemax.model.predict import Predictor
from fusemax.model.system import load_system
from fusemax.quantity import format_quantity

LLAMA = load_model(Path(__file__).parents[2] / "studies" / "models" / "llama-3.1-8b")


def test_every_step_is_explained() -> None:
    """Each names its time in the pass; where it has a mapping, the formulas begin with the time of one run."""
    predictor = Predictor(LLAMA, "h100")
    passed = predictor.prefill(1, 256)
    for row in passed.rows:
        text = explained(predictor, passed, row.step.name, 1)
        assert f"{row.step.part}, {row.step.name}: " in text
        assert format_quantity(row.time_s, "s", 4) in text
        assert "launch" in text
        if row.price.form:
            assert f"cascade {row.price.form}, mapping {row.price.mapping}, " in text
            said = re.search(r"^latency_s = (.*)$", text, re.MULTILINE)
            assert said is not None
            assert format_quantity(row.price.time_s, "s", 5) == said[1]


def test_figures_that_were_set_are_told() -> None:
    """A step that only moves numbers takes as long as they take through the outermost level, whose bandwidth was set."""
    predictor = Predictor(LLAMA, "h100", figures={"DRAM.bandwidth": 1e12})
    text = explained(predictor, predictor.decode(1, 256), "norm", 1)

    assert re.search(r"DRAM\.bandwidth +1 TB/s +as you set it", text)


def test_kernels_of_a_graph_tell_their_own_figure() -> None:
    """What a kernel of a recorded graph takes stands in the place of the launch, as the machine says it or as it was set."""
    for figures, said in (({}, "1.3 us"), ({"graph_launch": 2e-6}, "2 us +as you set it")):
        predictor = Predictor(LLAMA, "h100", figures=figures, engine=Engine(kernels="recorded"))
        text = explained(predictor, predictor.decode(1, 256), "norm", 1)
        assert re.search(rf"^graph_launch +{said}", text, re.MULTILINE)
        assert not re.search(r"^launch ", text, re.MULTILINE)


def test_what_chips_send_and_what_is_not_there() -> None:
    """A collective names its algorithm; a step that is misspelt is refused with the one that was meant."""
    system = load_system("8xh100")
    predictor = Predictor(LLAMA, system.chip, system=system, parallel=Parallel(tensor=8))
    passed = predictor.prefill(1, 256)
    text = explained(predictor, passed, "all-reduce after the mixer", 1)
    assert "numbers that chips send each other, by custom two-shot" in text
    with pytest.raises(FusemaxError, match="no step 'atention'\n  hint: did you mean 'attention'"):
        explained(predictor, passed, "atention", 1)


def test_what_waits_is_no_kernel() -> None:
    """The host, and micro-batches behind the first, are told in words."""
    engine = Engine(host=Host(pass_s=1e-3))
    parallel = Parallel(pipeline=2, micro=2)
    predictor = Predictor(LLAMA, "h100", system=load_system("8xh100"), parallel=parallel, engine=engine)
    passed = predictor.prefill(2, 64)
    assert "waits for its host, as --host says it: before the pass" in explained(
        predictor, passed, "waiting for the host", 1
    )
    assert "as fast as its slowest stage: stage" in explained(predictor, passed, "other micro-batches", 1)
