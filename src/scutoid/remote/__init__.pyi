from ._anywhere import (
    check_store_bucket,
    find,
    get,
    is_known_kind,
    names,
    objects,
)
from ._files import (
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
from ._http import is_http, without_query
from ._objects import (
    Stored,
    age,
    check_writable,
    create,
    put,
    remove,
)
from ._ranged import NotInParts, Ranged
from ._s3 import is_writable_kind
from ._secrets import refuse_secrets
from ._tries import REFUSED, check_bucket, n_requests, not_there
from ._uploads import Upload, abort, uploads

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
