"""Integer geometry: points, regions and grids of blocks.

Pure arithmetic on the standard library and numpy; knows nothing of images, files or tasks.
"""

from scutoid.geometry._coordinate import Coordinate
from scutoid.geometry._grid import BlockGrid, Fit, HaloLike, halo_pair
from scutoid.geometry._roi import Roi, RoiLike

__all__ = ["BlockGrid", "Coordinate", "Fit", "HaloLike", "Roi", "RoiLike", "halo_pair"]
