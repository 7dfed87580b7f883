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

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
