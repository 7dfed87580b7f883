"""The names that packages export: those that users rely on, and those that may change.

A change of `PROMISED` is a change for users, and stands in the changelog.  `INTERNAL` names are
what packages of scutoid take from each other.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import scutoid

ROOT = Path(__file__).parents[1]
PROMISED = {
    "scutoid": """
        __version__ affine_transform blockwise check_halo closing compare compare_points
        concatenate Coordinate correct_bias count count_by_region create debug density detect_spots
        difference_of_gaussians dilation distance_transform downsample erosion estimate_bias
        estimate_cells export Files fill_holes flip gather gaussian HaloCheck hysteresis Image
        Images injected label laplacian_of_gaussian li local_maxima match_objects match_points
        Measure measure median n4 normalize_percentile open open_folder opening otsu OutputGrid pad
        Parts per_member percentile pipeline Plan plan predict Progress project pyramid
        read_parameters reduction report remove_small resample Roi Run run save_parameters
        scale_nearest session
        split_touching step stitch Storage Store subtract_background Table Tables threshold
        threshold_local transpose triangle tune um Value Values view watershed white_tophat
        correct corrected open_corrections suspicious unapplied
        Best best Preview preview Sweep sweep
    """,
    "scutoid.errors": """
        DamagedResult GeometryError IncompleteResult MemoryLimitError MetadataError MissingExtra
        ParameterError PipelineError RunFailed ScutoidError ScutoidWarning SourceError
        RunStopped SourceNotFound StepError
        StoreError UnwritableStore WorkerError
    """,
    "scutoid.events": """
        BatchDone BatchStarted BlockFailed BlocksOrphaned DamageFound Event Listener ResultListener
        RunDone RunStarted
        StepAwaited TaskDone TaskInfo WorkerLost WorkersAwaited WorkerStarted
    """,
    "scutoid.geometry": "BlockGrid Coordinate Roi",
    "scutoid.blocks": """
        After Block BlockGrid Blocks BlockStatus BlockTask BlockTime connect Failure Mask Report
        run_blocks TaskReport
    """,
    "scutoid.steps": "BlockParts StepBlock",
    "scutoid.correcting": "Correction Corrections Proofreader",
    "scutoid.ops": "field_of_view torch_model",
    "scutoid.kernels": "reference_watershed",
    "scutoid.arrays": "ArraySource ChannelDisplay ImageSpec SourceIdentity TimeScale WritableImage",
    "scutoid.store": "find_format Format",
    "scutoid.executors": """
        ConnectExecutor dump_value dumps Executor FAILED find_executor ItemFailure Job Joined
        Launch loads Lost Message Outcome Preset read_preset Waiting Work Workbench WorkerPool
    """,
    "scutoid.testing": """
        assert_block_invariant assert_would_run ExecutorTests FormatTests Recorder SimulatedEvent
        SimulatedExecutor SimulatedFault with_given
    """,
    "scutoid.sessions": "Session session",
    "scutoid.tuning": "tune Tuning",
    "scutoid.views": """
        Following follow layer_data LayerArray LayerSpec view view_layers web WebView
    """,
    "scutoid.serving": "serve",
    "scutoid.reports": """
        FailureFacts graph_svg GridFacts InputFacts OutputFacts picture read_run report run_names
        RunFacts SourceFacts StepFacts
    """,
    "scutoid.integrations.daisy": """
        block Block BlockStatus cl_monitor Client Context Coordinate get_done_marker_basedir
        get_tracking_basedir get_worker_log_basename JsonProgressObserver logging Pipeline
        redirect_stdouterr Roi
        run_blockwise SerialServer Server set_done_marker_basedir set_log_basedir
        set_tracking_basedir Task TaskState
    """,
    "scutoid.integrations.prefect": "ByContent ImageSource StoreSerializer",
}
INTERNAL = {
    "scutoid.geometry": "Fit halo_pair HaloLike RoiLike",
    "scutoid.kernels": """
        Affine affine agreement_scores agreement_sums apply_lookup as_foreground best_pairs
        bin_centers bounded_distance by_order by_region cells_per_object check_cell_size
        check_factors check_in_float64 check_mask_type check_method check_tiling
        checked_connectivity coarse_means coarse_range coarse_shape components_seen Contingency
        contrast_limits count_digits count_floats count_overlaps Digits dilate_mask
        downsample erode_mask faces field_of_view filter_mirrored find_components find_spots
        float_histogram flood_parts flood_sparse Footprint footprint_array footprint_shape
        global_first grey_opening Groups h_reconstruction highest_within Histogram histogram_of
        IntensityStats interpolate_coarse is_above is_in_float64 label_components LARGEST_IN_FLOAT64
        li_from_histogram li_level li_window LiWindow local_maxima lookup_table Match match_pieces
        matching_scores maximum_candidates Measure measure_block median_filter merge_blocks
        merge_digits merge_floats merge_histograms merge_region_sums merge_regions MergedLabels
        Model narrow Narrowed nearest_voxels number_unions ObjectPairs otsu_from_histogram outlines
        Overlaps pairs_within parts_seen percentile_from_histogram percentile_passes Pieces
        predict_tiles region_columns region_sums RegionStats RegionTree renumber_regions renumbered
        Runs shape_columns SHAPES sparse_distance sparse_parts SparseArray SparseParts spot_reach
        spot_response SpotMethod Spots Tiling triangle_from_histogram value_range voxel_sums
        VoxelSums watershed
    """,
    "scutoid.executors": """
        check_executor check_ready computing_there CONNECTION_VARIABLE current_worker
        default_workers GivenUp is_auto is_of_dask knows_memory LAUNCH_VARIABLE meet meet_over_dask
        MOST_ITEMS NoHeartbeat preset_file quiet_executor Rendezvous SerialExecutor standing
        TASK_VARIABLE Wire WORKER_VARIABLE
    """,
    "scutoid.arrays": """
        add_limits check_identity check_missing create create_image damaged_shards drop_chunks
        files_of_array FileSet gap_among given_readings GroupImage IMAGE_ENDINGS images_of
        ImageWriter is_ngff is_read_alone let_go
        is_zarr_at known_unit labels_of Limits look_at may_be_image METRES misfit_shards
        misplaced_shards Missing missing_notes names_in_group NOTE Note open_source open_stack
        outdated pad_to pyramid_levels pyramid_method pyramid_multiple PyramidLevel read_region
        Readable reading_of SeriesName SECONDS sets_among shard_levels ShardLevel SourceFiles
        source_at_level SPATIAL split_zip STACKED_AXES Stacking StackSource Storage stored_shards
        stream_tiff TakenShards VoxelSizes well_name without_windows WrappedSource write_tiff
        is_decodable ObjectWriter UNDECODED write_kept writer_to_url zarr_at zarr_images
    """,
    "scutoid.blocks": """
        Batch check_ability conflict_order Done EventLog Journal lower_neighbours parse_bytes
        sample_blocks Scheduler WorkerFailure
    """,
    "scutoid.store": """
        arrays_of_bytes bytes_of_arrays bytes_of_table canonical_digest changes_since checksum_file
        choose_format CodeFingerprint COMPLETE describe dict_of differences DIGESTS distance
        distrust_around empty_folder Entry EntryStore explain Fact file_names_in filling
        fingerprint from_json is_json is_url to_json FORMATS SHEETS HashMemo is_own is_plain_array
        is_plain_integer
        JOURNAL key_of_path key_of_source KEY_RULE list_folder locations_of Lock make_folder MARK
        name_of_dict new_token RemoteResult SegmentWriter AnyLock BEAT_SECONDS dead_after ObjectLock
        one_by_one Owner Pack PackedArrays reading RECIPE Recipe
        BEGUN Claims MANIFEST Manifest own_folder SEGMENTS Sharer SHARES TakenOver TOKEN URL_MARK
        remove_segments RESULT_NAME Segment share_lock SIZES states_of table_of_bytes take_share
        SeenEntry version_notes bring bring_all CopiedResult is_left_at_url url_of_copy
    """,
    "scutoid.steps": """
        blockwise CallOptions check_halo check_names check_units Collection Cropped debug Described
        export Files Finds gather HaloCheck Image ImageRef Images injected is_lazy Length
        level_sources LooksUp making open open_folder OutputGrid own_columns Parts read_parameters
        save_parameters per_member Pipeline pipeline Plan plan PlannedStep reduction refuse_renamed
        remedy_for_image Renumbers Run run run_share RunStep Step step Store Table Tables TIME_UNIT
        TypedCall um UNIT Value Values with_draft with_given with_options
    """,
    "scutoid.ops": """
        affine_step affine_transform atlas_points atlas_points_of_pieces background_field bias_field
        closing coarse_counts coarse_counts_of_pieces coarse_means compare compare_blocks
        compare_points compare_scores compare_sums compare_total concatenate correct_bias count
        count_by_region count_pieces count_rows density density_map density_points detect_spots
        difference_of_gaussians dilation distance_transform distance_within divide_field downsample
        downsample_step erosion estimate_bias estimate_cells fill_holes flip flip_step gaussian
        hole_fill hole_merge hole_pieces hysteresis hysteresis_apply hysteresis_merge
        hysteresis_pieces keep_highest label label_apply label_apply_uint64 label_merge label_pieces
        labels_cut laplacian_of_gaussian li li_step local_maxima lower match_objects match_points
        matched_objects matched_points maximum_marks maximum_merge maximum_pieces measure
        measure_channel_pieces measure_objects measure_pieces median n4 normalize_percentile
        object_counts opening otsu otsu_step pad pad_step percentile percentile_digits point_scores
        point_sums point_total predict project pyramid pyramid_step region_counts remove_objects
        remove_small resample resample_step scale_between scale_nearest scale_step small_objects
        split_touching spot_table stitch stitch_apply stitch_merge stitch_report strongest_response
        subtract_background subtract_field threshold threshold_local transpose triangle
        triangle_step value_range watershed watershed_report watershed_step white_tophat with_cells
    """,
    "scutoid.cli": "main",
    "scutoid.views": "import_napari new_viewer",
    "scutoid.correcting": "correct corrected open_corrections suspicious unapplied",
    "scutoid.napari_plugin": """
        get_reader list_runs ListedRun ListedStep Place place_of ResultsWidget
    """,
    "scutoid.progress": "Count FINISH RunCounts Progress duration progress_shown",
    "scutoid.reports": "Picture report_of_run shown_picture STYLE",
    "scutoid.exploring": "Best best Preview preview Sweep sweep with_estimates",
}
NEEDS = {"scutoid.integrations.prefect": "prefect", "scutoid.napari_plugin": "qtpy"}
"""What has to be installed before all names of a module can be looked at."""
MODULES = sorted({*PROMISED, *INTERNAL})
SHOWN = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*.py")),
]
IMPORTED = re.compile(r"^ *from (scutoid[\w.]*) import (\w[\w, ]*)", re.MULTILINE)
NAMED = re.compile(r"\b(?:scutoid|sc)\.([a-z]+)\.([A-Za-z]\w*)")


def names_of(lists, module):
    """Return the names of a module in one of the lists."""
    return lists.get(module, "").split()


@pytest.mark.parametrize("name", MODULES)
def test_exported_names_are_these(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(name)
    known = names_of(PROMISED, name) + names_of(INTERNAL, name)
    assert sorted(module.__all__) == sorted(known)
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert not missing


def test_the_page_of_public_names_lists_what_is_promised():
    listed = {}
    for line in (ROOT / "docs" / "public.md").read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| `(scutoid[\w.]*)` \|", line)
        if row:
            found = re.findall(r"`(\w+)`", line[row.end() :].rpartition("|")[0].rpartition("|")[2])
            listed.setdefault(row[1], []).extend(found)
    promised = {module: sorted(names_of(PROMISED, module)) for module in PROMISED}
    assert {module: sorted(names) for module, names in listed.items()} == promised


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.name)
def test_pages_and_examples_use_what_is_promised_alone(page):
    text = page.read_text(encoding="utf-8")
    used = {
        (module, name.strip().split(" ")[0])
        for module, names in IMPORTED.findall(text)
        for name in names.split(",")
        if module not in ("scutoid", "scutoid.integrations")
    }
    used |= {
        (f"scutoid.{package}", name)
        for package, name in NAMED.findall(text)
        if name in names_of(INTERNAL, f"scutoid.{package}")
    }
    assert not sorted((m, name) for m, name in used if name not in names_of(PROMISED, m))


def test_names_of_the_package_are_the_same_objects_as_those_of_its_layers():
    layer = importlib.import_module("scutoid.steps")
    for name in set(scutoid.__all__) & set(layer.__all__):
        assert getattr(scutoid, name) is getattr(layer, name)


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert scutoid.__version__ == version("scutoid")
