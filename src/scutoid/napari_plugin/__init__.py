"""What napari finds of scutoid: a reader of stores, runs and results, and a list of them to choose.

`napari.yaml` names both; napari finds it by the entry point ``napari.manifest``.  Nothing here is
imported by scutoid itself, and Qt only by `ResultsWidget`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
