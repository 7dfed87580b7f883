"""Algorithms on numpy arrays: numpy in, numpy out.

They know nothing of files, grids in storage or pipelines; what makes them fit for blocks is that
their results can be merged.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
