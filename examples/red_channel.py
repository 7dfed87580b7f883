"""Every PNG below a folder as an array, and its red channel: file by file, in parallel, resumable.

    scutoid plan examples/red_channel.py --raw photos --store results
    scutoid run examples/red_channel.py --raw photos --store results
    scutoid export red_channel final --store results

A second run does what is new or changed, and nothing else.
"""

from pathlib import Path

import scutoid as sc

ARRAY = sc.Storage(format="npy")


@sc.blockwise(axes="yxc", storage=ARRAY)
def to_array(image):
    return image


@sc.blockwise(axes="yxc", out_axes="yx", storage=ARRAY)
def red_channel(image):
    return image[..., 0]


@sc.pipeline
def red(raw: Path = Path("raw")):
    return red_channel(to_array(sc.open_folder(raw / "**" / "*.png")))
