"""Operations on images, written with the decorators that users have, over `scutoid.kernels`.

Each says what it is: *exact* (equals the same computation on the whole array, whatever the blocks,
executor and workers) or *approximate*, with its error.  The single steps that an operation is made
of are here as well, for pipelines that need one of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
