"""Loaders of networks for `predict`: what turns a library's network into a function of arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid import kernels
from scutoid.errors import MissingExtra
from scutoid.kernels import Model


def torch_model(build: Callable[[], Any], *, device: str = "cpu") -> Callable[[], Model]:
    """Make a loader for `predict` of a function that builds a PyTorch module.

    Parameters
    ----------
    build : function without arguments
        Returns a `torch.nn.Module` of batches (tiles, channels, *spatial), weights loaded from a
        file: weights drawn at random differ between workers.  It runs in the worker, with
        ``executor="threads"`` several times at once; import torch inside of it.
    device : str
        Where it runs: "cpu", "cuda", "cuda:1", ...

    Returns
    -------
    function without arguments
        Builds the module, in evaluation mode, on the device.  The model that it returns takes and
        returns numpy arrays, in float32 and without gradients.

    Raises
    ------
    MissingExtra
        In the worker, if PyTorch is not installed.

    Examples
    --------
    >>> import scutoid as sc
    >>> def build():
    ...     from torch import nn
    ...
    ...     return nn.Conv2d(1, 2, 3, padding=1)
    >>> load = sc.ops.torch_model(build)
    >>> image = sc.open(np.zeros((64, 64)))
    >>> sc.predict(image, model=load, halo=1, channels=2)
    Image('predict', cyx, (2, 64, 64), float32)
    """
    return functools.partial(_load_torch, build, device)


def field_of_view(
    model: Callable[[], Model],
    *,
    ndim: int,
    channels: int = 1,
    stride: int = 1,
    limit: int | None = None,
) -> tuple[tuple[int, int], ...]:
    """Load a model and measure how far around a voxel it looks: the halo that `predict` needs.

    Parameters
    ----------
    model : function without arguments
        Loads the model, as for `predict`.
    ndim, channels, stride, limit
        As in `scutoid.kernels.field_of_view`, which says how it is measured.

    Returns
    -------
    tuple of (int, int)
        Voxels before and behind, an entry a spatial axis.

    Examples
    --------
    >>> import scutoid as sc
    >>> def load():
    ...     return lambda batch: batch[..., 1:-1] + batch[..., 2:]
    >>> sc.ops.field_of_view(load, ndim=1)
    ((0, 1),)
    """
    return kernels.field_of_view(model(), ndim=ndim, channels=channels, stride=stride, limit=limit)


def _load_torch(build: Callable[[], Any], device: str) -> Model:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra.of("torch", extra="torch") from error
    network = build().to(device).eval()

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            given = torch.from_numpy(np.ascontiguousarray(batch, dtype=np.float32)).to(device)
            answer: NDArray[Any] = network(given).float().cpu().numpy()
        return answer

    return run
