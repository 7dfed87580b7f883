"""Exports to URLs: made in a temporary folder, and copied to a bucket.

One object is replaced at once.  A folder of them has the list of `_export_folder.py`, with a digest
of each file, by which those that are there already are told; no other object is touched::

    s3://bucket/final/
        .scutoid-export       the list: first the old files and the new ones, at last the new
        a.ome.zarr/0/c/0/0    written where its digest differs
        a.ome.zarr/zarr.json  metadata come last: what they name is there then; those of an image
                              whose voxels are replaced go before
        notes.txt             not in the list: the user's
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scutoid import remote
from scutoid.errors import ParameterError, StoreError
from scutoid.steps.handles._export_folder import MARK, leaves_of, of_others, parse_list, to_list
from scutoid.texts import parse_json

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DIGESTS = "sha256"
_METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")


def is_url(path: str) -> bool:
    """Whether a path is a URL."""
    return bool(_URL.match(path))


@contextmanager
def beside_url(url: str) -> Iterator[Beside]:
    """Give a temporary path that ends as a URL does, in the place of which an export is made.

    Raises
    ------
    ParameterError
        If nothing is written to such URLs.
    StoreError
        If nothing can be written there: before anything is computed.
    """
    remote.refuse_secrets(url)
    scheme, _, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    if not remote.is_writable_kind(url) or not rest.removeprefix(bucket).strip("/"):
        raise ParameterError(
            "an export goes to a folder, or to a name in a bucket of a store that speaks S3",
            value=url,
            place="export",
            remedy='write "s3://bucket/name", or export it to a folder and copy it from there',
        )
    above = url.partition("{")[0].rpartition("/")[0]
    remote.check_writable(above)
    with tempfile.TemporaryDirectory(prefix="scutoid-export-") as folder:
        yield Beside(f"{scheme}://", Path(folder).resolve(), rest, is_template="{" in url)


@dataclass(frozen=True, slots=True)
class Beside:
    """A temporary folder in the place of all buckets of a scheme."""

    begin: str
    """What URLs begin with: ``s3://``."""
    folder: Path
    """The folder."""
    rest: str
    """The URL without its begin."""
    is_template: bool
    """Whether it has braces, of which two stand for one."""

    @property
    def path(self) -> str:
        """Where the export is made."""
        folder = str(self.folder)
        if self.is_template:
            folder = folder.replace("{", "{{").replace("}", "}}")
        return f"{folder}/{self.rest}"

    def publish(self, made: Path, template: str) -> str:
        """Copy what was made to its URL, which is returned.

        Raises
        ------
        StoreError
            If something is there that no export made, or it cannot be written.
        """
        url = f"{self.begin}{made.relative_to(self.folder).as_posix()}"
        if made.is_dir():
            _Folder(made, url, template).publish()
        else:
            remote.put(url, made)
        return url


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that is copied to a URL."""

    made: Path
    """The folder."""
    url: str
    """Where it goes to."""
    template: str
    """By which its files are named; see `replacing_folder`."""

    def publish(self) -> None:
        new = {
            name: _digest(self.made / name)
            for name in leaves_of(self.made)
            if (self.made / name).is_file()  # there are no empty folders
        }
        listed, digests = self._list()
        there = {each.url.removeprefix(f"{self.url}/") for each in remote.objects(self.url)}
        own = listed.get(self.template, set()) | (of_others(listed, self.template) & new.keys())
        self._refuse_clash(new.keys() & (there - own))
        same = {
            name for name, digest in new.items() if name in there and digests.get(name) == digest
        }
        stale = (own & there) - new.keys()
        if not stale and same == new.keys() == listed.get(self.template):
            return
        # While voxels are replaced nothing says that they are an image
        withdrawn = _metadata_of(stale | (there & new.keys()) - same) & own & there
        changed = (new.keys() - same) | (new.keys() & withdrawn)
        kept = {name: digest for name, digest in digests.items() if new.get(name, digest) == digest}
        with self._told():
            self._write_list(listed, own | new.keys(), kept)
            self._remove(withdrawn)
            for is_last in (False, True):
                names = [n for n in sorted(changed) if n.endswith(_METADATA) == is_last]
                remote.at_once(names, self._put)
            self._remove(stale - withdrawn)
            kept = {name: digest for name, digest in kept.items() if name not in stale}
            self._write_list(listed, set(new), kept | new)

    def _put(self, name: str) -> None:
        remote.put(f"{self.url}/{name}", self.made / name)

    def _remove(self, names: Iterable[str]) -> None:
        remote.remove([f"{self.url}/{name}" for name in sorted(names)])

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say what an error leaves."""
        try:
            yield
        except StoreError as error:
            raise type(error)(
                error.rule,
                value=f"{error.value}; of the export to {self.url} a part is written",
                place=error.place,
                remedy=f"{error.remedy}; the next export to the same URL makes it whole",
            ) from error

    def _list(self) -> tuple[dict[str, set[str]], dict[str, str]]:
        """Return the list of earlier exports, and the digests of what they made."""
        content = remote.get(f"{self.url}/{MARK}")
        listed = None if content is None else parse_list(content)
        if content is None or listed is None:
            if remote.age(self.url) is not None or remote.names(self.url):
                raise StoreError(
                    "an export replaces only a folder that an export made",
                    value="there is something else",
                    place=self.url,
                    remedy="choose another URL, or move away what is there",
                )
            return {}, {}
        digests = parse_json(content).get(_DIGESTS)
        return listed, dict(digests) if isinstance(digests, dict) else {}

    def _refuse_clash(self, clash: set[str]) -> None:
        if clash:
            raise StoreError(
                "an export writes only where nothing is, or an object that an export made",
                value=f"{min(clash)!r} is in the way"
                + (f", and {len(clash) - 1} more" if len(clash) > 1 else ""),
                place=self.url,
                remedy="choose another URL, or move away what is there",
            )

    def _write_list(
        self, listed: Mapping[str, set[str]], own: set[str], digests: Mapping[str, str]
    ) -> None:
        left = {template: names - own for template, names in listed.items()}
        named = {template: names for template, names in left.items() if names}
        content = {
            **to_list({**named, self.template: own}),
            _DIGESTS: dict(sorted(digests.items())),
        }
        remote.put(f"{self.url}/{MARK}", json.dumps(content, indent=0).encode() + b"\n")


def _metadata_of(names: Iterable[str]) -> set[str]:
    """Names of the metadata of all zarrs that some files may be of."""
    folders = {folder for name in names for folder in PurePosixPath(name).parents}
    return {(folder / metadata).as_posix() for folder in folders for metadata in _METADATA}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
