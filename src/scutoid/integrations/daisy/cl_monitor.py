"""The monitor that scripts of daisy attach to a server before it runs."""

from __future__ import annotations

from scutoid.integrations.daisy._server import SerialServer, Server

__all__ = ["CLMonitor"]


class CLMonitor:
    """Names the server that is watched; servers log their progress and summary by themselves.

    Parameters
    ----------
    server : Server or SerialServer
        The server.
    """

    def __init__(self, server: Server | SerialServer) -> None:
        self.server = server
