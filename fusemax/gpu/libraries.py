"""The optional libraries: torch and triton, imported on first use."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fusemax.errors import FusemaxError


class MissingError(FusemaxError):
    """A library or a device that measuring needs is not there."""


def torch() -> Any:
    """Return the module torch.

    Raises
    ------
    MissingError
        When it is not installed; the message says how to install it.
    """
    try:
        return import_module("torch")
    except ImportError as error:
        raise MissingError(
            f"measuring needs torch, which is not installed ({error})\n  hint: pip install 'fusemax[gpu]'"
        ) from None


@cache
def installed(name: str) -> bool:
    """Return whether the library *name* can be imported; nothing is imported."""
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def require_device(device: str) -> None:
    """Refuse to go on when *device*, ``cuda`` or ``cpu``, is not there.

    Raises
    ------
    MissingError
        When torch is missing, or cannot reach a CUDA device.
    """
    module = torch()
    if device == "cpu" or module.cuda.is_available():
        return
    version = module.__version__
    built = module.version.cuda
    reason = (
        f"torch {version} is built without CUDA"
        if built is None
        else f"torch {version} is built for CUDA {built} but reaches no device"
    )
    raise MissingError(
        f"no CUDA device: {reason}\n"
        "  hint: --device cpu runs the same harness with the math backend on small shapes"
    )
