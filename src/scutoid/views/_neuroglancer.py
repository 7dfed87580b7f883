"""Show layers in Neuroglancer, on a page that this process serves to browsers of this machine."""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np

from scutoid.errors import PipelineError
from scutoid.views._layer_array import LayerArray
from scutoid.views._layers import view_layers
from scutoid.views._neuroglancer_arrays import ZarrImage
from scutoid.views._neuroglancer_points import Annotations
from scutoid.views._neuroglancer_server import (
    Page,
    PageServer,
    Resource,
    client_folder,
    fragment_of,
)
from scutoid.views._neuroglancer_space import Space
from scutoid.views._neuroglancer_state import SETTINGS, Source, restored, view_state
from scutoid.views._neuroglancer_tables import number_type, segment_properties
from scutoid.views._objects import LABEL
from scutoid.views._spec import LayerSpec

_BASE = "http://base.invalid"
"""Stands for the address of the data until a page asks for it."""


class WebView:
    """A page that shows results, for as long as the process lives or until it is closed.

    In a notebook its last line is the link.  As a context manager it closes itself.
    """

    def __init__(self, server: PageServer) -> None:
        self._server = server

    @property
    def address(self) -> str:
        """Where the page is; it holds the token without which nothing is shown."""
        return self._server.address

    @property
    def link(self) -> str:
        """The address with the view as it is first shown, as the browser has it after loading."""
        server = self._server
        base = server.address.replace("/v/", "/data/").rstrip("/")
        return f"{server.address}{fragment_of(server.page.state(base))}"

    def wait(self) -> None:
        """Wait until it is closed, or Ctrl-C is pressed."""
        self._server.closed.wait()

    def close(self) -> None:
        """End the server; pages that are open lose it."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"WebView({self.address!r})"

    def _repr_html_(self) -> str:
        address = html.escape(self.address, quote=True)
        return f'<a href="{address}" target="_blank" rel="noreferrer">Neuroglancer</a>'


def web(
    *results: object,
    labels: object = (),
    link: str | None = None,
    port: int = 0,
    open_browser: bool = True,
    block: bool = False,
) -> WebView:
    """Show results in Neuroglancer, in the browser of this machine.

    The page and all data come from this process, over the loopback address: it works offline, and
    nobody without its address sees anything.  Voxels are read chunk by chunk as they are looked
    at, of images with levels from the level that fits.

    Parameters
    ----------
    *results : Image, Table, array, DataFrame, path
        As in `view_layers`.  Labels have the columns of their tables: a click on an object shows
        its row.  Tables with positions are points, which belong to the objects of their labels.
    labels : Image or sequence of them, optional
        Further images to show as labels, whatever their names.
    link : str, optional
        The address of an earlier view, copied from the browser: place, zoom, contrast, colours and
        selected objects are as they were there.
    port : int, optional
        Port to listen on; default: any that is free.
    open_browser : bool, optional
        Whether a browser is told to open the page.
    block : bool, optional
        Whether to return only when the view is closed or Ctrl-C is pressed.  A script needs it, or
        it ends and its page with it; a notebook does not.

    Returns
    -------
    WebView

    Raises
    ------
    MissingExtra
        If Neuroglancer is not installed.
    PipelineError
        If something cannot be shown, or nothing is given.
    ParameterError
        If `link` is no address of a view, or the port is taken.

    Notes
    -----
    Types that Neuroglancer has not are converted: truth values to uint8; object numbers to uint64
    where they have a sign, so that they stay exact; images of int64 and floats to float32.
    """
    client_folder()  # before anything is read
    sources, resources = _served(view_layers(*results, labels=labels))

    begin = view_state(sources, _BASE)
    if link is not None:
        begin = restored(begin, link)
    text = json.dumps(begin, allow_nan=False)

    def state(base: str) -> Mapping[str, object]:
        found: dict[str, object] = json.loads(text.replace(_BASE, base))
        return found

    server = PageServer(Page(state, SETTINGS, resources), port)
    shown = WebView(server)
    if open_browser:
        import webbrowser

        webbrowser.open(shown.address)
    if block:
        try:
            shown.wait()
        finally:
            shown.close()
    return shown


def _served(layers: Iterable[LayerSpec]) -> tuple[list[Source], dict[str, Resource]]:
    """Choose what is served of layers, and the names under which it is."""
    resources: dict[str, Resource] = {}
    turn = threading.Lock()
    sources: list[Source] = []
    names: dict[str, str] = {}
    for layer in layers:
        name = _free(layer.name, {source.name for source in sources})
        names.setdefault(layer.name, name)
        data = str(len(resources))
        if isinstance(layer.data, LayerArray):
            voxels = ZarrImage(layer, turn)
            resources[data] = voxels
            space = Space.of(voxels.axes, layer.scale, layer.units)
            shown = Source(layer, name, space, data, voxels=voxels)
            if layer.kind == "labels" and layer.table is not None:
                table = layer.table
                properties = str(len(resources))
                resources[properties] = segment_properties(table, LABEL, name)
                columns = [str(c) for c in table.columns if number_type(table[c]) is not None]
                shown = replace(shown, properties=properties, columns=tuple(columns))
            sources.append(shown)
        elif layer.kind == "points":
            space = Space.of(layer.axes, layer.scale, layer.units)
            resources[data] = _annotations(layer, space)
            owner = None if layer.labels is None else names.get(layer.labels)
            sources.append(Source(layer, name, space, data, labels=owner))
    if not sources:
        raise PipelineError(
            "a page shows an image or a table at least",
            value="nothing to show",
            place="web",
            remedy="give images, labels or tables with positions",
        )
    return sources, resources


def _annotations(layer: LayerSpec, space: Space) -> Annotations:
    positions = np.asarray(layer.data) + np.array(layer.translate) / np.array(layer.scale)
    if layer.table is None:
        raise TypeError(f"points {layer.name!r} have no table")
    return Annotations(space, positions, layer.table, None if layer.labels is None else LABEL)


def _free(name: str, taken: set[str]) -> str:
    """Return the name of a layer that no other has."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free
