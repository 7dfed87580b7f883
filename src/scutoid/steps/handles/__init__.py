"""What a user holds and writes: lazy images and tables, decorators, opening, stores."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
