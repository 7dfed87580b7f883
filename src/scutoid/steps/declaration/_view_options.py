"""How the results of a step are shown: arguments of layers, which enter no key."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping

from scutoid.errors import ParameterError

_ALL = "blending opacity visible"
LAYER_OPTIONS: Mapping[str, frozenset[str]] = {
    kind: frozenset(f"{_ALL} {names}".split())
    for kind, names in {
        "image": "attenuation colormap contrast_limits depiction gamma interpolation2d "
        "interpolation3d iso_threshold rendering",
        "labels": "color_by contour iso_gradient_mode rendering",
        "tracks": "color_by colormap head_length hide_completed_tracks tail_length tail_width",
        "points": "antialiasing border_color border_width border_width_is_relative "
        "canvas_size_limits color_by face_color shading size symbol",
    }.items()
}
"""By kind of layer the arguments that may be given on the way: those of napari that go with any
data, and `color_by`, a column of the table."""
_KINDS = {"image": ("image", "labels"), "table": ("points", "tracks")}
"""The layers that an output may become."""


def check_view(view: Mapping[str, object], outputs: Iterable[str], place: str) -> None:
    """Refuse arguments that no layer of a step's results takes.

    Parameters
    ----------
    view : mapping
        What ``options(view=)`` got.
    outputs : iterable of str
        Kinds of the outputs of the step.
    place : str
        The step, for errors.

    Raises
    ------
    ParameterError
        If a name is unknown, or the step makes nothing that is shown.
    """
    kinds = [kind for output in outputs for kind in _KINDS.get(output, ())]
    if not kinds:
        raise ParameterError(
            "view= says how an image or a table is shown",
            value=f"a step that returns {', '.join(outputs)}",
            place=f"{place}, option 'view'",
            remedy="leave it out",
        )
    known = sorted(frozenset().union(*(LAYER_OPTIONS[kind] for kind in kinds)))
    for name in view:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            raise ParameterError(
                f"view= has arguments of {' and '.join(kinds)}: {', '.join(known)}",
                value=name,
                place=f"{place}, option 'view'",
                remedy=f"did you mean {close[0]!r}?" if close else None,
            )


def is_view(view: object) -> bool:
    """Whether it is a mapping of names to what JSON can write, or None."""
    return view is None or (isinstance(view, Mapping) and _is_plain(view))


def _is_plain(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(item) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))
