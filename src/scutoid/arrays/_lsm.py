"""What an LSM says of an image: a TIFF of older microscopes of ZEISS, with a record of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scutoid.arrays._display import ChannelDisplay, known_displays
from scutoid.arrays._tiff_facts import Facts
from scutoid.arrays._world_sizes import AxisSize

if TYPE_CHECKING:
    from tifffile import TiffFile

_UM = 1e6
"""Micrometres in a metre, the unit of sizes in these files."""


def lsm_facts(file: TiffFile, n_channels: int) -> Facts:
    """Return the sizes of voxels, the interval of times, and names and colours of channels.

    Parameters
    ----------
    file : tifffile.TiffFile
        The open file.
    n_channels : int
        Number of channels; 0: there is no such axis.
    """
    said: Mapping[str, Any] = file.lsm_metadata or {}
    sizes = {axis: said.get(f"VoxelSize{axis.upper()}") or None for axis in "zyx"}
    shown = said.get("ChannelColors") or {}
    colours = [f"{r:02X}{g:02X}{b:02X}" for r, g, b, *_ in shown.get("Colors") or ()]
    names = tuple(name or None for name in shown.get("ColorNames") or ())
    return Facts(
        "the record of the LSM",
        {axis: AxisSize(size and size * _UM, "um") for axis, size in sizes.items()},
        channels=names if n_channels else (),
        display=known_displays([ChannelDisplay(colour) for colour in colours])
        if len(colours) == n_channels
        else (),
        interval=said.get("TimeIntervall") or None,  # so it is spelt
        time_unit="s",
    )
