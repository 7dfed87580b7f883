"""Records: what stands in a store comes back as it was, and nothing else is taken for one."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scutoid.errors import DamagedResult, StoreError
from scutoid.geometry import BlockGrid, Roi
from scutoid.paths import is_inner_name
from scutoid.steps.results._member_record import (
    AcceptedRecord,
    FileRecord,
    MemberRecord,
    MembersRecord,
    SpecRecord,
)
from scutoid.steps.results._record import (
    GridRecord,
    ImageRecord,
    OutputRecord,
    PartsRecord,
    ResultRecord,
)
from scutoid.steps.results._run_record import (
    InputRecord,
    OutcomeRecord,
    RunRecord,
    RunStepRecord,
)
from scutoid.store import Pack, Recipe

GOLDEN = Path(__file__).parents[2] / "golden" / "rule_1"

GRID = GridRecord(BlockGrid(Roi((-2, 0), (24, 40)), (12, 16), halo=[(1, 2), 0]), "yx", "")
IMAGE = ImageRecord("image.ome.zarr", (-2, 0), "yx", (24, 40), "uint16", GRID)
RESULT = ResultRecord(
    (
        OutputRecord("image", "image", labels=True, image=IMAGE),
        OutputRecord("parts", "parts", parts=PartsRecord("blocks.pack", GRID, 0)),
        OutputRecord("table", "table"),
    ),
    n_blocks=6,
    storage="Storage()",
    inside=(Recipe(step="halved", key="3f9a"),),
)
SPEC = SpecRecord("zyx", (2.0, 0.5, 0.5), "um", None)
MEMBER = MemberRecord(
    "A/01.tif",
    {
        0: FileRecord("A/01.tif.3f9a.npy", 123, 2048, spec=SPEC),
        1: FileRecord("A/01.tif.3f9a-2.ome.zarr", (4, 77)),
        2: FileRecord("A/01.tif.3f9a-3.files", (("deep/note.txt", 5),)),
        3: FileRecord("A/01.tif.3f9a-4.csv", 9, 12, "csv"),
    },
)
RUN = RunRecord(
    1000.0,
    (
        RunStepRecord("denoise", "3f9a", "denoise/3f9a", "cached", "up to date"),
        RunStepRecord(
            "count",
            "77e0",
            "count/77e0",
            "run",
            "first run",
            ("count_all",),
            OutcomeRecord(4, 3, 1, 1, 0, 2.5, ("block 3: ValueError",), ((2, 1.5), (0, 0.5))),
            (
                InputRecord("image", "denoise", "denoise"),
                InputRecord("regions", "atlas.tif", None, "/data/atlas.tif"),
            ),
        ),
    ),
    ok=False,
    seconds=3.0,
    warnings=("step 'count': a change of COUNT is not noticed",),
    part_of="2026-11-21T10-00-00_ab12",
)

kinds = st.sampled_from(["image", "table", "parts", "value", "files"])
names = st.text(max_size=8)
inner = st.text(max_size=8).filter(is_inner_name)
counts = st.integers(0, 2**40)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def grids(draw):
    ndim = draw(st.integers(1, 4))

    def wholes(least, most):
        return draw(st.lists(st.integers(least, most), min_size=ndim, max_size=ndim))

    halo = list(zip(wholes(0, 9), wholes(0, 9), strict=True))
    grid = BlockGrid(Roi(wholes(-99, 99), wholes(1, 99)), wholes(1, 50), halo=halo)
    return GridRecord(grid, "tczyx"[-ndim:], draw(names))


wholes = st.lists(st.integers(-99, 99)).map(tuple)
images = st.builds(
    ImageRecord,
    file=inner,
    offset=wholes,
    axes=names,
    shape=st.lists(counts).map(tuple),
    dtype=names,
    grid=st.none() | grids(),
)
parts = st.builds(PartsRecord, file=inner, grid=grids(), slot=counts)
outputs = (
    st.builds(
        OutputRecord,
        st.just("image"),
        inner,
        labels=st.booleans(),
        image=st.none() | images,
    )
    | st.builds(OutputRecord, st.just("parts"), inner, parts=st.none() | parts)
    | st.builds(OutputRecord, st.sampled_from(["table", "value", "files"]), inner)
)
checksums = (
    counts | st.lists(counts).map(tuple) | st.lists(st.tuples(names, counts), min_size=1).map(tuple)
)
vectors = st.none() | st.lists(numbers).map(tuple)
specs = st.builds(SpecRecord, names, vectors, st.none() | names, vectors)
files = st.builds(
    FileRecord,
    inner,
    st.none() | checksums,
    st.none() | counts,
    st.none() | names,
    st.none() | specs,
    st.none() | st.lists(st.tuples(inner, counts)).map(tuple),
)
outcomes = st.builds(
    OutcomeRecord,
    *[counts] * 5,
    numbers,
    st.lists(names).map(tuple),
    st.lists(st.tuples(counts, numbers)).map(tuple),
)
inputs = st.builds(InputRecord, names, names, st.none() | names, names)
run_steps = st.builds(
    RunStepRecord,
    *(names, names, inner, names, names, st.lists(names).map(tuple)),
    st.none() | outcomes,
    st.none() | st.lists(inputs).map(tuple),
)


def in_json(content):
    """Return what comes back of a record's content when it is written down."""
    return json.loads(json.dumps(content))


