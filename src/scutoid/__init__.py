"""Image analysis at any size (public names are collected here)."""
