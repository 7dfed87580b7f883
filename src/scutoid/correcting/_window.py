"""Proof-reading in napari: a copy of a region is painted, and what differs is saved.

The viewer never gets the array of a store: it would write strokes through to it, and back when
they are undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.correcting._panel import KEYS, Answer, Panel, ask, guard_of
from scutoid.correcting._proofreading import Proofreading
from scutoid.correcting._region import chosen_region, place_of
from scutoid.errors import ParameterError, ScutoidError
from scutoid.geometry import RoiLike
from scutoid.views import view

_SEEDS = "seeds"
_PICKED = "picked"


class Proofreader:
    """A window in which labels are corrected, region by region; made by `correct`.

    Each method is a key and a button of the window.
    """

    def __init__(
        self,
        work: Proofreading,
        viewer: Any,
        rows: Sequence[dict[str, Any]],
        *,
        at_first: bool = False,
    ) -> None:
        self.work = work
        self.viewer = viewer
        self.picked: dict[tuple[int, tuple[int, ...]], tuple[int, ...]] = {}
        self.why = ""
        self.ask: Callable[[str], Answer] = lambda text: ask(viewer, text)
        self._rows = rows
        self._row = 0 if at_first else -1
        self.layer = self._labels_layer()
        self.seeds = self._points_layer(_SEEDS, "red", "cross")
        self._marks = self._points_layer(_PICKED, "yellow", "ring")
        viewer.layers.selection = {self.layer}
        self._panel = Panel(self.press, self._set_why)
        viewer.window.add_dock_widget(self._panel.widget, name="Proof-reading", area="right")
        for key, (name, _) in KEYS.items():
            viewer.bind_key(key, self._on_key(name), overwrite=True)
        self.layer.bind_key("Control-Z", self._on_key("undo"), overwrite=True)
        self.layer.events.paint.connect(lambda _: self._after())
        self._guard = guard_of(viewer, self.may_close)
        n_gone = len(work.unapplied)
        gone = f"{n_gone} saved corrections do not apply here: scutoid.unapplied lists them"
        self._after(gone if n_gone else "")
        if at_first:
            self._look_at(rows[0])

    def pick(self, position: Sequence[float]) -> int:
        """Pick the object at a position in the world, or let it go; return its number."""
        point = self._voxel(self.layer.world_to_data(position))
        number = self.work.object_at(point)
        if number:
            place = tuple(point[axis] for axis in self.work.editing.frame.across)
            if self.picked.pop((number, place), None) is None:
                self.picked[number, place] = point
        self._after()
        return number

    def join(self) -> None:
        """Give the picked objects the number of the one that was picked first."""
        for place, numbers in self._picked_by_place(at_least=2):
            self.work.editing.merge(numbers, place)
        self._done("joined")

    def delete(self) -> None:
        """Remove the picked objects."""
        for place, numbers in self._picked_by_place(at_least=1):
            self.work.editing.delete(numbers, place)
        self._done("deleted")

    def split(self) -> None:
        """Split each object that has two or more points of the layer of seeds in it."""
        points = [self._voxel(point) for point in self.seeds.data]
        leaving = [
            number
            for point in points
            if (number := self.work.object_at(point))
            and self.work.leaves_region(number, self.work.place_at(point))
        ]
        self.work.split_by_points(points)
        self.seeds.data = np.zeros((0, self.layer.ndim))
        more = [f"object {n} goes on outside, where it keeps its number" for n in leaving[:1]]
        self._done("; ".join(["split", *more]))

    def undo(self) -> None:
        """Take the last action back, strokes and all others alike."""
        undone = self.work.undo()
        self._done("nothing to undo" if undone is None else f"taken back: {undone}")

    def save(self) -> int:
        """Append what was done to the folder of corrections; return how many they are."""
        saved = self.work.save(self.why)
        self._done(f"{saved} corrections saved in {self.work.folder.path}")
        return saved

    def next(self) -> None:
        """Go to the next row of the table; what is not saved is kept."""
        self._step(1)

    def previous(self) -> None:
        """Go to the row of the table before."""
        self._step(-1)

    def go_to(self, roi: RoiLike) -> None:
        """Open another region, in voxels of the uncropped labels; what is not saved is kept."""
        self.work.go_to(chosen_region(self.work.labels, roi, None))
        self._done("")

    def new_object(self) -> int:
        """Let the brush paint a new object; return its number in this window."""
        self.layer.selected_label = self.work.editing.new_number()
        return int(self.layer.selected_label)

    def may_close(self) -> bool:
        """Say what is not saved, and save or discard it as is answered; whether to go on."""
        n_unsaved = self.work.n_unsaved
        if not n_unsaved:
            return True
        answer = self.ask(f"{n_unsaved} corrections are not saved in {self.work.folder.path}")
        if answer == "save":
            self.press("save")
            return not self.work.n_unsaved
        if answer == "discard":
            self.work.discard()
        return answer != "cancel"

    def _step(self, by: int) -> None:
        if not self._rows:
            raise ParameterError(
                "a table is stepped through that was given",
                value="none",
                place="correct",
                remedy="sc.correct(labels, table=sc.suspicious(labels), ...)",
            )
        self._row = min(max(self._row + by, 0), len(self._rows) - 1)
        row = self._rows[self._row]
        self.work.go_to(chosen_region(self.work.labels, None, row))
        self._done("")
        self._look_at(row)

    def _look_at(self, row: dict[str, Any]) -> None:
        """Put the object of a row in the middle of the view."""
        point = [
            at - first
            for at, first in zip(
                place_of(self.work.labels, row), self.work.region.offset, strict=True
            )
        ]
        world = self.layer.data_to_world(self._in_layer(point))
        self.viewer.dims.point = (*self.viewer.dims.point[: -len(world)], *world)
        # napari before 0.9 has no scene
        scene = self.viewer.scene if hasattr(self.viewer, "scene") else self.viewer
        scene.camera.center = tuple(world[-3:])

    def _done(self, said: str) -> None:
        """Show the labels as they are now."""
        self.picked.clear()
        shown = self._in_axes(self.work.shown)
        if not np.may_share_memory(shown, self.layer.data):
            self._move(shown)
        self.layer.refresh()
        self._after(said)

    def _move(self, shown: NDArray[Any]) -> None:
        """Show another region, or the same read anew."""
        start = self._in_layer([float(o) for o in self.work.region.offset])
        translate = self._origin + start * self.layer.scale
        self.layer.data = shown
        for layer in (self.layer, self.seeds, self._marks):
            layer.translate = translate
        self.seeds.data = np.zeros((0, self.layer.ndim))

    def _after(self, said: str = "") -> None:
        """Write down strokes, and say how things are."""
        n_unsaved = self.work.n_unsaved
        points = [self._in_layer([float(at) for at in point]) for point in self.picked.values()]
        self._marks.data = np.array(points).reshape(-1, self.layer.ndim)
        names = ", ".join(str(number) for number, _ in self.picked) or "none"
        row = self._rows[self._row] if self._row >= 0 else {}
        about = "" if not row else f"{self._row + 1} of {len(self._rows)}: {_text_of(row)}"
        self._panel.say(about, f"picked: {names}", f"not saved: {n_unsaved}", said)
        if said:
            self.viewer.status = said

    def _picked_by_place(self, *, at_least: int) -> list[tuple[Any, list[int]]]:
        by_place: dict[tuple[int, ...], list[int]] = {}
        for number, place in self.picked:
            by_place.setdefault(place, []).append(number)
        if not by_place or any(len(numbers) < at_least for numbers in by_place.values()):
            raise ParameterError(
                "objects are picked first" + (", two or more" if at_least > 1 else ""),
                value=f"{len(self.picked)} picked",
                place="the window of correct",
                remedy="Shift and a click on each, while the brush is off (key 6)",
            )
        points = {place: point for (_, place), point in self.picked.items()}
        return [(self.work.place_at(points[place]), ids) for place, ids in by_place.items()]

    def _labels_layer(self) -> Any:
        """Add a copy of the region that can be painted, where the labels lie in the world."""
        labels, viewer = self.work.labels, self.viewer
        for other in viewer.layers:
            if other.name == labels.name and type(other).__name__ == "Labels":
                other.visible = False
        view(labels=[labels.crop(self.work.region)], viewer=viewer)
        placed = _newest_labels(viewer)
        arguments = {
            "scale": placed.scale,
            "translate": placed.translate,
            "units": placed.units,
            "axis_labels": placed.axis_labels,
        }
        viewer.layers.remove(placed)
        self._axes = "".join(arguments["axis_labels"])
        self._placing = arguments
        start = self._in_layer([float(o) for o in self.work.region.offset])
        self._origin = np.asarray(arguments["translate"]) - start * np.asarray(arguments["scale"])
        layer = viewer.add_labels(
            self._in_axes(self.work.shown), name=f"{labels.name}, corrected", **arguments
        )
        layer.contour = 1
        layer.mouse_drag_callbacks.append(self._on_click)
        return layer

    def _points_layer(self, name: str, color: str, symbol: str) -> Any:
        return self.viewer.add_points(
            np.zeros((0, len(self._axes))),
            ndim=len(self._axes),
            name=name,
            size=6,
            symbol=symbol,
            face_color=color,
            border_color=color,
            **self._placing,
        )

    def _in_axes(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view of an array with the axes of the layer."""
        axes = self.work.labels.axes
        ordered = array.transpose([axes.index(axis) for axis in self._axes if axis in axes])
        return ordered[tuple(slice(None) if axis in axes else None for axis in self._axes)]

    def _in_layer(self, point: Sequence[float]) -> NDArray[np.float64]:
        """Return a point of the labels along the axes of the layer."""
        known = dict(zip(self.work.labels.axes, point, strict=True))
        return np.array([known.get(axis, 0.0) for axis in self._axes])

    def _voxel(self, data: Sequence[float]) -> tuple[int, ...]:
        """Return the voxel of the region at a point of the layer."""
        known = dict(zip(self._axes, data, strict=True))
        return tuple(round(float(known[axis])) for axis in self.work.labels.axes)

    def _on_click(self, _: Any, event: Any) -> None:
        if "Shift" in [str(key) for key in event.modifiers] and self.layer.mode == "pan_zoom":
            self.pick(event.position)

    def _on_key(self, name: str) -> Callable[[Any], None]:
        def press(_: Any) -> None:
            self.press(name)

        return press

    def _set_why(self, why: str) -> None:
        self.why = why

    def press(self, name: str) -> None:
        """Do what a key or a button stands for; what is wrong is said in the window."""
        try:
            getattr(self, name)()
        except ScutoidError as error:
            text = f"{error.rule}; {error.remedy}" if error.remedy else error.rule
            self._after(text)
        except OSError as error:  # as of a disk that is full
            self._after(f"not done: {error}")


def _newest_labels(viewer: Any) -> Any:
    return next(each for each in reversed(viewer.layers) if type(each).__name__ == "Labels")


def _text_of(row: dict[str, Any]) -> str:
    said = [f"object {row['label']}"] if "label" in row else []
    return ", ".join([*said, *([str(row["reasons"])] if "reasons" in row else [])])
