"""Steps of the mixers of layers, each in a module of its own."""

from __future__ import annotations

from collections.abc import Iterator

from fusemax.model.heads import attention_steps
from fusemax.model.latent import latent_steps
from fusemax.model.recurrent import recurrent_steps
from fusemax.model.shape import Attention, Beside, LatentAttention, Mixer
from fusemax.model.step import Maker, Step


def mixer_steps(maker: Maker, mixer: Mixer) -> Iterator[Step]:
    """Yield the steps of one mixer on one chip."""
    if isinstance(mixer, Attention):
        yield from attention_steps(maker, mixer)
    elif isinstance(mixer, LatentAttention):
        yield from latent_steps(maker, mixer)
    elif isinstance(mixer, Beside):
        yield from attention_steps(maker, mixer.attention)
        yield from recurrent_steps(maker, mixer.state)
    else:
        yield from recurrent_steps(maker, mixer)
