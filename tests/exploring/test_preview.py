"""Previews: what they say, remember, read and refuse."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import GeometryError, MetadataError, ParameterError, PipelineError


@pytest.fixture
def raw():
    array = np.zeros((90, 120), "uint8")
    array[10:20, 10:20] = 100  # whole
    array[30:40, 20:110] = 120  # goes on
    array[50:55, 60:66] = 140  # in the margin alone
    array[48:52, 30:34] = 160  # whole
    return array


class Counted:
    """Steps that count their calls."""

    def __init__(self):
        self.calls = {"smooth": 0, "brighter": 0, "level": 0}

    def pipeline(self, image, level=None):
        @sc.blockwise(halo=1, dtype="float32", check_halo=False)
        def smooth(image, *, weight):
            self.calls["smooth"] += 1
            return (image * weight).astype("float32")

        @sc.blockwise(dtype="float32", check_halo=False)
        def brighter(image, *, by):
            self.calls["brighter"] += 1
            return image + by

        @sc.reduction(merge=max)
        def level(image):
            self.calls["level"] += 1
            return float(image.max())

        smooth_image = smooth(image, weight=2.0)
        found = brighter(smooth_image, by=1.0)
        return found, sc.threshold(found, level=level(smooth_image))


def test_objects_that_go_on_are_named_and_counted(raw):
    labels = sc.label(sc.open(raw) > 50)
    found = sc.preview((labels, sc.measure(labels)), sc.Roi((5, 5), (50, 45)), margin=10)
    (touching,) = found.touching
    assert (found.array[25, 30], found.touches.sum()) == (touching, (found.array == touching).sum())
    assert found.table["touches_edge"].tolist() == [n == touching for n in found.table["label"]]
    assert sorted(found.table["n_voxels"][~found.table["touches_edge"]]) == [16, 100]
    assert "1 objects go on" in str(found)


def test_an_object_at_the_edge_of_the_image_does_not_go_on():
    raw = np.zeros((40, 40), "uint8")
    raw[:10, 5:9] = 1
    raw[30:, 20:40] = 1
    found = sc.preview(sc.label(sc.open(raw)), {"x": slice(0, 30)}, margin=20)
    assert not found.touching.size
    assert sorted(np.unique(found.array)) == [0, 1, 2]


def test_a_margin_is_a_length_too(raw):
    image = sc.open(raw, voxel_size=0.5, unit="um")
    labels = sc.label(image > 50)
    roi = sc.Roi((28, 40), (20, 20))
    assert sc.preview(labels, roi, margin=sc.um(5)).touching.size == 1
    assert sc.preview(labels, roi, margin=sc.um(30)).touching.size == 0
    assert sc.preview(labels, roi, margin={"x": 60}).touching.size == 0
    assert sc.preview(labels, roi, margin={"y": 60}).touching.size == 1
    with pytest.raises(MetadataError, match="voxel size"):
        sc.preview(sc.label(sc.open(raw) > 50), roi, margin=sc.um(5))


def test_labels_of_time_points_are_told_apart():
    raw = np.zeros((2, 20, 60), "uint8")
    raw[0, 5:8, 5:55] = 1
    raw[1, 5:8, 20:24] = 1
    labels = sc.label(sc.open(raw, axes="tyx"))
    found = sc.preview((labels, sc.measure(labels)), {"x": (10, 30)}, margin=5)
    assert found.touches[0].any()
    assert not found.touches[1].any()
    assert found.table.sort_values("t")["touches_edge"].tolist() == [True, False]


def test_what_does_not_depend_on_a_parameter_is_remembered(raw):
    counted = Counted()
    found = sc.preview(counted.pipeline(sc.open(raw)), sc.Roi((0, 0), (30, 30)))
    first = dict(counted.calls)
    other = found.update({"brighter.by": 5.0})
    assert counted.calls == first | {"brighter": first["brighter"] + 1}
    np.testing.assert_array_equal(other.results[0], found.results[0] + 4)
    again = found.update({})
    assert counted.calls["brighter"] == first["brighter"] + 1
    np.testing.assert_array_equal(again.results[0], found.results[0])
    assert other.parameters["brighter.by"] == 5.0
    assert other.parameters["smooth.weight"] == 2.0


def test_a_value_stands_in_for_a_result(raw):
    counted = Counted()
    found = sc.preview(counted.pipeline(sc.open(raw))[1], values={"threshold.level": 50.0})
    assert counted.calls["level"] == 0
    np.testing.assert_array_equal(found.array, raw * 2.0 + 1 > 50)


def test_values_of_the_whole_image_are_those_of_the_region_if_asked_for(raw):
    image = sc.open(raw)
    mask = sc.threshold(image, level=sc.otsu(image))
    roi = {"y": (10, 22), "x": (8, 22)}
    part = raw[10:22, 8:22]
    whole = sc.preview(mask, roi)
    np.testing.assert_array_equal(whole.array, part > sc.otsu(raw))
    for local in (True, "otsu", ["otsu"]):
        looked = sc.preview(mask, roi, local=local)
        np.testing.assert_array_equal(looked.array, part > sc.otsu(part))
    with pytest.raises(ParameterError, match="there are otsu"):
        sc.preview(mask, roi, local="otsy")


def test_a_parameter_that_steps_of_one_operation_share_is_changed_in_all(raw):
    labels = sc.label(sc.open(np.eye(12, dtype=bool)))
    found = sc.preview(labels)
    assert found.array.max() == 12
    assert found.update({"label.connectivity": 2}).array.max() == 1


def test_what_a_store_has_is_read(raw, tmp_path):
    counted = Counted()
    found, mask = counted.pipeline(sc.open(raw))
    sc.run(found, store=tmp_path)
    before = dict(counted.calls)
    fresh = Counted()
    fresh.calls = counted.calls
    looked = sc.preview((found, mask), sc.Roi((3, 3), (9, 9)), store=tmp_path)
    assert counted.calls["brighter"] == before["brighter"]
    np.testing.assert_array_equal(looked.results[0], (raw * 2.0 + 1)[3:12, 3:12])
    looked.update({"brighter.by": 3.0})
    assert counted.calls["smooth"] == before["smooth"]


def test_a_member_of_a_folder(raw, tmp_path):
    import tifffile

    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", raw + ord(name) - 97)
    images = sc.open_folder(tmp_path / "*.tif")
    labels = sc.label(images > 50)
    looked = sc.preview(labels["b.tif"], sc.Roi((0, 0), (30, 30)))
    np.testing.assert_array_equal(looked.array > 0, raw[:30, :30] > 50)
    with pytest.raises(PipelineError, match="take one member"):
        sc.preview(labels)


def test_a_part_of_a_result_has_the_frame_of_the_whole(raw):
    smooth = sc.gaussian(sc.open(np.stack([raw, raw // 2]), axes="cyx"), sigma=1)
    part = smooth.channel(1)[20:70, 10:]
    roi = sc.Roi((25, 15), (10, 12))
    looked = sc.preview(part, roi)
    np.testing.assert_array_equal(looked.array, np.asarray(smooth)[1, 25:35, 15:27])
    assert looked.handle.roi == roi


def test_a_handle_lies_where_the_region_does(raw):
    image = sc.open(raw, voxel_size=2.0, unit="um", origin=(10.0, 20.0))
    looked = sc.preview(sc.gaussian(image, sigma=1), sc.Roi((4, 6), (10, 10)))
    assert (looked.handle.origin, looked.handle.unit) == ((18.0, 32.0), "um")


def test_a_table_of_a_halo_has_the_rows_of_the_region(raw):
    @sc.blockwise(out="table", halo=1, check_halo=False, position=("y", "x"))
    def corners(image):
        import pandas as pd

        y, x = np.nonzero(image > 150)
        return pd.DataFrame({"y": y, "x": x})

    table = corners(sc.open(raw))
    whole = table.to_pandas()
    looked = sc.preview(table, {"y": (0, 50), "x": (0, 33)}).table
    inside = whole[(whole.y < 50) & (whole.x < 33)]
    assert looked.sort_values(["y", "x"]).to_numpy().tolist() == inside.to_numpy().tolist()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: sc.preview(m, sc.Roi((0, 0), (99, 10))), GeometryError, "y 0 to 90"),
        (lambda m: sc.preview(m, sc.Roi((0,), (9,))), GeometryError, "x 0 to 120"),
        (lambda m: sc.preview(m, {"z": 3}), GeometryError, "roi="),
        (lambda m: sc.preview(m, {"y": (5, 5)}), GeometryError, "a voxel or more"),
        (lambda m: sc.preview(m, "all"), GeometryError, "roi="),
        (lambda m: sc.preview(m, margin=-1), ParameterError, "margin"),
        (lambda m: sc.preview(m, margin={"t": 3}), ParameterError, "margin"),
        (lambda m: sc.preview(m, margin=2.5), ParameterError, "margin"),
        (lambda m: sc.preview(m, values={"gausian.sigma": 1}), ParameterError, "gaussian.sigma"),
        (lambda m: sc.preview(m, values={"gaussian.radius": 1}), ParameterError, "gaussian.sigma"),
        (lambda m: sc.preview(m, values={"gaussian.sigma": -1}), ParameterError, "sigma is"),
        (lambda m: sc.preview(3), PipelineError, "a target is a result"),
    ],
)
def test_what_cannot_be_is_refused_with_what_there_is(raw, call, error, message):
    with pytest.raises(error, match=message):
        call(sc.threshold(sc.gaussian(sc.open(raw), sigma=1), level=50))


def test_steps_of_one_name_are_told_apart(raw):
    image = sc.open(raw)
    both = sc.gaussian(image, sigma=1) - sc.gaussian(image, sigma=2)
    with pytest.raises(ParameterError, match="2 steps have"):
        sc.preview(both, values={"gaussian.sigma": 3})
    wide = sc.gaussian.options(name="wide")
    named = sc.gaussian(image, sigma=1) - wide(image, sigma=2)
    looked = sc.preview(named, values={"wide.sigma": 1})
    assert not looked.array.any()


def test_results_on_several_grids_have_a_region_each(raw):
    image = sc.open(raw)
    both = (sc.gaussian(image, sigma=1), sc.downsample(image, factors=2))
    with pytest.raises(PipelineError, match="y 0 to 90"):
        sc.preview(both, sc.Roi((0, 0), (10, 10)))
    assert [each.shape for each in sc.preview(both).results] == [(90, 120), (45, 60)]


def test_a_table_that_goes_with_labels_is_of_the_region_and_else_of_the_image(raw):
    @sc.blockwise(dtype="uint32", labels=True, check_halo=False)
    def large(labels, table, *, above):
        return np.where(np.isin(labels, table["label"][table["n_voxels"] > above]), labels, 0)

    @sc.blockwise(dtype="int64", check_halo=False)
    def counted(image, table):
        return np.full(image.shape, len(table))

    image = sc.open(raw)
    labels = sc.label(image > 50)
    table = sc.measure(labels)
    roi = {"y": (45, 80), "x": (25, 80)}
    kept = sc.preview(large(labels, table, above=20), roi, margin=10)
    np.testing.assert_array_equal(
        kept.array > 0, (raw > 50)[45:80, 25:80] & (raw == 140)[45:80, 25:80]
    )
    assert (sc.preview(counted(image, table), roi).array == 4).all()


def test_what_is_remembered_is_bounded_and_values_of_the_image_last(raw):
    counted = Counted()
    mask = counted.pipeline(sc.open(raw))[1]
    found = sc.preview(sc.label(mask), {"x": (0, 60)})
    level = counted.calls["level"]
    session = found._region.session
    sizes = []
    for number in range(40):
        found.update({"threshold.level": number})
        near, full = session.near._remembered, session.full._remembered
        sizes.append((len(session.memory), len(near.values), len(full.values)))
    assert sizes[-1] == sizes[20]
    np.testing.assert_array_equal(found.update({}).array, found.array)
    assert counted.calls["level"] == level


def test_images_that_were_used_longest_ago_are_forgotten(raw):
    found = sc.preview(sc.gaussian(sc.open(raw), sigma=1), memory=2**17)
    session = found._region.session
    for number in range(1, 9):
        found.update({"gaussian.sigma": number / 2})
        assert session.near._remembered.used <= 2**17
    assert 1 <= len(session.near._remembered.images) <= 3


@pytest.mark.parametrize(
    "roi",
    [
        {"y": (0.5, 10)},
        {"y": 2.0},
        {"y": ("1", "9")},
        {"y": slice(0, 4.5)},
        (slice(0, 4.0), slice(None)),
    ],
)
def test_places_of_a_region_are_whole_numbers(raw, roi):
    with pytest.raises(GeometryError, match="roi= is a region"):
        sc.preview(sc.open(raw) > 50, roi)
