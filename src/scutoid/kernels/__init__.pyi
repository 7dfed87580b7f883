from ._affine import Affine, affine
from ._agreement import ObjectPairs, agreement_scores, agreement_sums, matching_scores
from ._atlas import RegionTree, merge_region_sums, nearest_voxels, region_sums
from ._coarse import (
    coarse_means,
    coarse_range,
    coarse_shape,
    interpolate_coarse,
)
from ._components import (
    apply_lookup,
    checked_connectivity,
    faces,
    find_components,
    label_components,
)
from ._contingency import Contingency
from ._contrast import contrast_limits
from ._counts import cells_per_object, check_cell_size
from ._cross_entropy import (
    LiWindow,
    count_floats,
    li_from_histogram,
    li_level,
    li_window,
    merge_floats,
)
from ._downsample import check_factors, check_method, downsample
from ._footprint import (
    Footprint,
    footprint_array,
    footprint_shape,
)
from ._foreground import (
    as_foreground,
    check_mask_type,
)
from ._histogram import (
    Histogram,
    bin_centers,
    float_histogram,
    histogram_of,
    merge_histograms,
    percentile_from_histogram,
    value_range,
)
from ._intensities import IntensityStats
from ._levels import otsu_from_histogram, triangle_from_histogram
from ._maxima import (
    by_region,
    h_reconstruction,
    highest_within,
    local_maxima,
    maximum_candidates,
)
from ._measures import Measure
from ._median import median_filter
from ._mirrored import filter_mirrored
from ._morphology import dilate_mask, erode_mask, grey_opening
from ._near import bounded_distance
from ._order import (
    Digits,
    Narrowed,
    count_digits,
    merge_digits,
    narrow,
    percentile_passes,
)
from ._outlines import outlines
from ._overlaps import (
    Match,
    Overlaps,
    Pieces,
    count_overlaps,
    match_pieces,
    renumbered,
)
from ._pairing import best_pairs, pairs_within
from ._regions import (
    RegionStats,
    measure_block,
    merge_regions,
    region_columns,
    renumber_regions,
)
from ._runs import Groups, Runs
from ._seams import (
    MergedLabels,
    global_first,
    lookup_table,
    merge_blocks,
    number_unions,
)
from ._shapes import SHAPES, shape_columns
from ._sparse import SparseArray
from ._sparse_near import sparse_distance
from ._sparse_watershed import SparseParts, flood_sparse, sparse_parts
from ._spots import SpotMethod, Spots, find_spots, spot_reach, spot_response
from ._tiles import Model, Tiling, check_tiling, field_of_view, predict_tiles
from ._voxel_sums import VoxelSums, voxel_sums
from ._watershed import (
    components_seen,
    flood_parts,
    parts_seen,
    reference_watershed,
    watershed,
)
from ._whole_numbers import (
    LARGEST_IN_FLOAT64,
    by_order,
    check_in_float64,
    is_above,
    is_in_float64,
)

__all__ = [
    "LARGEST_IN_FLOAT64",
    "SHAPES",
    "Affine",
    "Contingency",
    "Digits",
    "Footprint",
    "Groups",
    "Histogram",
    "IntensityStats",
    "LiWindow",
    "Match",
    "Measure",
    "MergedLabels",
    "Model",
    "Narrowed",
    "ObjectPairs",
    "Overlaps",
    "Pieces",
    "RegionStats",
    "RegionTree",
    "Runs",
    "SparseArray",
    "SparseParts",
    "SpotMethod",
    "Spots",
    "Tiling",
    "VoxelSums",
    "affine",
    "agreement_scores",
    "agreement_sums",
    "apply_lookup",
    "as_foreground",
    "best_pairs",
    "bin_centers",
    "bounded_distance",
    "by_order",
    "by_region",
    "cells_per_object",
    "check_cell_size",
    "check_factors",
    "check_in_float64",
    "check_mask_type",
    "check_method",
    "check_tiling",
    "checked_connectivity",
    "coarse_means",
    "coarse_range",
    "coarse_shape",
    "components_seen",
    "contrast_limits",
    "count_digits",
    "count_floats",
    "count_overlaps",
    "dilate_mask",
    "downsample",
    "erode_mask",
    "faces",
    "field_of_view",
    "filter_mirrored",
    "find_components",
    "find_spots",
    "float_histogram",
    "flood_parts",
    "flood_sparse",
    "footprint_array",
    "footprint_shape",
    "global_first",
    "grey_opening",
    "h_reconstruction",
    "highest_within",
    "histogram_of",
    "interpolate_coarse",
    "is_above",
    "is_in_float64",
    "label_components",
    "li_from_histogram",
    "li_level",
    "li_window",
    "local_maxima",
    "lookup_table",
    "match_pieces",
    "matching_scores",
    "maximum_candidates",
    "measure_block",
    "median_filter",
    "merge_blocks",
    "merge_digits",
    "merge_floats",
    "merge_histograms",
    "merge_region_sums",
    "merge_regions",
    "narrow",
    "nearest_voxels",
    "number_unions",
    "otsu_from_histogram",
    "outlines",
    "pairs_within",
    "parts_seen",
    "percentile_from_histogram",
    "percentile_passes",
    "predict_tiles",
    "reference_watershed",
    "region_columns",
    "region_sums",
    "renumber_regions",
    "renumbered",
    "shape_columns",
    "sparse_distance",
    "sparse_parts",
    "spot_reach",
    "spot_response",
    "triangle_from_histogram",
    "value_range",
    "voxel_sums",
    "watershed",
]
