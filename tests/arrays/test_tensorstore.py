"""tensorstore is imported whole: here one that stands in for it, and is met by Ctrl-C half way."""

from __future__ import annotations

import sys

import pytest

from scutoid.arrays._tensorstore import load_tensorstore

HALF = """
import signal
signal.raise_signal(signal.SIGINT)
is_whole = True
"""


def test_ctrl_c_in_the_middle_of_the_import_counts_afterwards(tmp_path, monkeypatch):
    (tmp_path / "tensorstore.py").write_text(HALF)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorstore", raising=False)
    load_tensorstore.cache_clear()
    try:
        with pytest.raises(KeyboardInterrupt):
            load_tensorstore()
        assert sys.modules["tensorstore"].is_whole
    finally:
        load_tensorstore.cache_clear()
        sys.modules.pop("tensorstore", None)
