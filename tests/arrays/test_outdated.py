"""An image that is no longer what was opened is refused: it is not read by what it was then."""

from __future__ import annotations

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr as library

import scutoid as sc
from scutoid.arrays import open_source
from scutoid.errors import RunFailed, SourceError


def npy(path, image):
    np.save(path.with_suffix(".npy"), image)
    return path.with_suffix(".npy")


def png(path, image):
    iio.imwrite(path.with_suffix(".png"), image)
    return path.with_suffix(".png")


def tiff(path, image):
    tifffile.imwrite(path.with_suffix(".tif"), image, photometric="minisblack")
    return path.with_suffix(".tif")


def zarr(version):
    def write(path, image):
        path = path.with_suffix(".zarr")
        array = library.create_array(
            path,
            shape=image.shape,
            dtype=image.dtype,
            chunks=(2, 2),
            zarr_format=version,
            compressors=None,
            overwrite=True,
        )
        array[...] = image
        return path

    return write


WRITERS = pytest.mark.parametrize(
    "write",
    [
        pytest.param(npy, id="npy"),
        pytest.param(png, id="PNG"),
        pytest.param(tiff, id="TIFF"),
        pytest.param(zarr(2), id="zarr 2"),
        pytest.param(zarr(3), id="zarr 3"),
    ],
)
THEN = np.full((4, 4), 5, "uint8")


@sc.step
def largest(image):
    return float(image.max())


@WRITERS
@pytest.mark.parametrize(
    "now",
    [
        pytest.param(np.full((4, 4), 300, "uint16"), id="a wider type"),
        pytest.param(np.full((6, 6), 7, "uint8"), id="a larger image"),
        pytest.param(np.full((2, 2), 7, "uint8"), id="a smaller image"),
    ],
)
@pytest.mark.parametrize("is_read_before", [True, False])
def test_what_has_another_type_or_shape_is_refused(tmp_path, write, now, is_read_before) -> None:
    image = sc.open(write(tmp_path / "a", THEN))
    if is_read_before:
        image.read()
    path = write(tmp_path / "a", now)
    with pytest.raises(
        SourceError, match=r"stays as it was when it was opened(.|\n)*open it again"
    ):
        image.read()
    with pytest.raises((SourceError, RunFailed), match="stays as it was"):
        sc.run(largest(image), store=tmp_path / "store", executor="serial")
    assert sc.open(path).read().tolist() == now.tolist()


def test_a_type_of_the_same_width_is_another(tmp_path) -> None:
    for write in (npy, zarr(2), zarr(3)):
        image = sc.open(write(tmp_path / "a", np.full((4, 4), 65531, "uint16")))
        assert image.read().max() == 65531
        write(tmp_path / "a", np.full((4, 4), -5, "int16"))
        with pytest.raises(SourceError, match="open it again"):
            image.read()


def put_fill(path, value, version):
    """Write an array without chunks: all voxels have the fill value."""
    library.create_array(
        path,
        shape=(4, 4),
        chunks=(2, 2),
        dtype="uint8",
        zarr_format=version,
        fill_value=value,
        overwrite=True,
    )


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_metadata_of_then_give_no_voxels_under_the_key_of_now(tmp_path, version, executor) -> None:
    path, options = tmp_path / "a.zarr", {"store": tmp_path / "store", "executor": executor}
    put_fill(path, 3, version)
    image = sc.open(path)
    assert image.read().max() == 3
    put_fill(path, 7, version)
    with pytest.raises(SourceError, match="its metadata have changed"):
        sc.run(largest(image), workers=1, **options)
    again = largest(sc.open(path))
    sc.run(again, workers=1, **options)
    assert again.get() == 7


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_at_a_url_of_then_give_no_voxels_under_the_key_of_now(
    web, tmp_path, version
) -> None:
    put_fill(web.folder / "a.zarr", 3, version)
    image = sc.open(web.url("a.zarr"))
    assert image.read().max() == 3
    put_fill(web.folder / "a.zarr", 7, version)
    with pytest.raises(SourceError, match="its metadata have changed"):
        sc.run(largest(image), store=tmp_path / "store", executor="serial")
    again = largest(sc.open(web.url("a.zarr")))
    sc.run(again, store=tmp_path / "store", executor="serial")
    assert again.get() == 7


@pytest.mark.parametrize("write", [npy, png, zarr(2), zarr(3)])
def test_voxels_alone_may_change(tmp_path, write) -> None:
    image = sc.open(write(tmp_path / "a", THEN))
    write(tmp_path / "a", THEN + 1)
    assert image.read().max() == 6


def test_attributes_of_a_zarr_may_change(tmp_path) -> None:
    path = zarr(3)(tmp_path / "a", THEN)
    image = sc.open(path)
    library.open_array(path, mode="r+").attrs["seen"] = True
    assert image.read().max() == 5


@pytest.mark.parametrize("announced", ["uint8", "int64", "float64"])
def test_a_dask_array_computes_what_it_announces(tmp_path, announced) -> None:
    dask = pytest.importorskip("dask.array")
    blocks = dask.ones((4, 4), chunks=2, dtype="uint8")
    image = open_source(blocks.map_blocks(lambda b: b * np.float32(300.5), dtype=announced))
    if announced == "float64":
        assert image.read(image.spec.roi).max() == 300.5
    else:
        with pytest.raises(SourceError, match=f"float32, announced {announced}"):
            image.read(image.spec.roi)


@pytest.mark.parametrize("write", [npy, png, tiff])
def test_a_file_at_a_url_is_described_by_the_user(web, write) -> None:
    path = write(web.folder / "a", THEN)
    image = sc.open(web.url(path.name), voxel_size=0.5, unit="um", origin=(1, 2))
    assert (image.voxel_size, image.unit, image.origin) == ((0.5, 0.5), "um", (1, 2))
    assert image.read().max() == 5
