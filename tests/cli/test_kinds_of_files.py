"""``check`` takes a file for what it is meant to be, and says what ``model`` would."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.cli.check import check_file
from fusemax.cli.new import new
from fusemax.errors import FusemaxError
from fusemax.model.config import load_model
from fusemax.model.system import load_system


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "config.json:1:1: the file is empty"),
        ("[1]", "config.json:1:1: expected a mapping of keys to values"),
        ('{"hidden_size": 64}', "config.json:1:1: model_type: required key is missing"),
        ('{"model_type": "llama", "hidden_size": ]}', "config.json:1:40: not YAML"),
    ],
)
def test_a_models_file(tmp_path: Path, text: str, said: str) -> None:
    """What is called config.json is a model's, whatever stands in it."""
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(FusemaxError) as caught:
        check_file(tmp_path / "config.json")
    assert said in str(caught.value)


def test_a_cascade_as_json(tmp_path: Path) -> None:
    """JSON is YAML: a cascade in it is no certificate."""
    text = '{"title": "t", "source": "s", "inputs": {"A": ["K"]}, "outputs": ["Z"], "einsums": "Z = A[k] :: sum[k]"}'
    (tmp_path / "sum.json").write_text(text.replace("Z = ", "Z[] = "), encoding="utf-8")
    assert check_file(tmp_path / "sum.json") == "cascade"


def test_a_model_in_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is called as its folder is, also from inside."""
    text = (
        "{model_type: llama, hidden_size: 64, num_attention_heads: 2, intermediate_size: 64,"
        " num_hidden_layers: 1, vocab_size: 8}"
    )
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.json").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "small")
    assert load_model(Path("config.json")).name == "small"


@pytest.mark.parametrize(
    ("chip", "said"), [(None, "chip.yaml: cannot be read"), ("title: t", "the chip is not right")]
)
def test_the_chip_of_a_system(tmp_path: Path, chip: str | None, said: str) -> None:
    """A system is refused by ``check`` where its chip is not there, or wrong."""
    shipped = Path(__file__).parents[2] / "arch" / "systems" / "8xh100.yaml"
    system = tmp_path / "mine.yaml"
    system.write_text(shipped.read_text("utf-8").replace("chip: h100", "chip: chip.yaml"), encoding="utf-8")
    if chip is not None:
        (tmp_path / "chip.yaml").write_text(chip, encoding="utf-8")
    with pytest.raises(FusemaxError) as caught:
        load_system(str(system))
    assert f"{system}:9:7: chip: " in str(caught.value)
    assert said in str(caught.value)


def test_what_follows_a_new_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mapping without a machine beside it is followed by the command that makes one."""
    monkeypatch.chdir(tmp_path)
    new("mapping", "mine.yaml")
    assert "fusemax new machine ./machine.yaml\n" in capsys.readouterr().out
    new("machine", "./machine.yaml")
    capsys.readouterr()
    new("mapping", "other.yaml")
    assert "new machine" not in capsys.readouterr().out
