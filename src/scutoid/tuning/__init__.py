"""Tune parameters: sliders beside a viewer, and the part of the image that is visible, again.

`tune` joins what the other modules own: what is tuned (`_subject`), what is visible of it
(`_visible`), controls for its parameters (`_controls`), a thread that computes the last wish
(`_last_wish`) and the layers that show it (`_layers`).  Qt is imported only by `tune`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
