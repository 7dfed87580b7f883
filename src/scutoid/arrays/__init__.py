"""Images as arrays of voxels with axes and a scale, in any kind of storage.

A backend reads a region of one kind of storage; `open_source` finds the right one.  `create_image`
makes an image for blocks to be written into; `create` is its convenient form.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
