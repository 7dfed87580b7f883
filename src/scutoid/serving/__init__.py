"""Show a store and its live runs as pages in a browser of this machine: `scutoid serve`.

::

    browser ── GET ──► Guard ── routes ──► RunView ── Follower ◄── events.jsonl, journals
            ◄─ events ──────────────────────┘   └── scutoid.reports: graph, pictures

The server reads the store and writes nothing; the page is static files beside this one.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
