"""View results in napari: images, labels and tables as layers, read as they are shown.

`view_layers` chooses the layers and their places, and needs no viewer; `view` hands them to napari.
"""

from scutoid.views._layer_array import LayerArray
from scutoid.views._layers import LayerSpec, view_layers
from scutoid.views._napari import view

__all__ = ["LayerArray", "LayerSpec", "view", "view_layers"]
