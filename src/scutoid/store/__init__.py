"""Stored results: keys, recipes, entries that are committed whole, packs of small results, formats.

Readable without scutoid: OME-Zarr, TIFF, PNG, Parquet, JSON, npy and CSV.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
