"""Results of a run and of a store by their kinds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import PipelineError, StoreError


@sc.blockwise
def bright(image, *, level=1):
    return image > level


@sc.step
def brightest(image):
    return int(image.max())


@sc.step(out="table")
def summary(image):
    return pd.DataFrame({"n": [int((image > 0).sum())]})


@sc.step(out="files")
def report(image, *, folder):
    (folder / "report.txt").write_text(str(image.max()))


@sc.blockwise(out="parts")
def halves(image):
    return {"half": image[: len(image) // 2]}


@sc.blockwise(out=("image", "table"), dtype="same")
def both(image):
    return image, pd.DataFrame({"y": [0.0]})


KINDS = {
    "image": ("bright", sc.Image, "Image"),
    "table": ("summary", sc.Table, "Table"),
    "value": ("brightest", sc.Value, "Value"),
    "files": ("report", sc.Files, "Files"),
}
MANY = {
    "images": ("bright", sc.Images, "Images"),
    "tables": ("summary", sc.Tables, "Tables"),
    "values": ("brightest", sc.Values, "Values"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A run and a store of each kind of result, of one image (False) or of two (True)."""
    folder = tmp_path_factory.mktemp("accessors")
    for name in ("a", "b"):
        np.save(folder / f"{name}.npy", np.arange(12).reshape(3, 4))
    one = sc.open(folder / "a.npy")
    made = {}
    for is_many, image in ((False, one), (True, sc.open_folder(folder / "*.npy"))):
        steps = [bright(image), brightest(image), summary(image), report(image), *both(image)]
        store = folder / f"results_{is_many}"
        made["run", is_many] = sc.run(*steps, halves(image), store=store)
        made["store", is_many] = sc.Store(store)
    return made


WHERE = pytest.mark.parametrize("where", ["run", "store"])


@WHERE
@pytest.mark.parametrize("method", KINDS)
def test_a_result_of_one_image_is_found_by_its_kind(found, where, method) -> None:
    name, kind, _ = KINDS[method]
    result = getattr(found[where, False], method)(name)
    assert type(result) is kind
    assert result.name == name


@WHERE
@pytest.mark.parametrize("method", MANY)
def test_a_result_of_a_folder_is_found_by_its_kind(found, where, method) -> None:
    name, kind, _ = MANY[method]
    result = getattr(found[where, True], method)(name)
    assert type(result) is kind
    assert result.keys == ("a.npy", "b.npy")


@WHERE
def test_values_are_those_of_the_result(found, where) -> None:
    assert found[where, False].value("brightest").get() == 11
    assert found[where, True].values("brightest").to_dict() == {"a.npy": 11, "b.npy": 11}
    assert found[where, False].table("summary").to_pandas()["n"].tolist() == [11]
    assert int(np.asarray(found[where, False].image("bright")).sum()) == 10
    assert (found[where, False].files("report").path / "report.txt").read_text() == "11"


@WHERE
@pytest.mark.parametrize(
    ("asked", "right"),
    [(asked, right) for asked in (*KINDS, *MANY) for right in (*KINDS, *MANY) if asked != right],
)
def test_another_kind_is_refused_with_the_right_method(found, where, asked, right) -> None:
    name, _, word = {**KINDS, **MANY}[right]
    error = PipelineError if where == "run" else StoreError
    with pytest.raises(error) as raised:
        getattr(found[where, right in MANY], asked)(name)
    message = str(raised.value)
    assert f"{asked}() is for" in message
    assert f"'{name}' is {word}" in message
    assert f'{right}("{name}")' in message


@WHERE
@pytest.mark.parametrize(
    ("is_many", "name", "word"),
    [(False, "halves", "Parts"), (True, "halves", "PartsCollection"), (True, "report", "Files")],
)
def test_what_has_no_method_is_pointed_to_by_its_name(found, where, is_many, name, word) -> None:
    with pytest.raises((PipelineError, StoreError), match=rf'(?s){word}.*\["{name}"\]'):
        found[where, is_many].image(name)


@WHERE
def test_one_of_several_outputs_is_taken_by_its_number(found, where) -> None:
    results = found[where, False]
    assert type(results.image("both")) is sc.Image
    assert type(results.table("both", output=1)) is sc.Table
    with pytest.raises((PipelineError, StoreError), match=r'(?s)Table.*table\("both", output=1\)'):
        results.image("both", 1)


@WHERE
@pytest.mark.parametrize("output", [-1, 2])
def test_a_number_of_no_output_is_refused(found, where, output) -> None:
    with pytest.raises((PipelineError, StoreError), match=f"(?s)of 2 from 0 on.*{output}"):
        found[where, False].image("both", output)


@WHERE
def test_an_unknown_name_is_refused_as_in_brackets(found, where) -> None:
    with pytest.raises((PipelineError, StoreError)) as raised:
        found[where, False].image("brihgt")
    with pytest.raises(type(raised.value)) as expected:
        found[where, False]["brihgt"]
    assert str(raised.value) == str(expected.value)


def test_a_run_is_indexed_by_what_was_run_as_well(tmp_path) -> None:
    raw = sc.open(np.arange(12).reshape(3, 4))
    most, (image, table) = brightest(raw), both(raw)
    run = sc.run(most, image, table, store=tmp_path)
    assert run[most].read_ref == run["brightest"].read_ref
    assert run[image].read_ref == run["both"][0].read_ref
    assert run[table].read_ref == run["both"][1].read_ref
    with pytest.raises(PipelineError, match=r'(?s)raw|bright.*run\["brightest"\]'):
        run[bright(raw)]


def test_what_was_run_is_read_from_the_store_of_its_run(tmp_path) -> None:
    most = brightest(sc.open(np.arange(12).reshape(3, 4)))
    first = sc.run(most, store=tmp_path / "1")
    sc.run(most, store=tmp_path / "2")
    (value,) = (tmp_path / "1" / "brightest").glob("*/value.json")
    value.write_text("12")
    with pytest.raises(StoreError, match=r"1/brightest"):
        first[most].get()
    assert most.get() == 11
