"""A tuning that goes on: it joins controls, the thread, and the layers of a viewer."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

from scutoid.errors import ScutoidError
from scutoid.steps.handles import Image, Value, save_parameters
from scutoid.tuning._last_wish import LastWish
from scutoid.tuning._previews import Previews, Shown
from scutoid.tuning._subject import Subject
from scutoid.tuning._visible import Layer, Seen, seen

_AFTER_SLIDER = 25
"""Milliseconds without a change of a control before something is computed."""
_AT_REST = 100
"""Milliseconds between two looks at the view, which is at rest if both see the same."""
_Wish = tuple[dict[str, object], Seen]


class Tuning:
    """Parameters that are tuned in a viewer; `scutoid.tune` makes it.

    Attributes
    ----------
    viewer : napari.Viewer
        The viewer.
    panel : QWidget
        The panel with the controls; it stands in the window.
    """

    def __init__(
        self, subject: Subject, viewer: Any, reference: Image, layer: Any, panel: Any, **parts: Any
    ) -> None:
        self.viewer = viewer
        self.panel = panel
        self._subject = subject
        self._layer = layer
        self._controls = {one.name: one for one in parts["controls"]}
        self._layers = parts["layers"]
        self._previews = Previews(subject, reference, **parts["options"])
        self._last: _Wish | None = None
        self._done: _Wish | None = None
        self._shown: Shown | None = None
        self.error: Exception | None = None
        self._thread = LastWish(self._compute)
        self._was_seen: Seen | None = None
        timer = parts["timer"]
        self._after_slider = timer(panel, _AFTER_SLIDER, self._wish)
        self._watch = timer(panel, _AT_REST, self._look, repeats=True)
        self._listen()
        self._watch.begin()

    @property
    def parameters(self) -> dict[str, object]:
        """The values that the controls say now, of all parameters."""
        return {name: control.value for name, control in self._controls.items()}

    @property
    def results(self) -> tuple[Any, ...]:
        """The results of the visible region that are shown: Image, Table, Value."""
        return () if self._shown is None else self._shown.handles

    @property
    def is_idle(self) -> bool:
        """Whether what the controls say, and what is visible, is what is shown."""
        is_done = self._last is not None and self._done == self._last
        return is_done and self._thread.is_idle and self._last == self._wanted()

    def set(self, **values: object) -> None:
        """Move controls.

        Parameters
        ----------
        **values
            Values by name; a control takes what lies in its range.
        """
        for name, value in values.items():
            control = self._controls[name]
            if value is None or len(control.parts) > 1:
                control.parts[0].value = value is not None
            if value is not None:
                control.parts[-1].value = value

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the parameters to a file that ``scutoid run --parameters FILE`` takes.

        Parameters
        ----------
        path : path
            The file, JSON; `scutoid.read_parameters` reads it.

        Returns
        -------
        Path
            The file.  What has no control, such as the path of an image, is not in it.
        """
        tuned = {name: one.value for name, one in self._controls.items() if one.is_tuned}
        return save_parameters(path, tuned, self._subject.target)

    def close(self) -> None:
        """End it: nothing is computed any more; layers and panel stay."""
        self._watch.stop()
        self._after_slider.stop()
        self._thread.stop()

    def _listen(self) -> None:
        for control in self._controls.values():
            for part in control.parts:
                part.changed.connect(self._after_slider.begin)
        self.panel.arrived.connect(self._take)
        self.panel.saving.connect(self._save)
        self.panel.destroyed.connect(self._thread.stop)

    def _look(self) -> None:
        """Compute again where the view has changed and come to rest.

        It is looked at, and no events are awaited: it changes by the camera, the sliders of axes,
        the size of the window, the grid, the layer's own place.
        """
        try:
            found = self._visible()
        except Exception as error:  # noqa: BLE001 - what leaves a slot of Qt ends the process
            self._say(_said(error), "".join(traceback.format_exception(error)))
            return
        if found == self._was_seen and (self._last is None or found != self._last[1]):
            self._wish()
        self._was_seen = found

    def _wanted(self) -> _Wish | None:
        found = self._visible()
        return None if found is None else (self.parameters, found)

    def _wish(self) -> None:
        """Have computed what the controls say, of what is visible."""
        try:
            wanted = self._wanted()
        except (ValueError, SyntaxError) as error:  # a line of text that is no value
            self._say(f"this is no value: {error}")
            return
        except Exception as error:  # noqa: BLE001 - as above
            self._say(_said(error), "".join(traceback.format_exception(error)))
            return
        if wanted is None:
            self._say(f"nothing of {self._layer.name!r} is visible")
            return
        if wanted != self._last:
            self._last = wanted
            self._thread.wish(wanted)

    def _visible(self) -> Seen | None:
        """Return what of the image is visible."""
        layer, dims = self._layer, self.viewer.dims
        if layer not in self.viewer.layers:
            return None
        first = dims.ndim - layer.ndim
        factors = None
        if layer.multiscale:
            factors = tuple(map(float, layer.downsample_factors[layer.data_level]))
        shape = layer.data.shapes[0] if layer.multiscale else layer.data.shape
        return seen(
            Layer(
                axes="".join(layer.axis_labels),
                shape=tuple(map(int, shape))[: layer.ndim],
                corners=layer.corner_pixels,
                displayed=tuple(axis - first for axis in dims.displayed if axis >= first),
                point=tuple(map(float, dims.point[first:])),
                scale=tuple(map(float, layer.scale)),
                translate=tuple(map(float, layer.translate)),
                factors=factors,
            )
        )

    def _compute(self, wish: _Wish) -> None:
        """Compute a wish, in the thread; what is raised is shown like a result."""
        try:
            found: object = self._previews.show(*wish)
        except Exception as error:  # noqa: BLE001 - of a function of the user's, for the panel
            found = error
        try:
            self.panel.arrived.emit((wish, found))
        except RuntimeError:  # the window was closed meanwhile
            self._thread.stop()

    def _take(self, arrived: tuple[_Wish, Shown | Exception]) -> None:
        """Show what was computed, in the thread of Qt."""
        self._done, found = arrived
        if isinstance(found, Exception):
            self.error = found
            self._say(_said(found), "".join(traceback.format_exception(found)))
            return
        self.error = None
        self._shown = found
        try:
            self._layers.show(found.handles)
        except Exception as error:  # noqa: BLE001 - what leaves a slot of Qt ends the process
            self.error = error
            self._say(_said(error), "".join(traceback.format_exception(error)))
            return
        self._say("\n".join(_lines(found)))

    def _say(self, text: str, more: str = "") -> None:
        """Show a text while there is a panel: what leaves a slot of Qt ends the process."""
        try:
            self.panel.say(text, more)
        except RuntimeError:  # the window was closed meanwhile
            self._thread.stop()

    def _save(self, path: str) -> None:
        try:
            self._say(f"saved to {self.save(path)}")
        except (ScutoidError, OSError) as error:
            self._say(str(error))


def _said(error: Exception) -> str:
    """Say an error; ours name what they are."""
    return str(error) if isinstance(error, ScutoidError) else f"{type(error).__name__}: {error}"


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def _lines(shown: Shown) -> list[str]:
    region = ", ".join(f"{axis} {low} to {high}" for axis, (low, high) in shown.seen.spans.items())
    part = "; zoom in to see what lies around it" if shown.seen.is_part else ""
    lines = [f"{region}: {shown.seconds:.2f} s{part}"]
    lines += [
        f"{one.name} = {_short(one.get())}" for one in shown.handles if isinstance(one, Value)
    ]
    if shown.n_touching:
        lines.append(f"{shown.n_touching} objects go on beyond the region and its margin")
    return lines
