"""What an image is: axes, voxel size, units, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from scutoid.arrays import ImageSpec, Storage
from scutoid.arrays._units import in_one_unit, known_unit, long_unit
from scutoid.errors import GeometryError, MetadataError
from scutoid.geometry import Roi


def test_a_single_voxel_size_holds_for_all_axes_of_space():
    spec = ImageSpec((2, 3, 4, 5), "uint8", "czyx", voxel_size=0.5)
    assert spec.voxel_size == (0.5, 0.5, 0.5)
    assert spec.spatial_axes == "zyx"


def test_a_spec_knows_its_size_and_region():
    spec = ImageSpec((2, 3), ">u4", "yx")
    assert (spec.ndim, spec.size, spec.nbytes) == (2, 6, 24)
    assert spec.roi == Roi((0, 0), (2, 3))
    assert spec.dtype.isnative


def test_an_origin_of_zeros_is_no_origin():
    assert ImageSpec((2, 3), "uint8", "yx", origin=(0, 0)).origin is None


@pytest.mark.parametrize("text", ["um", "µm", "μm", "micron", "Micrometer", "micrometre"])
def test_spellings_of_a_unit_become_its_short_form(text):
    assert ImageSpec((2, 3), "uint8", "yx", unit=text).unit == "um"


def test_units_have_the_names_of_udunits():
    assert long_unit("um") == "micrometer"
    assert known_unit("nanometer") == "nm"
    assert known_unit("parsec") is None


def test_lengths_in_several_units_are_converted_to_one():
    sizes, unit = in_one_unit({"z": 2.0, "y": 500.0, "x": 500.0}, {"z": "um", "y": "nm", "x": "nm"})
    assert unit == "nm"
    assert sizes == pytest.approx({"z": 2000.0, "y": 500.0, "x": 500.0})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": "zyq"}, "'q'"),
        ({"axes": "zyy"}, "'y'"),
        ({"axes": "yx"}, "3 letters"),
        ({"axes": 3}, "one letter an axis"),
        ({"voxel_size": (1, 2)}, "each spatial axis"),
        ({"voxel_size": (1, 2, 0)}, "positive"),
        ({"voxel_size": -1}, "positive"),
        ({"voxel_size": float("nan")}, "finite"),
        ({"voxel_size": "large"}, "one number"),
        ({"unit": "furlong"}, "length"),
        ({"origin": (1, 2)}, "origin"),
        ({"origin": (0, float("inf"), 0)}, "finite"),
        ({"channels": ("red",)}, "'c'"),
        ({"dtype": "U3"}, "numbers"),
        ({"dtype": "nonsense"}, "numpy knows"),
        ({"shape": (1, -2, 3)}, "0 or more"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(changes, said):
    good = {"shape": (4, 5, 6), "dtype": "uint8", "axes": "zyx"}
    with pytest.raises(MetadataError, match=said):
        ImageSpec(**(good | changes))


def test_channels_need_a_name_each():
    with pytest.raises(MetadataError, match="2 channels"):
        ImageSpec((2, 3, 4), "uint8", "cyx", channels=("a", "b", "c"))


def test_sizes_in_voxels_are_integers():
    with pytest.raises(GeometryError, match="integers"):
        ImageSpec((2.5, 3), "uint8", "yx")


def test_replacing_checks_again():
    spec = ImageSpec((2, 3), "uint8", "yx")
    assert spec.replace(dtype=np.float32).dtype == np.float32
    with pytest.raises(MetadataError):
        spec.replace(axes="yy")


@pytest.mark.parametrize("wrong", [{"compressor": "rar"}, {"chunks": 0}, {"shards": (0, 4)}])
def test_storage_is_checked_when_it_is_named(wrong):
    with pytest.raises(MetadataError):
        Storage(**wrong)
