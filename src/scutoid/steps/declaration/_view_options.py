"""How the results of a step are shown: arguments of layers, which enter no key."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

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
_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "opacity": ("a number from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1),
    "gamma": ("a number above 0", lambda v: _is_number(v) and v > 0),
    "visible": ("true or false", lambda v: isinstance(v, bool)),
    "contour": ("a whole number, 0 or more", lambda v: _is_number(v) and v >= 0 and v % 1 == 0),
    "contrast_limits": (
        "two numbers, the first the lower one",
        lambda v: (
            isinstance(v, (list, tuple)) and len(v) == 2 and all(map(_is_number, v)) and v[0] < v[1]
        ),
    ),
    **dict.fromkeys(
        ("attenuation", "border_width", "iso_threshold", "size", "tail_length", "tail_width"),
        ("a number, 0 or more", lambda v: _is_number(v) and v >= 0),
    ),
    "color_by": ("the name of a column", lambda v: isinstance(v, str)),
}
"""What the values of some of them are; the others napari checks."""
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
        If a name is unknown, a value is not what it must be, or the step makes nothing that is
        shown.
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
    for name, value in view.items():
        rule, is_right = _RULES.get(name, ("", lambda _: True))
        if not is_right(value):
            raise ParameterError(
                f"{name} of a layer is {rule}", value=value, place=f"{place}, option 'view'"
            )


def is_view(view: object) -> bool:
    """Whether it is a mapping of names to what JSON can write, or None."""
    return view is None or (isinstance(view, Mapping) and _is_plain(view))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_plain(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(item) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))