@given(st.builds(ResultRecord, st.lists(outputs).map(tuple), counts, names))
def test_descriptions_of_outputs_come_back(record) -> None:
    assert ResultRecord.from_dict(in_json(record.to_dict())) == record


@given(grids())
def test_grids_come_back(record) -> None:
    assert GridRecord.from_dict(in_json(record.to_dict())) == record


@given(st.builds(MemberRecord, names, st.dictionaries(st.integers(0, 9), files)))
def test_records_of_members_come_back(record) -> None:
    assert MemberRecord.from_dict(in_json(record.to_dict())) == record


@given(st.text("a./\0", max_size=8))
@example("")
@example("/etc/hosts")
@example("../a")
def test_a_name_is_taken_where_it_stays_in_its_folder_and_nowhere_else(name) -> None:
    folder = "/store/step/3f9a"
    is_plain = os.path.normpath(name) == name  # others are none of ours: "a/./b", "a/"
    stays = "\0" not in name and os.path.normpath(Path(folder, name)).startswith(f"{folder}/")
    content = in_json(MemberRecord("a", {0: FileRecord(name, 77, 1024)}).to_dict())
    for read in (MemberRecord.from_dict, MemberRecord.sizes):
        if stays and is_plain:
            read(content)
        else:
            with pytest.raises(DamagedResult):
                read(content)


@st.composite
def lists_of_members(draw):
    """Members of which some may be missing, in any order, with or without groups."""
    members = draw(st.dictionaries(names, names))
    missing = draw(st.dictionaries(names.filter(lambda key: key not in members), names))
    keys = tuple(draw(st.permutations([*members, *missing])))
    column = st.lists(st.none() | names, min_size=len(keys), max_size=len(keys)).map(tuple)
    groups = draw(st.dictionaries(names, column, max_size=2))
    return MembersRecord(draw(st.lists(kinds).map(tuple)), members, missing, keys, groups)


@given(lists_of_members())
def test_lists_of_members_come_back(record) -> None:
    found = MembersRecord.from_json(record.to_json())
    assert found == record
    assert tuple(found.all_members) == record.keys
    assert found.all_members == {**record.members, **record.missing}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("keys", ["a"]),
        ("keys", ["a", "b", "b"]),
        ("keys", ["a", "c"]),
        ("groups", {"well": ["A"]}),
        ("groups", {"well": ["A", 1]}),
    ],
)
def test_lists_of_members_that_do_not_fit_together_are_damaged(field, value) -> None:
    record = MembersRecord(("image",), {"a": "3f"}, {"b": "77"}, ("a", "b"), {"well": ("A", None)})
    content = {**json.loads(record.to_json()), field: value}
    with pytest.raises(DamagedResult, match=field):
        MembersRecord.from_json(json.dumps(content))


