"""Files at URLs: what a server says of them, and their content.

::

    read(url)          its content; None where the server says that there is none
    ask([url, ...])    by what a change of each is told: one request of the headers a file
    listed(url)        the files below it, from servers that list folders

Absent is what a server says is absent: by HTTP the statuses 404 and 410.  Each other failure is an
error, after a few more tries where the server is at fault.
"""

from scutoid.remote._files import (
    RemoteFile,
    Said,
    ask,
    at_once,
    download,
    folders_in,
    globbed,
    listed,
    read,
    read_all,
    read_part,
)
from scutoid.remote._http import is_http
from scutoid.remote._tries import REFUSED, check_bucket, not_there

__all__ = [
    "REFUSED",
    "RemoteFile",
    "Said",
    "ask",
    "at_once",
    "check_bucket",
    "download",
    "folders_in",
    "globbed",
    "is_http",
    "listed",
    "not_there",
    "read",
    "read_all",
    "read_part",
]
