"""What many runs share, set up in one place and taken back: a cluster, temporary files, logs.

`session` joins what the other modules own: the folder of temporary files (`_scratch`), the copy of
what is printed (`_recorded`, `_lines`), and a cluster that stands from run to run, which is one of
`scutoid.executors`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
