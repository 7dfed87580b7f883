"""Files at URLs: what a server says of them, and their content.

::

    read(url)          its content; None where the server says that there is none
    ask([url, ...])    by what a change of each is told: one request of the headers a file
    listed(url)        the files below it, from servers that list folders

and objects in buckets of S3, for whom stores results there::

    check_writable(url)      before work starts: bucket, rights, and that the server knows creates
    put(url, content)        the object, over what is there: all of it or nothing
    create(url, content)     only where nothing is; True: it is ours that is there, after a lost
                             answer too. The content must be no other writer's: it holds a token
    get(url)                 its content; None where the server says that there is none; `find`: or
                             where a web server refuses what is not there
    objects(url)             all below it, with size, tag and time; `names`: what is right below it
    age(url)                 seconds since it was written, by the clock of the server
    remove([url, ...])       those too that are not there
    uploads(url), abort(u)   of large objects, left open by writers that died

`get`, `find`, `names` and `objects` read stores at other URLs too.

There is no rename, no append, and no copy that spares what is there: what is to appear at once is
one object that is created, and names others that lie there already.

Absent is what a server says is absent: by HTTP the statuses 404 and 410.  Each other failure is an
error, after a few more tries where the server is at fault.
"""

from scutoid.remote._anywhere import (
    check_store_bucket,
    find,
    get,
    is_known_kind,
    names,
    objects,
)
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
from scutoid.remote._http import is_http, without_query
from scutoid.remote._objects import (
    Stored,
    age,
    check_writable,
    create,
    put,
    remove,
)
from scutoid.remote._ranged import NotInParts, Ranged
from scutoid.remote._s3 import is_writable_kind
from scutoid.remote._secrets import refuse_secrets
from scutoid.remote._tries import REFUSED, check_bucket, n_requests, not_there
from scutoid.remote._uploads import Upload, abort, uploads

__all__ = [
    "REFUSED",
    "NotInParts",
    "Ranged",
    "RemoteFile",
    "Said",
    "Stored",
    "Upload",
    "abort",
    "age",
    "ask",
    "at_once",
    "check_bucket",
    "check_store_bucket",
    "check_writable",
    "create",
    "download",
    "find",
    "folders_in",
    "get",
    "globbed",
    "is_http",
    "is_known_kind",
    "is_writable_kind",
    "listed",
    "n_requests",
    "names",
    "not_there",
    "objects",
    "put",
    "read",
    "read_all",
    "read_part",
    "refuse_secrets",
    "remove",
    "uploads",
    "without_query",
]
