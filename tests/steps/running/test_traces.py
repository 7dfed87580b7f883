"""Which tracebacks a summary shows."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, RunFailed


def of_a_damaged_file(folder):
    np.save(folder / "a.npy", np.zeros((8, 8)))
    np.save(folder / "b.npy", np.zeros((8, 8)))
    (folder / "b.npy").write_bytes(b"")
    return sc.gaussian(sc.open_folder(folder / "*.npy"), sigma=1)


def of_a_function(error):
    def made(folder):
        @sc.step(version="1")
        def failing(image):
            raise error

        return failing(sc.open(np.zeros((8, 8))))

    return made


@pytest.mark.parametrize(
    ("make", "said", "is_shown"),
    [
        (of_a_damaged_file, "b.npy", False),
        (of_a_function(ValueError("too dark")), "too dark", True),
        (of_a_function(ParameterError("a level is above 0", value=-1)), "a level is above 0", True),
    ],
)
def test_a_traceback_is_shown_where_it_leads_to_the_user(tmp_path, make, said, is_shown):
    with pytest.raises(RunFailed) as caught:
        sc.run(make(tmp_path), store=tmp_path / "store", executor="serial")
    text = str(caught.value)
    assert said in text
    assert ("test_traces.py" in text) == is_shown
    assert ('  File "' in text) == is_shown
