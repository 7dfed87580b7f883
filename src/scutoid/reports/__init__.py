"""Runs as a store remembers them: facts, the graph of steps as SVG, pictures, and a page of both.

`read_run` reads what is known of a run: it may go on, have been killed, or have no results left.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
