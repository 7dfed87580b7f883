from ._drawn import layer_data
from ._following import Following, follow
from ._layer_array import LayerArray
from ._layers import view_layers
from ._napari import import_napari, new_viewer, view
from ._neuroglancer import WebView, web
from ._spec import LayerSpec

__all__ = [
    "Following",
    "LayerArray",
    "LayerSpec",
    "WebView",
    "follow",
    "import_napari",
    "layer_data",
    "new_viewer",
    "view",
    "view_layers",
    "web",
]
