"""Pipelines: lazy results, the decorators that make steps, planning and running.

A call of a step builds a graph and computes nothing.  `plan` says what would run and why, `run`
hands the blocks to the block engine, and a result that is read without a run is computed in the
process.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