@given(st.dictionaries(st.text("0123456789abcdef", min_size=1), names))
def test_lists_of_accepted_members_come_back(members) -> None:
    record = AcceptedRecord(members)
    assert AcceptedRecord.from_json(record.to_json()) == record


@given(
    st.builds(
        RunRecord,
        numbers,
        st.lists(run_steps).map(tuple),
        st.none() | st.booleans(),
        st.none() | numbers,
    )
)
def test_records_of_runs_come_back(record) -> None:
    assert RunRecord.from_json(record.to_json()) == record


def test_steps_computed_inside_come_back_with_the_result() -> None:
    record = ResultRecord.from_dict(in_json(RESULT.to_dict()))
    assert record == RESULT
    assert record.inside[0].step == "halved"


def test_a_recipe_without_outputs_has_no_record() -> None:
    assert ResultRecord.of(None) is None
    assert ResultRecord.of(Recipe(step="denoise", key="3f9a", kind="accepted")) is None
    recipe = Recipe(step="denoise", key="3f9a", output=RESULT.to_dict())
    assert ResultRecord.of(Recipe.from_json(recipe.to_json())) == RESULT


def test_a_checksum_fits_whether_it_stands_in_lists_or_tuples() -> None:
    assert MEMBER.files[1].fits([4, 77])
    assert not MEMBER.files[1].fits([4, 78])
    assert MEMBER.files[2].fits([["deep/note.txt", 5]])
    assert not MEMBER.files[0].fits(124)
    assert FileRecord("not noted").fits(124)


def test_sizes_of_a_members_files_are_told_as_its_record_tells_them() -> None:
    sizes = [(file.name, file.nbytes) for file in MEMBER.files.values()]
    assert MemberRecord.sizes(in_json(MEMBER.to_dict())) == sizes
    assert not MemberRecord.sizes(MemberRecord("A01.tif").to_dict())
    assert MemberRecord.sizes({"key": "A01.tif", "images": {"0": "a"}}) == [("a", None)]


@pytest.mark.parametrize("column", ["images", "sizes"])
def test_sizes_of_a_members_files_are_not_taken_from_a_damaged_record(column) -> None:
    with pytest.raises(DamagedResult):
        MemberRecord.sizes({**MEMBER.to_dict(), column: [{}]})
    with pytest.raises(StoreError, match="version 1"):
        MemberRecord.sizes({**MEMBER.to_dict(), "version": 2})


# What stands in the golden store, which was written before records had versions


def recipes():
    return {path: Recipe.from_json(path.read_bytes()) for path in GOLDEN.glob("*/*/recipe.json")}


def test_outputs_of_the_golden_store_are_read() -> None:
    found = {path: ResultRecord.of(recipe) for path, recipe in recipes().items()}
    assert [path.parent.parent.name for path, record in found.items() if record is None] == [
        "lifted"
    ]
    for path, record in found.items():
        if record is not None:
            written = record.to_dict()
            assert written.pop("version") == 1
            if record.inside:
                written["inside"][0].pop("rule")
                written["inside"][0].pop("digest")
            old = copy.deepcopy(json.loads(path.read_bytes())["output"])
            for one in old.get("inside", ()):
                one.pop("digest")
            assert written == old


def test_images_and_parts_of_the_golden_store_say_where_they_lie() -> None:
    by_step = {recipe.step: ResultRecord.of(recipe) for recipe in recipes().values()}
    image = by_step["brighten"].outputs[0].image
    assert (image.shape, image.axes, image.grid.grid.n_blocks) == ((24, 40), "yx", 6)
    assert by_step["turned"].outputs[0].image.grid is None
    assert by_step["profiles"].outputs[0].parts.grid == GridRecord(
        BlockGrid(Roi((0, 0), (24, 40)), (12, 16)), "yx", ""
    )
    assert [output.kind for output in by_step["described"].outputs] == ["table", "value"]
    assert by_step["dimmed"].outputs[0].file is None
    assert by_step["raised"].inside[0].step == "halved"


