from ._drawn import layer_data
from ._following import Following, follow
from ._layer_array import LayerArray
from ._layers import view_layers
from ._napari import view
from ._neuroglancer import WebView, web
from ._spec import LayerSpec

__all__ = [
    "Following",
    "LayerArray",
    "LayerSpec",
    "WebView",
    "follow",
    "layer_data",
    "view",
    "view_layers",
    "web",
]
