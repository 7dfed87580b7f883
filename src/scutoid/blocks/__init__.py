"""Tasks on grids of blocks: plans, the order in which blocks may run, and the run itself.

A block carries geometry and no pixels; functions read and write storage themselves.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
