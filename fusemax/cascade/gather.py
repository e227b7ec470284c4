"""Elements of an array at indices that broadcast against each other, one axis after the other where no two share a variable.

``array[where]`` of numpy looks each element up by itself; most indices of a cascade are a number, or run over axes of
their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

Array = np.ndarray


def apart(array: Array, where: Sequence[Array], axes: int) -> Array:
    """Return ``array[where]``, with *axes* axes to broadcast against; every index is within the array.

    >>> apart(np.arange(6).reshape(2, 3), [np.array(1), np.array([2, 0])], 1)
    array([5, 3])
    """
    own = _own_axes(where, axes)
    if own is None:
        return array[tuple(where)]
    result = array
    for position in reversed(range(len(where))):
        index = where[position].reshape(-1)
        if len(index) == 1:
            result = result[(slice(None),) * position + (int(index[0]),)]
        elif len(index) == array.shape[position] and np.array_equal(index, np.arange(len(index))):
            continue
        else:
            result = np.take(result, index, axis=position)
    kept = [(axis, where[position].shape[axis]) for position, mine in enumerate(own) for axis in mine]
    result = result.reshape([extent for _, extent in kept])
    order = sorted(range(len(kept)), key=lambda place: kept[place][0])
    shape = [1] * axes
    for axis, extent in kept:
        shape[axis] = extent
    return result.transpose(order).reshape(shape)


def put(array: Array, where: Sequence[Array], value: Array) -> None:
    """Write *value*, of the shape that *where* broadcasts to, at ``array[where]``."""
    own = _own_axes(where, value.ndim)
    runs = None if own is None else [_run(i, extent) for i, extent in zip(where, array.shape, strict=True)]
    if own is None or runs is None or None in runs or any(len(mine) > 1 for mine in own):
        array[tuple(where)] = value
        return
    order = [axis for mine in own for axis in mine]
    used = prod(value.shape[axis] for axis in order)
    if used != value.size:
        array[tuple(where)] = value
        return
    rest = [axis for axis in range(value.ndim) if axis not in order]
    moved = value.transpose(*order, *rest).reshape([value.shape[axis] for axis in order])
    array[tuple(run for run in runs if run is not None)] = moved


def _own_axes(where: Sequence[Array], axes: int) -> list[tuple[int, ...]] | None:
    """Return the axes along which each index runs; None where two run along one, or some index has fewer axes."""
    own = [
        tuple(axis for axis, extent in enumerate(index.shape) if extent > 1) if index.ndim == axes else ()
        for index in where
    ]
    if any(index.ndim != axes and index.size > 1 for index in where):
        return None
    found = [axis for mine in own for axis in mine]
    return own if len(set(found)) == len(found) else None


def _run(index: Array, extent: int) -> int | slice | None:
    """Return an index as a number or as a run of places in a row; None where it is neither, or leaves the array."""
    flat = index.reshape(-1)
    first, count = int(flat[0]), len(flat)
    if count == 1:
        return first
    if first < 0 or first + count > extent or not np.array_equal(flat, np.arange(first, first + count)):
        return None
    return slice(first, first + count)
