"""Exclude these modules from doctests if Prefect is not installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("prefect") else ["*.py"]
