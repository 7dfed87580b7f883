"""Addresses of Dask's schedulers, and credentials for them: looked at before a client is made.

A client of Dask tries until its time is over where no time can help, and one that could not be made
holds what the next one needs.
"""

from __future__ import annotations

import importlib
import socket
import ssl
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from scutoid.errors import ParameterError
from scutoid.executors._dask_types import DaskSecurity

ENCRYPTED = ("tls", "wss")
PLAIN = ("tcp", "ws")
_HANDSHAKE_SECONDS = 5.0
_FILES = {
    "tls_client_cert": "certificate",
    "tls_client_key": "key",
    "tls_ca_file": "authority",
}
_SET = (
    "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ...__TLS__CLIENT__CERT and ...__TLS__CLIENT__KEY to "
    "those of the cluster"
)


class Peer(NamedTuple):
    """A scheduler, as its address says it."""

    scheme: str
    host: str
    port: int


def peer_of(address: str, place: str) -> Peer | None:
    """Take an address apart; None: it is none of a host and a port.

    Raises
    ------
    ParameterError
        If it names no host, or no port.
    """
    scheme = address.partition("://")[0]
    if scheme not in (*ENCRYPTED, *PLAIN):
        return None
    with suppress(ValueError):  # brackets that are open, a port that is no number or too large
        parts = urlsplit(address)
        if parts.hostname and parts.port and "@" not in parts.netloc:
            return Peer(scheme, parts.hostname, parts.port)
    raise ParameterError(
        "the address of a scheduler has a host and a port",
        value=address,
        place=place,
        remedy=f"give {scheme}://host:port, such as {scheme}://node3:8786",
    )


def credentials_for(
    address: str, place: str, security: object = None, *, or_give: str = ""
) -> DaskSecurity:
    """Return the credentials for an address; nothing is sent.

    Parameters
    ----------
    address : str
        The scheduler's.
    place : str
        Of the argument that is the address.
    security : distributed.security.Security, optional
        Those that were given; by default those of Dask's configuration.
    or_give : str, optional
        What else can be done where there are none.

    Raises
    ------
    ParameterError
        If there are none for an address with TLS; if they cannot be read; if they forbid an address
        without it.
    """
    credentials: DaskSecurity | None = security  # type: ignore[assignment]
    if credentials is None:
        credentials = importlib.import_module("distributed.security").Security()
    try:
        arguments = credentials.get_connection_args("client")
    except (OSError, ValueError, AttributeError, TypeError) as error:  # of files and of ssl, too
        raise ParameterError(
            "credentials are a distributed.security.Security whose certificates can be read",
            value=f"{type(error).__name__}: {error}{_named(credentials)}",
            place=place,
            remedy="see that the files of its certificate, key and authority are there and whole",
        ) from error
    is_encrypted = urlsplit(address).scheme in ENCRYPTED
    if is_encrypted and arguments.get("ssl_context") is None:
        raise ParameterError(
            "a scheduler is joined by TLS with a certificate, a key and their authority",
            value="there are none",
            place=place,
            remedy=_SET + or_give,
        )
    if not is_encrypted and arguments.get("require_encryption"):
        raise ParameterError(
            "credentials that require encryption are for addresses with TLS",
            value=address,
            place=place,
            remedy="give the address that the scheduler tells, which begins with tls://",
        )
    return credentials


def check_handshake(peer: Peer | None, place: str, credentials: DaskSecurity) -> None:
    """Refuse credentials that the scheduler at an address refuses, or that refuse it.

    Nothing is said of a scheduler that is not there (yet), or does not speak first.

    Raises
    ------
    ParameterError
        If time cannot help.
    """
    context = credentials.get_connection_args("client").get("ssl_context")
    if peer is None or peer.scheme != "tls" or not isinstance(context, ssl.SSLContext):
        return
    try:
        _shake_hands(peer, context)
    except ssl.SSLCertVerificationError as error:
        found = f"the scheduler's certificate is not trusted: {error.verify_message}"
        raise _refused(found, place, credentials, ("tls_ca_file",)) from error
    except ssl.SSLEOFError:
        return  # it is closing
    except ssl.SSLError as error:
        reason = error.reason or ""
        if "ALERT" in reason:
            found = f"the scheduler refuses ours: {_words(reason.rpartition('ALERT_')[2])}"
            names = ("tls_client_cert", "tls_client_key")
            raise _refused(found, place, credentials, names) from error
        raise ParameterError(
            "a scheduler with an address of tls:// speaks TLS",
            value=f"what is there does not: {_words(reason)}",
            place=place,
            remedy="start the cluster with credentials (distributed.security.Security), and give "
            "the address that its scheduler tells",
        ) from error
    except OSError:
        return  # not there, or not yet


def _shake_hands(peer: Peer, context: ssl.SSLContext) -> None:
    """Connect, and wait for the first byte, before which the other side has looked at us."""
    with (
        socket.create_connection((peer.host, peer.port), _HANDSHAKE_SECONDS) as end,
        context.wrap_socket(end, server_hostname=peer.host) as encrypted,
    ):
        encrypted.recv(1)


def _refused(
    value: str, place: str, credentials: DaskSecurity, names: tuple[str, ...]
) -> ParameterError:
    return ParameterError(
        "a scheduler and those that join it have valid certificates of one authority",
        value=f"{value}{_named(credentials, names)}",
        place=place,
        remedy=f"{_SET}, or give a client or security= with them",
    )


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()


def _named(credentials: object, names: tuple[str, ...] = tuple(_FILES)) -> str:
    """Say which files credentials are of; those given as texts are not shown."""
    files = {_FILES[name]: getattr(credentials, name, None) for name in names}
    said = [
        f"{what} {file!r}"
        for what, file in files.items()
        if isinstance(file, str) and "\n" not in file
    ]
    return f" ({', '.join(said)})" if said else ""
