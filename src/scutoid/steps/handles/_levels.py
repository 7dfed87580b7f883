"""The stored levels of an image, for whoever shows it at several scales."""

from __future__ import annotations

from scutoid.arrays import ArraySource, source_at_level
from scutoid.steps.handles._shown import source_there
from scutoid.steps.handles._single import Image


def level_sources(image: Image) -> tuple[ArraySource, ...]:
    """Return where the levels of an image are read from, the finest first.

    Each is the whole, uncut image (`ImageRef.view` says what is taken of it).  Empty for an image
    that is computed when it is read.  Only metadata are read.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> [source.spec.shape for source in level_sources(sc.open(np.zeros((4, 6)))[1:])]
    [(4, 6)]
    """
    source = source_there(image.read_ref)
    if isinstance(source, str):
        return ()
    found = [source]
    for level in range(1, source.levels):
        coarser = source_at_level(source, level)
        if coarser is None or coarser.spec.ndim != source.spec.ndim:
            break
        found.append(coarser)
    return tuple(found)
