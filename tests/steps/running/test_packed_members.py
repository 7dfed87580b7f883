"""What members return, images apart: packed at once, or in files where that cannot be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.steps.work import _members


@pytest.fixture
def encoded(monkeypatch):
    """What is encoded of members."""
    values = []

    def noting(value):
        values.append(value)
        return encode(value)

    encode = _members.encode
    monkeypatch.setattr(_members, "encode", noting)
    return values


@pytest.fixture
def images(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        np.save(tmp_path / f"in/{number}.npy", np.full((2, 3), number, "uint16"))
    return sc.open_folder(tmp_path / "in/*.npy", axes="yx")


def rows_of(image):
    return pd.DataFrame({"value": image.ravel()}), int(image.sum())


def drawn(image):
    from matplotlib.figure import Figure

    return int(image.sum()), Figure((1, 1)), [float(image.max())]


def test_a_member_is_encoded_once(tmp_path, images, encoded):
    table, total = sc.step(rows_of, out=("table", "value"))(images)
    sc.run(table, total, store=tmp_path / "s", executor="serial", report=False)
    assert [len(packed) for packed in encoded] == [2, 2, 2]
    assert total.to_dict() == {f"{n}.npy": 6 * n for n in range(3)}
    assert table["2.npy"].to_pandas()["value"].tolist() == [2] * 6


def test_what_cannot_be_packed_lies_in_a_file_beside_what_can(tmp_path, images):
    pytest.importorskip("matplotlib")
    total, figure, highest = sc.step(drawn, out=("value", "value", "value"))(images)
    sc.run(total, figure, highest, store=tmp_path / "s", executor="serial", report=False)
    assert total.to_dict() == {f"{n}.npy": 6 * n for n in range(3)}
    assert highest.to_dict() == {f"{n}.npy": [float(n)] for n in range(3)}
    names = sorted(path.name[:5] for path in tmp_path.glob("s/drawn/*/items/*"))
    assert names == ["0.npy", "1.npy", "2.npy"]
