"""Algorithms on numpy arrays: numpy in, numpy out.

They know nothing of files, grids in storage or pipelines; what makes them fit for blocks is that
their results can be merged.
"""

from scutoid.kernels._components import faces, label_components
from scutoid.kernels._histogram import (
    Histogram,
    bin_centers,
    float_histogram,
    histogram_of,
    merge_histograms,
    otsu_from_histogram,
    percentile_from_histogram,
    value_range,
)
from scutoid.kernels._intensities import IntensityStats
from scutoid.kernels._regions import RegionStats, measure_block, merge_regions, region_columns
from scutoid.kernels._seams import MergedLabels, global_first, lookup_table, merge_blocks
from scutoid.kernels._watershed import watershed

__all__ = [
    "Histogram",
    "IntensityStats",
    "MergedLabels",
    "RegionStats",
    "bin_centers",
    "faces",
    "float_histogram",
    "global_first",
    "histogram_of",
    "label_components",
    "lookup_table",
    "measure_block",
    "merge_blocks",
    "merge_histograms",
    "merge_regions",
    "otsu_from_histogram",
    "percentile_from_histogram",
    "region_columns",
    "value_range",
    "watershed",
]
