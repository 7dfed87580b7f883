"""What a pattern at a URL finds, where its server lists folders, and what is there otherwise."""

from __future__ import annotations

import re
from dataclasses import replace

from scutoid import remote
from scutoid.arrays import is_zarr_at
from scutoid.errors import SourceNotFound
from scutoid.steps.handles._found_files import FoundFiles
from scutoid.steps.handles._name_pattern import NamePattern

_IN_ZARR = re.compile(r"\.zarr/")
_REMEDY = (
    "few servers list folders by http: open the plate or the group itself, whose metadata name its "
    "images, or give a table with a column path of URLs"
)


def is_url(text: str) -> bool:
    """Whether a text is a URL."""
    return "://" in text


def pattern_at(url: str) -> tuple[str, NamePattern]:
    """Return the URL of the folder in which a pattern searches, and the pattern below it.

    Examples
    --------
    >>> base, pattern = pattern_at("s3://bucket/plate/{well}.ome.zarr")
    >>> base, pattern.names
    ('s3://bucket/plate', ('well',))
    """
    scheme, _, rest = url.partition("://")
    pattern = NamePattern.parse(rest)
    return f"{scheme}://{pattern.root.as_posix().lstrip('/')}", replace(pattern, text=url)


def find_at(base: str, pattern: NamePattern) -> FoundFiles:
    """Return what the glob of a pattern finds below a URL.

    As of folders of this machine, folders count where they are zarrs.

    Raises
    ------
    SourceError
        If the server fails.
    """
    found = FoundFiles()
    for url, is_folder in remote.globbed(f"{base}/{pattern.glob}").items():
        name = url.removeprefix(base).strip("/")
        if _IN_ZARR.search(f"{base}/{name}"):
            if is_folder and is_zarr_at(url):
                found.paths[name] = url
        elif not is_folder or name.endswith(".zarr"):
            found.paths[name] = url
    return found


def nothing_at(pattern: NamePattern, found: FoundFiles) -> SourceNotFound:
    """Return the error of a pattern that matches nothing at a URL."""
    names = sorted(found.paths)
    if not names:
        remote.check_bucket(pattern.text)
    return SourceNotFound(
        "a pattern matches at least one file that the server lists",
        value=pattern.text,
        remedy=f"it does not match {names[0]!r}" if names else _REMEDY,
    )


def no_zarr_at(url: str) -> SourceNotFound:
    """Return the error of a URL without a pattern that is no zarr."""
    remote.check_bucket(url)
    return SourceNotFound(
        "what is opened at a URL is an OME-Zarr, such as a plate, or a pattern with a * or a "
        "placeholder",
        value=url,
        remedy="check the address; one file is opened by scutoid.open, and a table of URLs is read "
        "by pandas and given as a DataFrame",
    )
