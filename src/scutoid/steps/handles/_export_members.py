"""The members of a collection, each a file or folder of its own below the folder of an export."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from scutoid.steps.graph import FromStore, MappedCall, Member
from scutoid.steps.handles._collections import Collection
from scutoid.steps.handles._lazy import Lazy
from scutoid.steps.handles._member_names import MemberNames
from scutoid.steps.handles._partial import Partial
from scutoid.steps.handles._single import Files, Image, Value
from scutoid.store import FORMATS, choose_format

ENDINGS = {"image": ".tif", "table": ".csv", "value": ".json", "files": ""}
"""What most members of a kind end in, where no template says it."""
_PNG = ".png"
_Write: TypeAlias = Callable[[Lazy, Path], object]


def write_members(
    results: Collection[Any], names: MemberNames, folder: Path, partial: Partial, write: _Write
) -> None:
    """Write each member to its place below a new folder.

    Parameters
    ----------
    results : Collection
        What is exported.
    names : MemberNames
        Their names.
    folder : Path
        The new folder.
    partial : {"error", "allow"}
        What becomes of members that a run did not finish.
    write : function of a result and a path
        Writes one, as the ending of the path says.
    """
    folder.mkdir()

    def write_one(key: str) -> None:
        result, name = results[key], names.names[key]
        place = folder / (name if names.is_whole else f"{name}{_ending(result)}")
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(result, place)
        except BaseException:
            remove_member(place, folder)
            raise

    for _ in results.taken(partial).each(write_one):
        pass


def only_file(files: Files) -> Path | None:
    """Return the file that a step wrote, if it wrote one and nothing else."""
    written = list(files.path.iterdir())
    return written[0] if len(written) == 1 and written[0].is_file() else None


def _ending(result: Lazy) -> str:
    """Return what the file of a member ends in: as it is stored, and as its type is told from."""
    if isinstance(result, Files):
        file = only_file(result)
        return "" if file is None else "".join(file.suffixes)
    if isinstance(result, Value):
        value = result.get()
        if (
            FORMATS["png"].accepts(value) and value.ndim > 2
        ):  # colours, such as a figure that was stored
            return _PNG
        return choose_format(value).ending
    if isinstance(result, Image) and _is_stored_as_png(result):
        return _PNG
    return ENDINGS[result.kind]


def _is_stored_as_png(image: Image) -> bool:
    """Whether a member is a PNG in its store, or would be."""
    ref = image.read_ref
    node = ref.node
    if isinstance(node, Member):
        if isinstance(node.collection, MappedCall):
            return node.collection.spec.options.storage.format == "png"
        node = node.single
    if not isinstance(node, FromStore):
        return False
    places = node.stored.image(ref.output).identity.locations
    return bool(places) and places[0].endswith(_PNG)


def remove_member(place: Path, folder: Path) -> None:
    """Remove what was written of a member, and the folders above it in which is nothing else."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    for above in place.relative_to(folder).parents:
        if above.name and not any((folder / above).iterdir()):
            (folder / above).rmdir()
