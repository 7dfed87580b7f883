"""The names that users rely on: a change here is a change for them, and stands in the changelog."""

from __future__ import annotations

import importlib

import pytest

import scutoid

PUBLIC = {
    "scutoid": """
        Coordinate Files Image Images Parts Plan Progress Roi Run Storage Store Table
        Tables Value Values __version__ blockwise create export gather gaussian label
        measure open open_folder otsu per_member pipeline plan reduction remove_small run
        step threshold um view
    """,
    "scutoid.errors": """
        DamagedResult GeometryError MemoryLimitError MetadataError MissingExtra ParameterError
        PipelineError RunFailed ScutoidError SourceError SourceNotFound StepError StoreError
        WorkerError
    """,
    "scutoid.geometry": "BlockGrid Coordinate Fit HaloLike Roi RoiLike halo_pair",
    "scutoid.kernels": """
        Histogram IntensityStats MergedLabels RegionStats bin_centers faces float_histogram
        global_first histogram_of label_components lookup_table measure_block merge_blocks
        merge_histograms merge_regions otsu_from_histogram percentile_from_histogram region_columns
        value_range watershed
    """,
    "scutoid.executors": """
        CONNECTION_VARIABLE ConnectExecutor Crew Executor FAILED ItemFailure Job Joined
        LAUNCH_VARIABLE Launch Lost MOST_ITEMS Message NoBeacon Outcome TASK_VARIABLE Work
        Workbench dump_value dumps find_executor loads meet
    """,
    "scutoid.arrays": """
        ArraySource ImageSpec ImageWriter METRES SourceIdentity Storage WritableImage
        create create_image damaged_shards open_source pad_to read_region stored_shards
        write_tiff
    """,
    "scutoid.blocks": """
        After Batch Block BlockGrid BlockStatus BlockTask BlockTime Blocks EventLog Failure
        Journal Mask Report Scheduler Setback TaskReport conflict_order connect lower_neighbours
        parse_bytes run_blocks
    """,
    "scutoid.store": """
        COMPLETE CodeFingerprint Entry EntryStore FORMATS Fact Format HashMemo Lock MARK
        Owner Pack RECIPE Recipe arrays_of_bytes bytes_of_arrays bytes_of_table
        canonical_digest checksum_file choose_format describe differences distrust_around
        explain find_format fingerprint is_beside is_own key_of_path key_of_source
        one_by_one table_of_bytes version_notes
    """,
    "scutoid.pipeline": """
        BlockParts Collection Files Image Images Length Parts Pipeline Plan PlannedStep Run
        RunStep Step StepBlock Store Table Tables Value Values blockwise export gather
        is_lazy open open_folder per_member pipeline plan reduction run step um with_given
    """,
    "scutoid.ops": """
        gaussian label label_apply label_merge label_pieces measure measure_channels measure_step
        object_counts otsu otsu_step remove_objects remove_small small_objects threshold value_range
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
    layer = importlib.import_module("scutoid.pipeline")
    for name in set(scutoid.__all__) & set(layer.__all__):
        assert getattr(scutoid, name) is getattr(layer, name)


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert scutoid.__version__ == version("scutoid")
