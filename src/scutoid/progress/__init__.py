"""Show the progress of a run: on a terminal, in a notebook, as lines of a log."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
