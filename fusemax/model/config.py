"""Read a Hugging Face ``config.json`` (or the same keys as YAML): one entry of :data:`READERS` for each kind of model.

What a key means is taken from the public configurations and the modelling code of the transformers library. Every size that a
reader needs has to be there and to fit the others; a kind of model that has no reader is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fusemax.errors import ProblemsError
from fusemax.model.reading.defaults import DEFAULTS
from fusemax.model.reading.dense import FAMILIES, OTHER_NAMES, read_dense
from fusemax.model.reading.encoders import ENCODERS
from fusemax.model.reading.gemma import GEMMA
from fusemax.model.reading.hybrid import HYBRID
from fusemax.model.reading.keys import Keys
from fusemax.model.reading.latent import LATENT
from fusemax.model.reading.lightning import LIGHTNING
from fusemax.model.reading.older import OLDER
from fusemax.model.reading.pairs import PAIRS
from fusemax.model.reading.recurrent import RECURRENT
from fusemax.model.reading.sound import SOUND
from fusemax.model.reading.sparse import SPARSE
from fusemax.model.reading.stored import KEY, stored_in
from fusemax.model.reading.turning import TURNING
from fusemax.model.shape import Model
from fusemax.nearest import nearest
from fusemax.shipped import is_folder
from fusemax.source import Document, KeyPath, read_yaml

Reader = Callable[[Keys, str, str], Model]
READERS: Mapping[str, Reader] = {
    **dict.fromkeys((*FAMILIES, *OTHER_NAMES), read_dense), **SPARSE, **LATENT, **RECURRENT, **HYBRID, **GEMMA, **LIGHTNING,
    **OLDER, **ENCODERS, **TURNING, **SOUND, **PAIRS,
}  # fmt: skip
TIED = "tie_word_embeddings"  #: stands in the part of a wrapper, or else around it
#: Keys under which a model of several parts (text and images) has the keys of its decoder.
INSIDE = ("text_config", "llm_config", "language_config", "thinker_config")
_MIXER = "its mixer is not modelled in a whole model"
_BERT = "model_type: bert takes its sizes with attention to all tokens"
_TWO = "holds two models, of text and of images"
_TAKE = "write one of text_config and vision_config into a file of its own, with its model_type, such as {kind}_vision_model"
#: Kinds that are known and not modelled: why, and what to do.
REFUSED: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("longt5", "led", "bigbird_pegasus"), ("blocks of keys beside global tokens are not modelled", None)),
    "mllama": (
        "a decoder whose layers attend to tokens of an image is not modelled",
        "model_type: llama takes the sizes of its text_config, without the layers that attend to the image",
    ),
    **{kind: (_TWO, _TAKE.format(kind=kind)) for kind in ("clip", "siglip", "siglip2")},
    "gemma3n": ("streams beside the residual and tables for each layer are not modelled", None),
    **dict.fromkeys(("zamba", "zamba2"), ("attention whose weights several layers share is not modelled", None)),
    "hymba": ("attention and states that share their projections are not modelled", None),
    **dict.fromkeys(
        ("rwkv", "rwkv5", "rwkv6", "rwkv7"), (_MIXER, "state-space/rwkv-7 has that of RWKV-7 as a cascade")
    ),
    **dict.fromkeys(("recurrent_gemma",), (_MIXER, None)),
    **dict.fromkeys(("deberta", "deberta-v2"), ("scores from positions apart from contents are not modelled", _BERT)),
    "longcat_flash": ("layers with two mixers beside their experts are not modelled", None),
}  # fmt: skip


def load_model(path: Path | str) -> Model:
    """Return the model that the configuration at *path* describes; a folder stands for the ``config.json`` in it.

    Raises
    ------
    ProblemsError
        Naming every key that is missing, of the wrong kind or contradicts others, with its place.
    """
    path = Path(path)
    path = path / "config.json" if is_folder(path) else path
    document = read_yaml(path)
    return model_of(document, path.resolve().parent.name if path.stem == "config" else path.stem)


def is_model(data: Any) -> bool:
    """Return whether *data* are the keys of a configuration of a model."""
    return isinstance(data, dict) and "model_type" in data


def model_of(document: Document, name: str) -> Model:
    """Return the model that *document* describes, under *name*; raise ProblemsError as :func:`load_model` does."""
    if not isinstance(document.data, dict):
        raise ProblemsError(
            [document.problem((), "expected a configuration: keys with values, as in config.json")]
        )
    at, kind = _place(document)
    keys = Keys(document, at, DEFAULTS.get(kind) if at else None)
    keys.used |= {"model_type", "architectures"}
    around = {*at, "model_type", "architectures"}
    if at and keys.data.get(TIED) is None and isinstance(document.data.get(TIED), bool):
        keys.data = {**keys.data, TIED: document.data[TIED]}
        around.add(TIED)
    model = READERS[kind](keys, name, kind)
    if keys.problems:
        raise ProblemsError(keys.problems)
    unused = (
        *keys.unused(),
        *(key for key in document.data if at and key not in around),
    )
    stored = stored_in(document, at)
    assumed = tuple(f"{key}={value}" for key, value in keys.assumed.items())
    listed = tuple(key for key in dict.fromkeys(unused) if key != KEY or stored is None)
    return replace(model, unused=listed, assumed=assumed, stored=stored)


def _place(document: Document) -> tuple[KeyPath, str]:
    """Return where the keys of the decoder stand, and its kind: inside of a model of several parts, or at the top."""
    kind = document.data.get("model_type")
    if isinstance(kind, str) and kind in REFUSED:
        raise ProblemsError(
            [document.problem(("model_type",), f"{kind}: {REFUSED[kind][0]}", REFUSED[kind][1])]
        )
    at, data = _inside(document)
    inner = data.get("model_type", kind)
    if isinstance(inner, str) and inner in READERS:
        return at, inner
    place: KeyPath = (*at, "model_type") if "model_type" in data else ("model_type",)
    raise ProblemsError([_not_understood(document, place, inner)])


def _inside(document: Document) -> tuple[KeyPath, Mapping[str, Any]]:
    """Return the place and the keys of the innermost part that holds a decoder: a wrapper may lie in another."""
    at: KeyPath = ()
    data = document.data
    while (key := next((key for key in INSIDE if data.get(key) is not None), None)) is not None:
        at = (*at, key)
        if not isinstance(data[key], dict):
            raise ProblemsError([document.problem(at, f"expected keys with values, got {data[key]!r}")])
        data = data[key]
    return at, data


def _not_understood(document: Document, at: KeyPath, kind: object) -> Any:
    if kind is None and "model_type" not in document.data:
        hint = "config.json of the transformers library has it, such as model_type: llama"
        return document.problem(at, "required key is missing", hint, key=True)
    near = nearest(str(kind), READERS)
    hint = (
        f"did you mean {near!r}?"
        if near
        else f"a decoder with the keys of one of these may be read as it: {', '.join(READERS)}"
    )
    return document.problem(at, f"the kind of model {kind!r} is not understood", hint)
