"""Operations on images, written with the decorators that users have, over `scutoid.kernels`.

Each says what it is: *exact* (equals the same computation on the whole array, whatever the blocks,
executor and workers) or *approximate*, with its error.  The single steps that an operation is made
of are here as well, for pipelines that need one of them.
"""

from scutoid.ops._filters import gaussian, threshold
from scutoid.ops._label import label, label_apply, label_merge, label_pieces
from scutoid.ops._measure import measure, measure_channels, measure_step
from scutoid.ops._remove_small import object_counts, remove_objects, remove_small, small_objects
from scutoid.ops._threshold import otsu, otsu_step, value_range

__all__ = [
    "gaussian",
    "label",
    "label_apply",
    "label_merge",
    "label_pieces",
    "measure",
    "measure_channels",
    "measure_step",
    "object_counts",
    "otsu",
    "otsu_step",
    "remove_objects",
    "remove_small",
    "small_objects",
    "threshold",
    "value_range",
]
