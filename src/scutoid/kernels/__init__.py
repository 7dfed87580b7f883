"""Algorithms on numpy arrays: numpy in, numpy out.

They know nothing of files, blocks to come or pipelines; what makes them fit for blocks is that
their results can be merged.
"""

from scutoid.kernels._components import faces, label_components
from scutoid.kernels._seams import MergedLabels, global_first, lookup_table, merge_blocks

__all__ = [
    "MergedLabels",
    "faces",
    "global_first",
    "label_components",
    "lookup_table",
    "merge_blocks",
]
