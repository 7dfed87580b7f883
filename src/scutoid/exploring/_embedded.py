"""A part of an image that was computed, in the place of the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays import ImageSpec, SourceIdentity
from scutoid.errors import PipelineError
from scutoid.geometry import Roi
from scutoid.steps.graph import ImageRef
from scutoid.steps.handles import Evaluation
from scutoid.steps.layout import Framed


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedSource:
    """Reads a part of an image that is computed, for those who know the whole image."""

    evaluation: Evaluation
    """Computes it."""
    part: ImageRef
    """What is computed."""
    framed: Framed
    """The whole image."""
    is_labels: bool
    """Whether voxels are object numbers."""
    is_at_once: bool
    """Whether all of the part is computed when something of it is read."""
    levels: int = 1
    """Number of pyramid levels."""

    @property
    def spec(self) -> ImageSpec:
        """Description of the whole image."""
        return self.framed.spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """As those of the whole image."""
        return self.framed.chunks

    @property
    def identity(self) -> SourceIdentity:
        """Refuse to enter a key: it is never run."""
        return SourceIdentity("array", detail=f"preview of {self.part.name}")

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region that lies in the part, in voxels of the whole image."""
        region = roi.shift(self.framed.offset)
        if not self.part.roi.contains(region):
            raise PipelineError(
                "what is read of a preview was computed",
                value=f"{region}; computed: {self.part.roi}",
                place=f"step {self.part.name!r}",
            )
        computed = self.part.roi if self.is_at_once else region
        source = self.evaluation.image(self.part, computed)
        return source.read(region.shift(-self.part.roi.offset))
