"""The names that users rely on: a change here is a change for them, and stands in the changelog."""

from __future__ import annotations

import importlib

import pytest

import scutoid

PUBLIC = {
    "scutoid": """
        Coordinate Files Image Images Measure OutputGrid Parts Plan Progress Roi Run Storage Store
        Table Tables Value Values __version__ affine_transform blockwise closing
        concatenate correct_bias count count_by_region create density detect_spots
        difference_of_gaussians dilation distance_transform downsample erosion
        estimate_bias estimate_cells export fill_holes flip gather gaussian hysteresis injected
        label laplacian_of_gaussian li local_maxima measure median n4
        normalize_percentile open open_folder opening otsu pad per_member percentile
        pipeline plan predict project pyramid reduction remove_small resample run
        scale_nearest split_touching step stitch subtract_background threshold
        threshold_local transpose triangle um view watershed white_tophat
    """,
    "scutoid.errors": """
        DamagedResult GeometryError MemoryLimitError MetadataError MissingExtra ParameterError
        PipelineError RunFailed ScutoidError SourceError SourceNotFound StepError StoreError
        WorkerError
    """,
    "scutoid.geometry": "BlockGrid Coordinate Fit HaloLike Roi RoiLike halo_pair",
    "scutoid.kernels": """
        Affine affine apply_lookup as_foreground bin_centers by_region cells_per_object
        check_cell_size check_factors check_mask_type check_method check_tiling checked_connectivity
        coarse_means coarse_range coarse_shape components_seen count_digits count_floats
        count_overlaps decode_halo_runs downsample encode_halo_runs faces field_of_view
        find_components find_spots float_histogram Footprint footprint_array footprint_shape
        global_first Groups h_reconstruction highest_within Histogram histogram_of IntensityStats
        interpolate_coarse label_components li_from_histogram li_level li_window local_maxima
        lookup_table Match match_pieces maximum_candidates Measure measure_block merge_blocks
        merge_digits merge_floats merge_histograms merge_region_sums merge_regions MergedLabels
        Model narrow nearest_voxels number_unions otsu_from_histogram Overlaps
        percentile_from_histogram percentile_passes predict_tiles reference_watershed region_columns
        region_sums RegionStats RegionTree renumbered shape_columns SHAPES spot_reach spot_response
        SpotMethod Spots Tiling triangle_from_histogram value_range watershed
    """,
    "scutoid.executors": """
        CONNECTION_VARIABLE ConnectExecutor Executor FAILED ItemFailure Job Joined
        LAUNCH_VARIABLE Launch Lost MOST_ITEMS Message NoHeartbeat Outcome TASK_VARIABLE Work
        Workbench WorkerPool dump_value dumps find_executor loads meet
    """,
    "scutoid.arrays": """
        ArraySource ImageSpec ImageWriter METRES PyramidLevel Readable SPATIAL SourceIdentity
        Storage WritableImage
        create create_image damaged_shards open_source pad_to pyramid_levels pyramid_method
        pyramid_multiple read_region stored_shards write_tiff
    """,
    "scutoid.blocks": """
        After Batch Block BlockGrid BlockStatus BlockTask BlockTime Blocks EventLog Failure
        Journal Mask Report Scheduler TaskReport WorkerFailure conflict_order connect
        lower_neighbours parse_bytes run_blocks
    """,
    "scutoid.store": """
        COMPLETE CodeFingerprint Entry EntryStore FORMATS Fact Format HashMemo KEY_RULE
        Lock MARK Owner Pack RECIPE Recipe arrays_of_bytes bytes_of_arrays bytes_of_table
        canonical_digest checksum_file choose_format describe differences distrust_around
        explain find_format fingerprint is_beside is_own key_of_path key_of_source
        one_by_one table_of_bytes version_notes
    """,
    "scutoid.steps": """
        BlockParts CallOptions Collection Files Image ImageRef Images Length OutputGrid Parts
        Pipeline Plan PlannedStep Run RunStep Step StepBlock Store Table Tables TypedCall Value
        Values blockwise export gather injected is_lazy open open_folder per_member pipeline
        plan reduction refuse_renamed run step um with_given with_options
    """,
    "scutoid.ops": """
        affine_step affine_transform atlas_points atlas_points_of_pieces
        background_field bias_field closing coarse_counts
        coarse_counts_of_pieces coarse_means concatenate correct_bias count count_by_region
        count_pieces count_rows density density_map density_points detect_spots
        difference_of_gaussians dilation distance_transform distance_within divide_field
        downsample downsample_step erosion estimate_bias estimate_cells field_of_view
        fill_holes flip flip_step gaussian hole_fill hole_merge hole_pieces hysteresis
        hysteresis_apply hysteresis_merge hysteresis_pieces keep_highest label
        label_apply label_apply_uint64 label_merge label_pieces labels_cut
        laplacian_of_gaussian li li_step local_maxima lower maximum_marks maximum_merge
        maximum_pieces measure measure_channel_pieces measure_objects measure_pieces
        median n4 normalize_percentile object_counts opening otsu otsu_step pad pad_step
        percentile percentile_digits predict project pyramid pyramid_step region_counts
        remove_objects remove_small resample resample_step scale_between scale_nearest
        scale_step small_objects split_touching spot_table stitch stitch_apply
        stitch_merge stitch_report strongest_response subtract_background subtract_field
        threshold threshold_local torch_model transpose triangle triangle_step
        value_range watershed watershed_report watershed_step white_tophat with_cells
    """,
    "scutoid.views": "LayerArray LayerSpec view view_layers",
    "scutoid.cli": "Progress main",
    "scutoid.integrations.daisy": """
        Block BlockStatus Client Context Coordinate Pipeline Roi Server Task TaskState
        get_tracking_basedir run_blockwise set_log_basedir set_tracking_basedir
    """,
    "scutoid.testing": """
        ExecutorTests FormatTests Recorder SimulatedEvent SimulatedExecutor SimulatedFault
        assert_block_invariant assert_would_run with_given
    """,
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_these(name):
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(PUBLIC[name].split())
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert not missing


def test_names_of_the_package_are_the_same_objects_as_those_of_its_layers():
    layer = importlib.import_module("scutoid.steps")
    for name in set(scutoid.__all__) & set(layer.__all__):
        assert getattr(scutoid, name) is getattr(layer, name)


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert scutoid.__version__ == version("scutoid")
