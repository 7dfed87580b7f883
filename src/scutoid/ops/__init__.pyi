from ._arrangement import concatenate, flip, flip_step, transpose
from ._background import (
    background_field,
    subtract_background,
    subtract_field,
)
from ._bias import (
    bias_field,
    correct_bias,
    divide_field,
    estimate_bias,
    n4,
)
from ._coarse import (
    coarse_means,
)
from ._compare import (
    compare,
    compare_blocks,
    compare_scores,
    compare_sums,
    compare_total,
    match_objects,
    matched_objects,
)
from ._compare_points import (
    compare_points,
    match_points,
    matched_points,
    point_scores,
    point_sums,
    point_total,
)
from ._count import count, count_pieces, count_rows, estimate_cells, with_cells
from ._density import coarse_counts, coarse_counts_of_pieces, density, density_map
from ._distance import (
    distance_transform,
)
from ._filters import (
    difference_of_gaussians,
    gaussian,
    laplacian_of_gaussian,
    median,
    white_tophat,
)
from ._geometry import downsample, downsample_step, scale_nearest, scale_step
from ._holes import (
    fill_holes,
    hole_fill,
    hole_merge,
    hole_pieces,
)
from ._hysteresis import (
    hysteresis,
    hysteresis_apply,
    hysteresis_merge,
    hysteresis_pieces,
)
from ._label import label, label_apply, label_apply_uint64, label_merge, label_pieces
from ._masks import (
    closing,
    dilation,
    erosion,
    opening,
)
from ._maxima import (
    keep_highest,
    local_maxima,
    lower,
    maximum_marks,
    maximum_merge,
    maximum_pieces,
)
from ._measure import measure, measure_channel_pieces, measure_pieces
from ._networks import field_of_view, torch_model
from ._object_table import measure_objects
from ._pad import pad, pad_step
from ._percentile import (
    normalize_percentile,
    percentile,
    percentile_digits,
    scale_between,
)
from ._predict import predict
from ._project import project
from ._pyramid import pyramid, pyramid_step
from ._region_cells import atlas_points, atlas_points_of_pieces, density_points
from ._regions import count_by_region, region_counts
from ._remove_small import object_counts, remove_objects, remove_small, small_objects
from ._split import distance_within, split_touching
from ._spots import detect_spots, spot_table, strongest_response
from ._stitch import stitch, stitch_apply, stitch_merge, stitch_report
from ._threshold import (
    li,
    li_step,
    otsu,
    otsu_step,
    threshold,
    triangle,
    triangle_step,
    value_range,
)
from ._threshold_local import threshold_local
from ._transform import affine_step, affine_transform, resample, resample_step
from ._watershed import labels_cut, watershed, watershed_report, watershed_step

__all__ = [
    "affine_step",
    "affine_transform",
    "atlas_points",
    "atlas_points_of_pieces",
    "background_field",
    "bias_field",
    "closing",
    "coarse_counts",
    "coarse_counts_of_pieces",
    "coarse_means",
    "compare",
    "compare_blocks",
    "compare_points",
    "compare_scores",
    "compare_sums",
    "compare_total",
    "concatenate",
    "correct_bias",
    "count",
    "count_by_region",
    "count_pieces",
    "count_rows",
    "density",
    "density_map",
    "density_points",
    "detect_spots",
    "difference_of_gaussians",
    "dilation",
    "distance_transform",
    "distance_within",
    "divide_field",
    "downsample",
    "downsample_step",
    "erosion",
    "estimate_bias",
    "estimate_cells",
    "field_of_view",
    "fill_holes",
    "flip",
    "flip_step",
    "gaussian",
    "hole_fill",
    "hole_merge",
    "hole_pieces",
    "hysteresis",
    "hysteresis_apply",
    "hysteresis_merge",
    "hysteresis_pieces",
    "keep_highest",
    "label",
    "label_apply",
    "label_apply_uint64",
    "label_merge",
    "label_pieces",
    "labels_cut",
    "laplacian_of_gaussian",
    "li",
    "li_step",
    "local_maxima",
    "lower",
    "match_objects",
    "match_points",
    "matched_objects",
    "matched_points",
    "maximum_marks",
    "maximum_merge",
    "maximum_pieces",
    "measure",
    "measure_channel_pieces",
    "measure_objects",
    "measure_pieces",
    "median",
    "n4",
    "normalize_percentile",
    "object_counts",
    "opening",
    "otsu",
    "otsu_step",
    "pad",
    "pad_step",
    "percentile",
    "percentile_digits",
    "point_scores",
    "point_sums",
    "point_total",
    "predict",
    "project",
    "pyramid",
    "pyramid_step",
    "region_counts",
    "remove_objects",
    "remove_small",
    "resample",
    "resample_step",
    "scale_between",
    "scale_nearest",
    "scale_step",
    "small_objects",
    "split_touching",
    "spot_table",
    "stitch",
    "stitch_apply",
    "stitch_merge",
    "stitch_report",
    "strongest_response",
    "subtract_background",
    "subtract_field",
    "threshold",
    "threshold_local",
    "torch_model",
    "transpose",
    "triangle",
    "triangle_step",
    "value_range",
    "watershed",
    "watershed_report",
    "watershed_step",
    "white_tophat",
    "with_cells",
]
