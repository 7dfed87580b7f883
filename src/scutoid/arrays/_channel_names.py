"""Names of channels, from what a file says of each."""

from __future__ import annotations

from collections.abc import Sequence

from scutoid.arrays._notes import Note

_REMEDY = "take channels by their numbers, or mend the names"


def channel_names(
    said: Sequence[str | None], n_channels: int, where: str
) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Return the names of the channels of an image, and what of them is not known.

    A channel without a name is called by its number.

    Parameters
    ----------
    said : sequence of str or None
        What the file calls each; None, or empty: nothing.
    n_channels : int
        Number of channels of the image; 0: it has no such axis.
    where : str
        Where the file says so, for notes.

    Examples
    --------
    >>> channel_names(["DAPI", None], 2, "OME-XML")[0]
    ('DAPI', '1')
    >>> channel_names([None, None], 2, "OME-XML")
    ((), ())
    """
    if not any(said) or not n_channels:
        return (), ()
    if len(said) != n_channels:
        text = f"{where} names {len(said)} channels of {n_channels}, whose names are unknown"
        return (), (Note("channels", text, _REMEDY),)
    nameless = [str(number) for number, name in enumerate(said) if not name]
    names = tuple(name or str(number) for number, name in enumerate(said))
    if not nameless:
        return names, ()
    text = f"{where} gives no name of some channels, which are called by number: "
    return names, (Note("channels", text + ", ".join(nameless), _REMEDY),)
