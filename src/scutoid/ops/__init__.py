"""Operations on images, written with the decorators that users have, over `scutoid.kernels`.

Each says what it is: *exact* (equals the same computation on the whole array, whatever the blocks,
executor and workers) or *approximate*, with its error.
"""

from scutoid.ops._filters import gaussian, threshold
from scutoid.ops._label import label
from scutoid.ops._measure import measure
from scutoid.ops._remove_small import remove_small
from scutoid.ops._threshold import otsu, value_range

__all__ = ["gaussian", "label", "measure", "otsu", "remove_small", "threshold", "value_range"]
