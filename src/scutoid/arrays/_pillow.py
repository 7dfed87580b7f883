"""Pillow as it reads pictures here, whatever another library has told it for the whole process.

``ImageFile.LOAD_TRUNCATED_IMAGES``, which some libraries set when they are imported, fills up a
picture that breaks off; ``Image.MAX_IMAGE_PIXELS`` has it warn of large pictures, and refuse larger
ones.
"""

from __future__ import annotations

import threading


class _Strict:
    """Refuses pictures that break off, and takes them of any size, while it is entered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_users = 0
        self._before: tuple[bool, int | None] = (False, None)

    def __enter__(self) -> None:
        from PIL import Image, ImageFile

        with self._lock:
            if self._n_users == 0:
                self._before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
                ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, None
            self._n_users += 1

    def __exit__(self, *_: object) -> None:
        from PIL import Image, ImageFile

        with self._lock:
            self._n_users -= 1
            if self._n_users == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = self._before


STRICT = _Strict()
"""The settings of this process, which all threads share."""
