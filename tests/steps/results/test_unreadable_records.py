"""Records of later versions are refused and left as they are; damaged ones are made again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import DamagedResult, StoreError
from scutoid.steps.results import ITEMS, MEMBERS, RUN
from scutoid.store import RECIPE, Pack, Recipe


@sc.blockwise(version="1", dtype="uint16", block=8)
def doubled(image):
    return image * 2


@sc.step(version="1", out="image", dtype="uint16")
def lifted(image):
    return image + 1


@sc.step(version="1")
def summed(image):
    return int(image.sum())


class Made:
    """A store with an image, and with images and values of a folder."""

    def __init__(self, folder):
        self.plate, self.path = folder / "plate", folder / "store"
        self.plate.mkdir()
        for number in range(3):
            np.save(self.plate / f"{number}.npy", np.full((6, 7), number, "uint16"))
        self.image = np.arange(16 * 16, dtype="uint16").reshape(16, 16)
        self.run()

    def targets(self):
        folder = sc.open_folder(self.plate / "*.npy")
        raw = sc.open(self.image)
        return doubled(raw), lifted(folder), summed(folder)

    def run(self):
        return sc.run(*self.targets(), store=self.path, executor="serial", workers=1)

    def plan(self):
        return sc.plan(*self.targets(), store=self.path)

    def verify(self):
        return sc.Store(self.path).verify()

    def gc(self):
        return sc.Store(self.path).gc(keep_runs=1)

    def read(self, step):
        result = sc.Store(self.path)[step]
        return [np.asarray(result[key]) for key in result.keys] if step == "lifted" else result

    def entry(self, step):
        return next(iter(sc.Store(self.path).entries(step)))[0]

    def files(self):
        paths = (path for path in self.path.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in paths if not path.name.endswith(".locks")}


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def describe_otherwise(made, step, **fields):
    """Change what a recipe says of the outputs, and have it fit its digest."""
    entry = made.entry(step)
    recipe = Recipe.from_json((entry.path / RECIPE).read_bytes())
    changed = replace(recipe, output={**recipe.output, **fields})
    entry.write(RECIPE, changed.to_json().encode())
    entry.commit()


def later_output(made, step):
    """Raise the version of what a recipe says of the outputs, as a later scutoid would write it."""
    describe_otherwise(made, step, version=2)


def later_recipe(made):
    """Raise the version of a recipe, whose layout is then not known."""
    path = made.entry("doubled").path / RECIPE
    path.write_text(json.dumps({"scutoid_recipe": 2, "step": ["doubled"]}))


def later_members(made, step, name):
    """Raise the version of a list in the entry of a collection."""
    entry = made.entry(step)
    path = entry.path / name
    content = json.loads(path.read_bytes()) if path.exists() else {"3f9a": "77e0"}
    entry.write(name, json.dumps({**content, "version": 99}).encode())
    entry.commit()


def later_member(made, step):
    """Raise the version of the record of a member."""
    with Pack(made.entry(step).path / ITEMS, "a") as pack:
        name = next(iter(pack))
        pack.append_many([(name, {**pack.meta(name), "version": 2}, pack.read(name))])


def later_run(made):
    """Raise the version of the record of a run."""
    (path,) = made.path.glob(f"runs/*/{RUN}")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "version": 2}))


CASES = {
    "recipe": (later_recipe, (Made.verify, Made.gc)),
    "outputs of an image": (
        lambda made: later_output(made, "doubled"),
        (Made.plan, Made.run, Made.verify, lambda made: made.read("doubled")),
    ),
    "outputs of a collection": (
        lambda made: later_output(made, "lifted"),
        (Made.verify, lambda made: made.read("lifted")),
    ),
    "list of members": (
        lambda made: later_members(made, "lifted", MEMBERS),
        (Made.plan, Made.run, Made.verify, lambda made: made.read("lifted")),
    ),
    "list of accepted members": (
        lambda made: later_members(made, "lifted", "accepted.json"),
        (Made.plan, Made.run),
    ),
    "member with a file": (
        lambda made: later_member(made, "lifted"),
        (Made.plan, Made.run, Made.verify, lambda made: made.read("lifted")),
    ),
    "member without a file": (
        lambda made: later_member(made, "summed"),
        (Made.plan, Made.run, Made.verify),
    ),
    "run": (later_run, (Made.gc,)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_record_of_a_later_version_is_refused_and_left_as_it_is(made, case) -> None:
    make_later, actions = CASES[case]
    make_later(made)
    before = made.files()
    for action in actions:
        with pytest.raises(StoreError, match=r"of version [12]\b") as caught:
            action(made)
        assert not isinstance(caught.value, DamagedResult)
        assert "update scutoid" in caught.value.remedy
        assert str(made.path) in caught.value.place
    assert made.files() == before


def test_a_member_whose_record_is_damaged_is_made_again_alone(made) -> None:
    with Pack(made.entry("lifted").path / ITEMS, "a") as pack:
        name = next(iter(pack))
        pack.append_many([(name, {"key": 3, "images": []}, pack.read(name))])
    (found,) = made.verify().damages
    assert found.place.name == "items.pack.index"
    done = made.run()
    assert [step.n_done - step.n_cached for step in done.steps] == [0, 1, 0]
    assert made.verify().ok


def test_a_result_whose_outputs_are_not_described_is_damaged_and_made_again(made) -> None:
    describe_otherwise(made, "doubled", storage=None)
    with pytest.raises(DamagedResult, match="storage"):
        made.read("doubled")
    assert "its recipe is damaged" in made.plan()["doubled"].reason
    (found,) = made.verify().damages
    assert (found.step, found.place.name) == ("doubled", RECIPE)
    assert made.run().ok
    np.testing.assert_array_equal(np.asarray(made.read("doubled")), made.image * 2)
    assert made.verify().ok
