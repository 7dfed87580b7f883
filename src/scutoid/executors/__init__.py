"""Workers of several kinds, which carry out numbered items, without knowledge of blocks.

`find_executor` gives an executor by name; it opens a pool of workers, which
takes jobs and gives outcomes.  `Workbench` and the functions that pickle are for executors of other
packages.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
