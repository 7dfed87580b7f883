"""Types that operations share: what they take, and what they return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scutoid.steps import Image, Images, Table, Tables, Value, Values

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = NDArray[Any]
"""An array of any type of voxels."""
Arrays: TypeAlias = dict[str, Array]
"""What a block keeps for merging: small arrays by name."""
DType: TypeAlias = np.dtype[Any]
"""Any type of voxels."""
ImageLike: TypeAlias = Image | Images | Array
"""What an operation takes and returns: an image, a collection of images or an array."""
TableLike: TypeAlias = "Table | Tables | pd.DataFrame"
"""The same of tables."""
Number: TypeAlias = float | Value | Values
"""A number, or one that is computed when the pipeline runs, for all or for each member."""
