"""The command that corrects labels by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scutoid.cli._results import single
from scutoid.errors import ParameterError

if TYPE_CHECKING:
    from scutoid.steps import Image, Store


def correct(
    step: str,
    *,
    corrections: Path,
    store: str = "results",
    member: str | None = None,
    image: str | None = None,
    suspicious: bool = False,
    who: str | None = None,
) -> int:
    """Correct the labels of a step in napari; what differs is kept in a folder of corrections.

    Parameters
    ----------
    step : str
        Name of the step.
    corrections : Path
        The folder, such as cells.corrections, which sc.corrected takes; made if there is none.
    store : str
        Folder of the results.
    member : str, optional
        Key of the member that is corrected of labels of a folder of images, such as A01.tif.
    image : str, optional
        A step of the store, or a path, that is shown below the labels.
    suspicious : bool
        List objects that are likely wrong first, and step through them.
    who : str, optional
        Name that is kept with each correction; default: that of the user.
    """
    from scutoid.correcting import correct as open_labels
    from scutoid.correcting import suspicious as find_suspicious
    from scutoid.steps import Store
    from scutoid.steps import open as open_image

    opened = Store(store)
    labels = _image_of(opened, step, member)
    below = None
    if image is not None:
        is_path = Path(image).exists()
        below = open_image(image) if is_path else _image_of(opened, image, member)
    table = find_suspicious(labels, below) if suspicious else None
    open_labels(labels, below, corrections=corrections, table=table, who=who, block=True)
    return 0


def _image_of(store: Store, step: str, member: str | None) -> Image:
    """Return the image of a step, or of one of its members."""
    from scutoid.steps import Image

    images = [item for item in single(store, [step], member) if isinstance(item, Image)]
    if not images:
        raise ParameterError("a step that is corrected, or shown below, has an image", place=step)
    return images[0]
