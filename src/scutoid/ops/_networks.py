"""Loaders of networks for `predict`: what turns a library's network into a function of arrays."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from scutoid import kernels
from scutoid.errors import MissingExtra, ParameterError
from scutoid.kernels import Model
from scutoid.ops._types import Array


def torch_model(build: Callable[[], object], *, device: str = "cpu") -> Callable[[], Model]:
    """Make a loader for `predict` of a function that builds a PyTorch module.

    Parameters
    ----------
    build : function without arguments
        Returns a `torch.nn.Module` of batches (tiles, channels, *spatial), weights loaded from a
        file: weights drawn at random differ between workers, and those of a module made outside do
        not enter the key.  It runs in the worker, with
        ``executor="threads"`` several times at once; import torch inside of it.
    device : str
        Where it runs: "cpu", "cuda", "cuda:1", ...

    Returns
    -------
    function without arguments
        Builds the module, in evaluation mode, on the device.  The model that it returns takes and
        returns numpy arrays, in float32 and without gradients; the module gets tensors of its
        weights' dtype.

    Raises
    ------
    ParameterError
        If a module is given, not a function that builds one.
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
    check_loader(build, "torch_model", "build is a function without arguments that makes a module")
    return functools.partial(_load_torch, build, device)


def check_loader(load: object, place: str, rule: str) -> None:
    """Refuse what is no function without arguments, such as the model itself.

    Raises
    ------
    ParameterError
        Also for what has a method `forward`, as all modules of PyTorch.
    """
    is_module = hasattr(load, "forward") and not isinstance(load, type)
    if not callable(load) or is_module or _has_arguments(load):
        raise ParameterError(
            rule,
            value=getattr(load, "__qualname__", type(load).__name__),
            place=place,
            remedy="give a function that loads it: it is called in each worker",
        )


def _has_arguments(function: Callable[..., object]) -> bool:
    """Whether a function must be given something."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # of some that are built in
        return False
    try:
        signature.bind()
    except TypeError:
        return True
    return False


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


def _load_torch(build: Callable[[], object], device: str) -> Model:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra.of("torch", extra="torch") from error
    network: Any = build()
    network = network.to(device).eval()
    weights = (each.dtype for each in network.parameters() if each.is_floating_point())
    dtype = next(weights, torch.float32)

    def run(batch: Array) -> object:
        with torch.inference_mode():
            tensor = torch.from_numpy(np.ascontiguousarray(batch, dtype=np.float32))
            answer = network(tensor.to(device, dtype))
        return answer.float().cpu().numpy() if isinstance(answer, torch.Tensor) else answer

    return run
