"""Where Prefect is missing, pytest looks for no examples in these modules."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("prefect") else ["*.py"]
