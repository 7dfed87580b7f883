"""A server that refuses (403) what is not there, as S3 does to whom it does not list files."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.arrays import Storage, create_image, open_source
from scutoid.errors import SourceError
from scutoid.geometry import Roi


@sc.blockwise(block=8, check_halo=False)
def doubled(image):
    return image * 2


@pytest.fixture
def refusing(web):
    web.lists, web.refuses_absent = False, True
    return web


def written(path, zarr_format, **options):
    """Write an array of 16 by 24 with one chunk, or shard, that is absent."""
    truth = np.arange(1, 385).reshape(16, 24).astype("uint16")
    truth[:8, :8] = 7
    array = zarr.create_array(
        path, shape=truth.shape, dtype="uint16", fill_value=7, zarr_format=zarr_format, **options
    )
    array[:] = truth
    return truth


@pytest.mark.parametrize(
    ("zarr_format", "options"),
    [(2, {"chunks": (8, 8)}), (3, {"chunks": (8, 8)}), (3, {"chunks": (4, 4), "shards": (8, 8)})],
    ids=["zarr 2", "zarr 3", "shards"],
)
def test_what_is_refused_has_the_fill_value_where_asked_for(
    refusing, tmp_path, zarr_format, options
) -> None:
    truth = written(refusing.folder / "a.zarr", zarr_format, **options)
    url = refusing.url("a.zarr")
    with pytest.raises(SourceError, match=r'missing="fill"'):
        sc.open(url).read()
    image = sc.open(url, missing="fill")
    np.testing.assert_array_equal(image.read(), truth)
    np.testing.assert_array_equal(image[3:13, 5:20].read(), truth[3:13, 5:20])
    result = doubled(image)
    run = sc.run(result, store=tmp_path / "store")
    np.testing.assert_array_equal(run[result].read(), truth * 2)
    assert sc.plan(doubled(sc.open(url, missing="fill")), store=tmp_path / "store").is_done


def test_a_change_is_seen_where_chunks_are_absent(refusing, tmp_path) -> None:
    written(refusing.folder / "a.zarr", 3, chunks=(8, 8))
    url = refusing.url("a.zarr")
    sc.run(doubled(sc.open(url, missing="fill")), store=tmp_path / "store")
    zarr.open_array(refusing.folder / "a.zarr")[0, 0] = 9  # the absent chunk comes
    again = doubled(sc.open(url, missing="fill"))
    run = sc.run(again, store=tmp_path / "store")
    assert run[again].read()[0, 0] == 18


@pytest.mark.parametrize("axes", ["zyx", "yxc"])
def test_an_ome_zarr_of_ours(refusing, axes) -> None:
    source = create_image(
        refusing.folder / "a.ome.zarr",
        open_source(np.zeros((8, 9, 3), "uint8"), axes=axes, voxel_size=2, unit="um").spec,
        block=(4, 9, 3),
        storage=Storage(levels=2, factors=(2,) * sum(a in "zyx" for a in axes)),
    )
    source.write(Roi((4, 0, 0), (4, 9, 3)), np.ones((4, 9, 3), "uint8"))
    for level in (0, 1):
        image = sc.open(refusing.url("a.ome.zarr"), missing="fill", level=level)
        half = image.shape[0] // 2
        assert image.axes == axes
        assert not image[:half].read().any()
        assert image[half:].read().all()


@pytest.mark.parametrize("status", [401, 500])
def test_another_failure_is_an_error_all_the_same(refusing, status) -> None:
    """401 is of a server that wants to know who asks, as when an access has run out."""
    written(refusing.folder / "a.zarr", 3, chunks=(8, 8))
    image = sc.open(refusing.url("a.zarr"), missing="fill")
    refusing.failures["/a.zarr/c/1/1"] = [status] * 50
    with pytest.raises(SourceError, match=str(status)):
        image.read()
