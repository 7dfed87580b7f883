"""Results of Prefect tasks as open files, and their keys; flows run in test_prefect_example.py."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import DamagedResult, ParameterError, SourceError, StoreError

prefect = pytest.importorskip("prefect", reason='needs Prefect 3: pip install "scutoid[prefect]"')

from prefect._internal.result_records import ResultRecord, ResultRecordMetadata  # noqa: E402
from prefect.serializers import Serializer  # noqa: E402

from scutoid.integrations.prefect import ByContent, ImageSource, StoreSerializer  # noqa: E402

DTYPES = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "complex64", ">u2",
]  # fmt: skip
SHAPES = [(20, 30), (1, 1), (2, 1500), (20, 30, 3), (1, 20, 30), (2, 3, 4, 5, 6), (0, 5), (2,) * 8]
SHAPES += [(), (3,), (2000,)]


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def image(dtype="uint16", shape=(40, 50)):
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


@pytest.fixture
def serializer(tmp_path):
    return StoreSerializer(folder=tmp_path / "results")


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_come_back_as_they_were(serializer, tmp_path, dtype):
    for shape in SHAPES:
        array = np.asarray(image("uint8", shape).astype(dtype))
        reference = serializer.dumps(array)
        assert len(reference) < 500
        loaded = serializer.loads(reference)
        assert type(loaded) is np.ndarray
        assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
        assert np.array_equal(loaded, array)
    assert {Path(name).suffix for name in files(tmp_path)} <= {".tif", ".npy", ".json"}


def test_public_names_are_these():
    from scutoid.integrations import prefect as module

    assert sorted(module.__all__) == ["ByContent", "ImageSource", "StoreSerializer"]
    assert not hasattr(module, "Serializer")


WITHOUT = """
import sys

