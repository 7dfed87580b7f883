"""What several writers of one result have recorded, each in a folder of its own.

::

    gaussian/3f9a1c0b7d42/
        journal, blocks.pack, ...             of whoever made the result alone
        segments/
            node7-4711-88213-1/               of one process that does a share of it
                journal, blocks.pack, ...     the same files
                fence                         until where they count, once it was taken for dead

Readers take them together: of what several have, the first holds, the one outside before all, the
others by name.  When somebody has the result for itself they become one again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from scutoid.durable import beside, store_error, sync_file, sync_folder
from scutoid.errors import StoreError
from scutoid.regular import read_regular
from scutoid.texts import parse_json

__all__ = ["FENCE", "SEGMENTS", "fence_off", "is_fenced", "limit_of", "parts_of", "segments_in"]

SEGMENTS = "segments"
"""In the folder of a result: the folder that has them."""
FENCE = "fence"


def segments_in(folder: Path) -> list[Path]:
    """Return the segments of a result, by name; none where one process alone makes it.

    Parameters
    ----------
    folder : Path
        The folder of the result.

    Raises
    ------
    StoreError
        If they cannot be listed.
    """
    place = f"{folder}/{SEGMENTS}"
    try:
        with os.scandir(place) as found:
            names = [each.name for each in found if each.name[0] != "." and each.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise store_error(error, Path(place), rule="a folder of a store can be listed") from error
    return [Path(place, name) for name in sorted(names)]


def parts_of(path: Path) -> list[tuple[Path, int]]:
    """Return the files that make up a file of a result, and how many bytes of each count.

    Parameters
    ----------
    path : Path
        A file in the folder of the result; it need not exist.

    Returns
    -------
    list of (Path, int)
        The file itself last, for it gets what segments had before these go; -1 where all of it
        counts.
    """
    others = segments_in(path.parent)
    return [*((each / path.name, limit_of(each, path.name)) for each in others), (path, -1)]


def limit_of(segment: Path, file: str) -> int:
    """Return how many bytes of a file of a segment count; -1: all.

    Raises
    ------
    StoreError
        If the fence is there and cannot be read.
    """
    place = segment / FENCE
    try:
        return int(parse_json(read_regular(place)).get(file, 0))
    except FileNotFoundError:
        return -1
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise StoreError(
            "a fence says how many bytes of each file count",
            value=str(error),
            place=str(place),
            remedy="remove the folder of this segment: its blocks are done again",
        ) from error


def _sized_first(file: Path) -> int:
    """Order files of a segment by when they are written, what is written last first."""
    return next((n for n, end in enumerate(("journal", ".index")) if file.name.endswith(end)), 2)


def is_fenced(segment: Path) -> bool:
    """Whether a segment takes no more: its writer was taken for dead, or others have it all."""
    return (segment / FENCE).exists() or not segment.is_dir()


def fence_off(segment: Path) -> None:
    """Let what is in a segment count, and nothing that its writer may still add.

    Of several who do so at once the first holds.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    place = segment / FENCE
    if place.exists():
        return
    try:
        # What its writer adds meanwhile: a record counts only with what it names.
        files = sorted(filter(Path.is_file, segment.iterdir()), key=_sized_first)
        sizes = {each.name: each.stat().st_size for each in files}
        new = beside(place)
        new.write_text(json.dumps(sizes))
        sync_file(new)
        try:
            os.link(new, place)  # unlike a rename it never replaces the first
        except FileExistsError:
            pass
        finally:
            new.unlink()
        sync_folder(segment)
    except FileNotFoundError:  # others have put it with the rest
        return
    except OSError as error:
        raise store_error(error, place, rule="a fence can be written") from error
