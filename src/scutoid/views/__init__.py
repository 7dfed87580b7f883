"""Looking at results: images, labels and tables as layers of napari, read as they are shown.

What is shown where is decided by `view_layers`, which needs no viewer; `view` hands it to napari.
"""

from scutoid.views._layer_array import LayerArray
from scutoid.views._layers import LayerSpec, view_layers
from scutoid.views._napari import view

__all__ = ["LayerArray", "LayerSpec", "view", "view_layers"]