class NoPrefect:
    def find_spec(self, name, *rest):
        if name == "prefect":
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, NoPrefect())
from scutoid.integrations.prefect import """


def test_without_prefect_its_extra_is_named():
    for name, is_missing in (
        ("ByContent", True),
        ("StoreSerializer", True),
        ("ImageSource", False),
    ):
        command = [sys.executable, "-c", WITHOUT + name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ('pip install "scutoid[prefect]"' in done.stderr) is is_missing
        assert (done.returncode != 0) is is_missing


def test_arrays_of_two_axes_are_tiffs_that_anything_opens(serializer, tmp_path):
    array = image()
    serializer.dumps(array)
    (name,) = files(tmp_path)
    assert re.fullmatch(r"results/results/[0-9a-f]{16}\.tif", name)
    assert np.array_equal(tifffile.imread(tmp_path / name), array)


@pytest.mark.parametrize("zarr_above", [2**28, 100])
def test_images_keep_axes_scale_and_place(tmp_path, zarr_above):
    serializer = StoreSerializer(folder=tmp_path, zarr_above=zarr_above)
    whole = sc.open(image("float32", (6, 40, 300)), voxel_size=(2, 0.5, 0.5), unit="um")
    for opened in (whole, whole[2:5, :, 30:]):
        loaded = serializer.loads(serializer.dumps(opened))
        assert isinstance(loaded, sc.Image)
        assert (loaded.axes, loaded.shape, loaded.dtype) == (
            opened.axes,
            opened.shape,
            opened.dtype,
        )
        assert (loaded.voxel_size, loaded.unit) == (opened.voxel_size, opened.unit)
        assert loaded.origin == opened.origin
        assert np.array_equal(loaded.read(), opened.read())
    suffix = ".ome.zarr" if zarr_above == 100 else ".tif"
    assert all(path.name.endswith(suffix) for path in (tmp_path / "results").iterdir())


def test_tables_keep_names_types_and_index(serializer):
    table = pd.DataFrame(
        {"area": np.array([3, 5], "uint16"), "name": ["a", None], "mean": [0.5, np.nan]},
        index=pd.Index([7, 9], name="label"),
    )
    pd.testing.assert_frame_equal(serializer.loads(serializer.dumps(table)), table)


def test_several_results_of_one_task_are_a_file_each(serializer, tmp_path):
    value = {
        "labels": image("int32"),
        "pair": (image("bool"), pd.DataFrame({"n": [1]})),
        "list": [None, 1.5, "text", float("inf"), {1: (2, 3)}, np.float32(4)],
    }
    loaded = serializer.loads(serializer.dumps(value))
    assert np.array_equal(loaded["labels"], value["labels"])
    assert type(loaded["pair"]) is tuple
    assert np.array_equal(loaded["pair"][0], value["pair"][0])
    assert loaded["pair"][1].equals(value["pair"][1])
    assert loaded["list"] == value["list"]
    assert type(loaded["list"][-1]) is np.float32
    suffixes = sorted(Path(name).suffix for name in files(tmp_path))
    assert suffixes == [".json", ".parquet", ".tif", ".tif"]


def test_a_path_stands_for_the_file_that_a_task_has_written(serializer, tmp_path):
    path = tmp_path / "made.txt"
    with pytest.raises(FileNotFoundError, match="an input exists"):
        serializer.dumps(path)
    path.write_text("one")
    reference = serializer.dumps(path)
    assert serializer.loads(reference) == path
    path.write_text("two")
    with pytest.raises(DamagedResult, match="is what was written"):
        serializer.loads(reference)


def test_what_has_no_open_format_is_refused_and_leaves_nothing(serializer, tmp_path):
    masked = np.ma.masked_array([[1, 2]], [[True, False]])
    for value in (object(), {"a": [object()]}, np.array([[object()]]), masked):
        with pytest.raises(ParameterError, match="found:"):
            serializer.dumps(value)
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"where: .*file"):
        StoreSerializer(folder=tmp_path / "file").dumps(image())


def test_exceptions_are_kept_as_text(serializer):
    loaded = serializer.loads(serializer.dumps(ValueError("too dark")))
    assert type(loaded) is ValueError
    assert str(loaded) == "too dark"


VALUES = {
    "tiff": (image(), 2**28),
    "zarr": (image("uint16", (300, 300)), 100),
    "npy": (image("complex64"), 2**28),
    "parquet": (pd.DataFrame({"n": range(50), "t": list("ab") * 25}), 2**28),
    "json": ({"n": [1, 2, 3], "t": "text"}, 2**28),
}


def is_same(first, second):
    return type(first) is type(second) and (
        first.equals(second) if isinstance(first, pd.DataFrame) else np.array_equal(first, second)
    )


@pytest.mark.parametrize("kind", VALUES)
def test_a_flipped_bit_never_brings_another_value(tmp_path, kind):
    value, zarr_above = VALUES[kind]
    serializer = StoreSerializer(folder=tmp_path, zarr_above=zarr_above)
    reference = serializer.dumps(value)
    rng = np.random.default_rng(5)
    found = 0
    for name in files(tmp_path):
        path = tmp_path / name
        content = path.read_bytes()
        for place in rng.integers(0, len(content), 40):
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            try:
                assert is_same(serializer.loads(reference), value)
            except DamagedResult:
                found += 1
        path.write_bytes(content)
    assert found
    assert is_same(serializer.loads(reference), value)


@pytest.mark.parametrize("kind", VALUES)
def test_what_is_cut_off_or_gone_is_damaged_and_made_again(tmp_path, kind):
    value, zarr_above = VALUES[kind]
    serializer = StoreSerializer(folder=tmp_path, zarr_above=zarr_above)
    reference = serializer.dumps(value)
    written = files(tmp_path)
    path = max((tmp_path / name for name in written), key=lambda path: path.stat().st_size)
    for damage in (lambda: os.truncate(path, path.stat().st_size // 2), path.unlink):
        damage()
        with pytest.raises(DamagedResult, match=r"remedy: run the flow again"):
            serializer.loads(reference)
        assert serializer.dumps(value) == reference
        assert is_same(serializer.loads(reference), value)
        assert files(tmp_path) == written


def test_a_record_that_is_damaged_is_no_result(serializer):
    reference = serializer.dumps(3)
    for blob in (b"", b"{}", b"[]", b"\xff", reference[:-9], reference.replace(b": 1,", b": 9,")):
        with pytest.raises(DamagedResult, match="record"):
            serializer.loads(blob)


@pytest.mark.parametrize("kind", ["array", "value"])
@pytest.mark.parametrize("how", ["absolute", "dots", "link"])
def test_a_reference_that_leads_out_of_the_folder_is_refused(serializer, tmp_path, kind, how):
    value = np.eye(4) if kind == "array" else {"count": 3}
    record = json.loads(serializer.dumps(value))
    place = tmp_path / "results" / record["path"]
    away = tmp_path / "outside" / place.name
    away.parent.mkdir()
    place.rename(away)
    if how == "link":
        place.symlink_to(away)
    else:
        record["path"] = str(away) if how == "absolute" else f"../outside/{place.name}"
    with pytest.raises(DamagedResult, match="in its own folder"):
        serializer.loads(json.dumps(record).encode())


def test_the_same_result_from_many_threads_is_one_file(tmp_path):
    for zarr_above in (2**28, 100):
        serializer = StoreSerializer(folder=tmp_path / str(zarr_above), zarr_above=zarr_above)
        with ThreadPoolExecutor(8) as pool:
            references = set(pool.map(serializer.dumps, [image()] * 24))
        (reference,) = references
        assert np.array_equal(serializer.loads(reference), image())
        assert len(list((tmp_path / str(zarr_above) / "results").iterdir())) == 1


def test_prefect_finds_the_serializer_in_its_records(serializer):
    assert Serializer(type="scutoid-store", folder=serializer.folder) == serializer
    record = ResultRecord(result=image(), metadata=ResultRecordMetadata(serializer=serializer))
    content = record.serialize()
    assert len(content) < 1000
    assert np.array_equal(ResultRecord.deserialize(content).result, image())
    assert pickle.loads(pickle.dumps(serializer)) == serializer


def test_a_relative_folder_stays_where_it_was_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    serializer = StoreSerializer(folder="results")
    reference = serializer.dumps(3)
    monkeypatch.chdir("/")
    assert serializer.loads(reference) == 3


SOURCE = '''
from prefect import task

OFFSET = 1


def shifted(x):
    return x + OFFSET


@task
def step(image, sigma=1.0):
    """Do it."""
    return shifted(image) * 2  # twice
'''


@pytest.fixture
def key_of(tmp_path, monkeypatch):
    """Gives the key of a task in a module of some source."""
    numbers = iter(range(100))

    def key(source=SOURCE, policy=None, **inputs):
        path = tmp_path / f"flow_{next(numbers)}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("analysis", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "analysis", module)
        spec.loader.exec_module(module)
        context = SimpleNamespace(task=module.step)
        return (policy or ByContent()).compute_key(context, inputs, {})

    return key


@pytest.mark.parametrize(
    ("old", "new"),
    [("* 2", "* 3"), ("x + OFFSET", "x - OFFSET"), ("OFFSET = 1", "OFFSET = 2"), ("1.0", "2.0")],
)
def test_code_that_a_task_reaches_is_in_its_key(key_of, old, new):
    assert key_of(SOURCE.replace(old, new), image=3) != key_of(image=3)


@pytest.mark.parametrize(
    ("old", "new"), [("# twice", "# 2"), ("Do it", "Done"), ("\n\n", "\n\n\n")]
)
def test_comments_and_formatting_are_not(key_of, old, new):
    assert key_of(SOURCE.replace(old, new), image=3) == key_of(image=3)


def test_inputs_count_by_content_and_are_left_as_they_are(key_of, tmp_path):
    table = pd.DataFrame({"a": [1, 2]})
    values = [
        image(), image("int32"), image()[:, ::-1], table, table.rename(columns={"a": "b"}),
        table.astype("int32"), sc.open(image()), sc.open(image(), voxel_size=2), [image()],
        [sc.open(image())], {"a": sc.open(image())}, 2, 2.0, True, "2", None,
    ]  # fmt: skip
    before = pickle.dumps(values[:6])
    keys = [key_of(image=value) for value in values]
    assert len(set(keys)) == len(values)
    assert keys == [key_of(image=value) for value in values]
    assert pickle.dumps(values[:6]) == before
    assert {path.suffix for path in tmp_path.iterdir() if path.is_file()} == {".py"}


def test_an_image_has_the_same_key_in_memory_and_stored(key_of, tmp_path):
    opened = sc.open(image("float32", (5, 40, 50)), voxel_size=(2, 1, 1), unit="um")[1:]
    for zarr_above in (2**28, 100):
        serializer = StoreSerializer(folder=tmp_path / "results", zarr_above=zarr_above)
        stored = serializer.loads(serializer.dumps(opened))
        assert key_of(image=[stored]) == key_of(image=[opened])


def test_paths_count_by_the_content_of_their_files(key_of, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"one")
    (tmp_path / "b.bin").write_bytes(b"one")
    first = key_of(image=tmp_path / "a.bin")
    assert key_of(image=tmp_path / "b.bin") == first
    (tmp_path / "a.bin").write_bytes(b"two")
    assert key_of(image=tmp_path / "a.bin") != first


def test_a_parameter_can_be_left_out_and_a_version_stand_for_the_code(key_of):
    policy = ByContent(version="1") - "sigma"
    first = key_of(policy=policy, image=1, sigma=object())
    assert key_of(SOURCE.replace("* 2", "* 3"), policy, image=1, sigma=2) == first
    assert key_of(policy=ByContent(version="2") - "sigma", image=1) != first
    assert key_of(policy=policy, image=2) != first


def test_an_input_without_a_stable_form_has_no_key(key_of):
    with pytest.raises(ParameterError, match=r"inputs of task 'step'.*image"):
        key_of(image=object())


def edit_in_place(path):
    """Change a file, and keep its size and time."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-5] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_source_notices_that_its_file_was_edited_in_place(key_of, serializer, tmp_path):
    path = tmp_path / "A01.tif"
    tifffile.imwrite(path, image())
    source = ImageSource(path, voxel_size=(0.5, 0.5), unit="um")
    first = key_of(image=source)
    assert np.array_equal(np.asarray(source), image())
    reference = serializer.dumps([source])
    (loaded,) = serializer.loads(reference)
    assert loaded == source
    assert loaded.image().voxel_size == (0.5, 0.5)
    assert key_of(image=pickle.loads(pickle.dumps(loaded))) == first
    edit_in_place(path)
    with pytest.raises(SourceError, match="stays as it is while a task runs"):
        source.read()
    with pytest.raises(DamagedResult, match="an input that a task returned is as it was"):
        serializer.loads(reference)
    assert key_of(image=source) != first
    assert not np.array_equal(source.read(), image())
    path.unlink()
    with pytest.raises(DamagedResult, match="an input that a task returned is as it was"):
        serializer.loads(reference)


def test_a_source_is_known_by_name_and_description_and_not_by_its_folder(key_of, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("A01", "A02"):
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", image())
    first = key_of(image=ImageSource(tmp_path / "one" / "A01.tif"))
    assert key_of(image=ImageSource(tmp_path / "two" / "A01.tif")) == first
    assert key_of(image=ImageSource(tmp_path / "one" / "A02.tif")) != first
    assert key_of(image=ImageSource(tmp_path / "one" / "A01.tif", voxel_size=2)) != first
