"""Proof-reading of labels: corrections as files, the step that applies them, the window.

A correction keeps the voxels of a box as they were and as they should be, so that it finds its
objects again by their overlap, whatever number they have by then.  `corrected` applies corrections
block by block; `correct` makes them in napari, which is imported only there.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
