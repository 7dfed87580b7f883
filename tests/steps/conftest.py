"""Images and steps that the tests of pipelines share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import scutoid as sc


@sc.blockwise(halo=lambda sigma: 4 * sigma)
def denoise(image, *, sigma=2.0):
    return ndimage.gaussian_filter(image.astype("float32"), sigma)


@sc.blockwise
def foreground(image, *, level):
    return image > level


@pytest.fixture(scope="session")
def blobs():
    """Smoothed noise, uint16, (z, y, x) = (30, 41, 52): some fifty blobs."""
    noise = np.random.default_rng(7).random((30, 41, 52))
    smooth = ndimage.gaussian_filter(noise, 2)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 60000).astype("uint16")


@pytest.fixture
def steps():
    """The two steps of the README."""
    return denoise, foreground


@pytest.fixture
def pipeline():
    """Returns (smooth, labels, cells) of an image."""

    def build(raw, *, sigma=1.0, min_size=5):
        smooth = denoise(raw, sigma=sigma)
        labels = sc.remove_small(
            sc.label(foreground(smooth, level=sc.otsu(smooth))), min_size=min_size
        )
        return smooth, labels, sc.measure(labels, intensity=raw)

    return build