def test_members_of_the_golden_store_are_read() -> None:
    packs = list(GOLDEN.glob("*/*/items.pack"))
    assert len(packs) == 5
    for path in packs:
        pack = Pack(path)
        for name in pack:
            written = in_json(MemberRecord.from_dict(pack.meta(name)).to_dict())
            assert written.pop("version") == 1
            assert written == pack.meta(name)
        pack.close()


def test_lists_of_members_of_the_golden_store_are_read() -> None:
    for path in GOLDEN.glob("*/*/members.json"):
        written = json.loads(MembersRecord.from_json(path.read_bytes()).to_json())
        assert written.pop("version") == 1
        assert written == json.loads(path.read_bytes())
    (path,) = GOLDEN.glob("*/*/accepted.json")
    assert AcceptedRecord.from_json(path.read_bytes()).members == json.loads(path.read_bytes())


def test_runs_of_the_golden_store_are_read() -> None:
    paths = list(GOLDEN.glob("runs/*/run.json"))
    assert len(paths) == 6
    for path in paths:
        written = json.loads(RunRecord.from_json(path.read_bytes()).to_json())
        assert written.pop("version") == 1
        for step in written["steps"]:
            assert step.pop("n_taken") == 0  # they were made before blocks were taken over
        assert written == json.loads(path.read_bytes())


# What no record is


def read_accepted(content):
    return AcceptedRecord.from_json(json.dumps(content), place="there")


READERS = {
    "result": (
        lambda content: ResultRecord.from_dict(content, place="there"),
        RESULT.to_dict(),
    ),
    "member": (
        lambda content: MemberRecord.from_dict(content, place="there"),
        MEMBER.to_dict(),
    ),
    "plain member": (
        lambda content: MemberRecord.from_dict(content, place="there"),
        MemberRecord("A01.tif").to_dict(),
    ),
    "members": (
        lambda content: MembersRecord.from_json(json.dumps(content), place="there"),
        json.loads(MembersRecord(("image",), {"a": "3f9a"}).to_json()),
    ),
    "members, some missing": (
        lambda content: MembersRecord.from_json(json.dumps(content), place="there"),
        json.loads(
            MembersRecord(
                ("image",), {"a": "3f9a"}, {"b": "77e0"}, ("b", "a"), {"well": ("B", "A")}
            ).to_json()
        ),
    ),
    "accepted": (read_accepted, json.loads(AcceptedRecord({"3f9a": "77e0"}).to_json())),
    "run": (
        lambda content: RunRecord.from_json(json.dumps(content), place="there"),
        json.loads(RUN.to_json()),
    ),
}


def places(content, path=()):
    """Yield the path of each field within a record."""
    fields = content.items() if isinstance(content, dict) else enumerate(content)
    for name, value in fields:
        yield (*path, name)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, name))


OPEN = {
    "version",
    "inside",
    "sizes",
    "checksums",
    "formats",
    "specs",
    "groups",
    "warnings",
    "part_of",
    "within",
    "inputs",
    "n_taken",
}
"""Fields that may be missing."""
BY_NAME = {"images", "members", "sizes", "checksums", "formats", "specs", "inside", "groups"}
"""Fields that hold something by a name, whatever it is."""


def changed(content, path, *value):
    """Return a record with a field that has another value, or is missing."""
    content = in_json(content)
    inner = content
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    if value and isinstance(inner, list):
        inner.insert(path[-1], *value)
    elif value:
        inner[path[-1]] = value[0]
    return content


