"""View results in napari: images, labels and tables as layers, read as they are shown.

`view_layers` chooses the layers and their places, and needs no viewer; `view` hands them to napari.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
