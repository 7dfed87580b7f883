from ._preview import Preview, preview

__all__ = [
    "Preview",
    "preview",
]