@pytest.mark.parametrize("kind", READERS)
def test_a_field_that_is_missing_or_of_another_type_is_damage(kind) -> None:
    read, record = READERS[kind]
    record = in_json(record)
    n_tried = 0
    for path in places(record):
        if BY_NAME & set(path[:-1]):
            continue
        if isinstance(path[-1], str) and path[-1] not in OPEN and kind != "accepted":
            broken = changed(record, path)
            if path[-1] == "file" and "grid" in json.dumps(broken):
                continue  # an output of a collection has no place
            if path[-1] == "n_blocks" and kind == "run":
                continue  # a run that is going on has no outcome
            with pytest.raises(DamagedResult) as caught:
                read(broken)
            assert caught.value.value is not None
            assert caught.value.place == "there"
            assert caught.value.remedy
        with pytest.raises(StoreError if path[-1] == "inside" else DamagedResult):
            read(changed(record, path, [{}]))
        n_tried += 1
    assert n_tried >= 2


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("content", [None, 3, "text", [], [1]])
def test_what_is_no_object_is_damage(kind, content) -> None:
    with pytest.raises(DamagedResult, match="is an object"):
        READERS[kind][0](content)


@pytest.mark.parametrize("kind", READERS)
def test_a_later_version_is_refused_and_is_no_damage(kind) -> None:
    read, record = READERS[kind]
    latest = 2 if kind.startswith("members") else 1
    with pytest.raises(StoreError, match=f"version {latest}") as caught:
        read({**record, "version": latest + 1})
    assert not isinstance(caught.value, DamagedResult)
    assert (caught.value.value, caught.value.place) == (str(latest + 1), "there")
    assert "update scutoid" in caught.value.remedy


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", None])
def test_what_is_no_version_is_damage(kind, version) -> None:
    read, record = READERS[kind]
    with pytest.raises(DamagedResult, match="version"):
        read({**record, "version": version})


@pytest.mark.parametrize("kind", sorted(READERS.keys() - {"accepted"}))
def test_fields_that_are_not_known_are_passed_over(kind) -> None:
    read, record = READERS[kind]
    assert read({**record, "colour": "red"}) == read(record)


@pytest.mark.parametrize("kind", READERS)
def test_a_record_without_a_version_is_of_the_first(kind) -> None:
    read, record = READERS[kind]
    assert read({name: value for name, value in record.items() if name != "version"}) == read(
        record
    )


@pytest.mark.parametrize("reader", [MembersRecord, AcceptedRecord, RunRecord])
@pytest.mark.parametrize("text", ["", "{", '{"version": 1', "\0"])
def test_what_is_no_json_is_damage(reader, text) -> None:
    with pytest.raises(DamagedResult, match="is JSON"):
        reader.from_json(text)


def test_a_grid_that_cannot_be_is_damage() -> None:
    content = GRID.to_dict()
    for name, value in (
        ("block", [0, 16]),
        ("block", [12]),
        ("shape", [24, -1]),
        ("halo", [[1, 0]]),
        ("halo", [[1, -1], [0, 0]]),
        ("halo", [[1], [0]]),
        ("halo", [[1, 1], [0]]),
        ("axes", "zyx"),
    ):
        with pytest.raises(DamagedResult, match="grid of blocks"):
            GridRecord.from_dict({**content, name: value})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("images", {"x": "a"}),
        ("images", {"0": 3}),
        ("sizes", {"0": "3"}),
        ("sizes", {"0": -3}),
        ("checksums", {"0": "3"}),
        ("checksums", {"0": [["a"]]}),
        ("formats", {"0": 3}),
        ("specs", {"0": {"axes": "yx"}}),
        ("specs", []),
    ],
)
def test_what_is_noted_of_a_members_files_is_checked(column, value) -> None:
    with pytest.raises(DamagedResult):
        MemberRecord.from_dict({**MEMBER.to_dict(), column: value})


def test_what_a_recipe_says_of_its_outputs_is_read_once():
    recipe, equal = (Recipe(step="denoise", key="3f9a", output=RESULT.to_dict()) for _ in range(2))
    record = ResultRecord.of(recipe)
    assert record == RESULT
    assert ResultRecord.of(recipe) is record
    assert ResultRecord.of(equal) is not record
    assert ResultRecord.of(equal) == record
