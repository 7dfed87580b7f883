"""`tune`: what a user calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scutoid.errors import PipelineError
from scutoid.tuning._subject import Subject

if TYPE_CHECKING:
    from scutoid.steps import Image
    from scutoid.tuning._tuning import Tuning

_NOTHING: Mapping[str, Any] = {}


def tune(
    target: Callable[..., object],
    *inputs: object,
    viewer: Any = None,
    values: Mapping[str, object] = _NOTHING,
    ranges: Mapping[str, Sequence[float]] = _NOTHING,
    fixed: Collection[str] = (),
    member: str | None = None,
    margin: Any = 32,
    local: bool | str | Collection[str] = False,
    show: bool = True,
    block: bool = False,
) -> Tuning:
    """Find parameters by sliders, on the part of an image that is visible in napari.

    Needs the extra ``napari``.  The visible region is computed again, beside the window, as a
    slider moves or the view does; steps before the one whose parameter changes are not.  It is what
    a run gives there, as `scutoid.preview` says: steps read what lies around the region, and values
    of whole images, such as a threshold by Otsu, are those of the whole image.

    Parameters
    ----------
    target : Step, operation or Pipeline
        What is tuned: its parameters get controls.
    *inputs : Image, array, ...
        What it is called on; a pipeline may open its images itself.
    viewer : napari.Viewer, optional
        Viewer to use; default: a new window.
    values : mapping of str to object, optional
        Values to begin with, by name; default: those of the signature.
    ranges : mapping of str to (low, high) or (low, high, step), optional
        Of numbers; default: from 0 to four times the value to begin with.
    fixed : collection of str, optional
        Parameters that stay as they are.
    member : str, optional
        Key of the member that is looked at, where the pipeline is one of a folder.
    margin : int, Length or mapping of axis to these, optional
        How far around the region objects are seen; see `scutoid.preview`.
    local : bool, str or collection of str, optional
        Values of whole images that are taken of the region alone; see `scutoid.preview`.
    show : bool, optional
        Whether a new window is shown at once.
    block : bool, optional
        Whether to return only when the window is closed, as a script needs it.

    Returns
    -------
    Tuning
        `.parameters`, and `.save` for a file that ``scutoid run --parameters FILE`` takes.

    Raises
    ------
    MissingExtra
        If napari, or a Qt to draw with, is not installed.
    ParameterError
        If a parameter has no value to begin with, a control cannot say it, or a name is unknown.
    PipelineError
        If it returns no lazy results, is made of no image, or there is no display.
    """
    from scutoid.views import import_napari, new_viewer

    napari = import_napari()
    subject = Subject.of(target, inputs, values, member)
    results = subject.build({each.name: each.start for each in subject.parameters})
    images = subject.images(results)
    if not images:
        raise PipelineError(
            "what is tuned is made of an image",
            value="it has none among its inputs, and opens none",
            place=subject.name,
            remedy="give it: sc.tune(step, image)",
        )
    is_new = viewer is None
    viewer = new_viewer(show=show) if is_new else viewer
    try:
        tuning = _begin(subject, viewer, images, ranges, fixed, {"margin": margin, "local": local})
    except Exception:
        if is_new:
            viewer.close()
        raise
    if block:
        napari.run()
    return tuning


def _begin(
    subject: Subject,
    viewer: Any,
    images: Sequence[Image],
    ranges: Mapping[str, object],
    fixed: Collection[str],
    options: Mapping[str, object],
) -> Tuning:
    from scutoid.tuning._controls import make_controls
    from scutoid.tuning._layers import ShownLayers
    from scutoid.tuning._panel import Panel, Timer
    from scutoid.tuning._tuning import Tuning

    controls = make_controls(subject.parameters, ranges, fixed)
    layer = _layer_of(viewer, images)
    panel = Panel(controls)
    tuning = Tuning(
        subject,
        viewer,
        images[0],
        layer,
        panel,
        controls=controls,
        layers=ShownLayers(viewer),
        options=options,
        timer=Timer,
    )
    viewer.window.add_dock_widget(panel, name=f"tune {subject.name}", area="right")
    return tuning


def _layer_of(viewer: Any, images: Sequence[Image]) -> Any:
    """Show images that the viewer does not show yet; return a layer of the first."""
    from scutoid.views import view

    missing = [image for image in images if _shown(viewer, image) is None]
    if missing:
        view(*missing, viewer=viewer)
    return _shown(viewer, images[0])


def _shown(viewer: Any, image: Image) -> Any:
    """Return a layer of an image, by its name; None: there is none."""
    for layer in viewer.layers:
        named = layer.name == image.name or layer.name.startswith(f"{image.name} ")
        if named and type(layer).__name__ in ("Image", "Labels"):
            return layer
    return None
