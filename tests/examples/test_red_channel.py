"""The example of a folder of pictures, on the command line and as its own users would test it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from skimage import io

import scutoid as sc
from scutoid.errors import ParameterError
from scutoid.testing import assert_block_invariant, assert_would_run, with_given

EXAMPLE = Path(__file__).parents[2] / "examples" / "red_channel.py"


@pytest.fixture
def photos(tmp_path):
    """Pictures in two folders, two of one name, and a file that is none."""
    random = np.random.default_rng(0)
    pictures = {}
    for name in ("a/1.png", "b/1.png", "b/2.x.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures[name] = random.integers(0, 255, (12, 9, 3), dtype="uint8")
        io.imsave(path, pictures[name], check_contrast=False)
    (tmp_path / "photos" / "notes.txt").write_text("none")
    return pictures


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("red_channel", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_has_at_most_ten_lines_of_its_users_own():
    text = EXAMPLE.read_text().split('"""')[2]
    lines = [line for line in text.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 10


def test_it_plans_and_runs_and_does_what_is_new(scutoid, photos, tmp_path):
    command = (str(EXAMPLE), "--raw", "photos", "--store", "results")
    assert "0/3" in scutoid("plan", *command, cwd=tmp_path)
    assert "2 steps run" in scutoid("run", *command, "--workers", "2", cwd=tmp_path)
    for name, picture in photos.items():
        found = sc.Store(tmp_path / "results")["red_channel"][name]
        assert np.array_equal(np.asarray(found), picture[..., 0])
    folder = scutoid("export", "red_channel", "final", "--store", "results", cwd=tmp_path).strip()
    exported = {p.relative_to(folder).as_posix() for p in Path(folder).rglob("*.tif")}
    assert exported == {name.replace(".png", ".tif") for name in photos}
    assert "nothing to run" in scutoid("run", *command, "--executor", "serial", cwd=tmp_path)
    io.imsave(tmp_path / "photos" / "new.png", photos["a/1.png"] // 2, check_contrast=False)
    assert "3/4" in scutoid("plan", *command, cwd=tmp_path)
    assert "2 steps run" in scutoid("run", *command, "--executor", "serial", cwd=tmp_path)


def test_its_users_test_it(photos, example, tmp_path):
    raw, store = tmp_path / "photos", tmp_path / "results"
    result = example.red(raw)
    assert_would_run(result, store=store, steps={"to_array", "red_channel"})
    sc.run(result, store=store, executor="serial")
    assert_would_run(result, store=store, steps=())
    with pytest.raises(AssertionError, match="would run: nothing; expected: red_channel"):
        assert_would_run(result, store=store, steps={"red_channel"})
    picture = photos["a/1.png"]
    assert_block_invariant(example.red_channel, picture)
    assert np.array_equal(example.red_channel(picture), picture[..., 0])


@sc.blockwise(dtype="float32", version="1")
def slow(image):
    raise RuntimeError("takes hours")


@sc.step(version="1")
def level(image):
    raise RuntimeError("takes hours too")


@sc.blockwise(version="1", dtype=bool)
def above(image, *, level):
    return image > level


@sc.step(version="1")
def count(mask, *, factor=1):
    return int(mask.sum()) * factor


def test_given_results_stand_for_steps_also_as_parameters_and_behind_views(tmp_path):
    smooth = slow(sc.open(np.zeros((4, 5), "uint8")))
    mask = above(smooth, level=level(smooth))
    results = {"all": count(mask), "some": count(mask[1:, 2:])}
    image = np.arange(20, dtype="float32").reshape(4, 5)
    tested = with_given(results, {"slow": image, "level": 9})
    assert tested["all"].get() == 10
    assert tested["some"].get() == int((image[1:, 2:] > 9).sum())
    assert sc.run(tested, store=tmp_path, executor="serial").ok
    assert_would_run(tested, store=tmp_path, steps=())
    with pytest.raises(RuntimeError, match="hours"):
        results["all"].get()


def test_given_results_of_a_collection(photos, tmp_path):
    images = sc.open_folder(tmp_path / "photos" / "**" / "*.png")
    counts = count(above(images, level=level(images)))
    levels = dict.fromkeys(photos, 200)
    tested = with_given(counts, {"level": levels})
    assert tested.to_dict() == {name: int((p > 200).sum()) for name, p in photos.items()}
    with pytest.raises(ParameterError, match="dict of values or tables by key"):
        with_given(counts, {"level": 3})


def test_what_is_given_fits_the_pipeline():
    result = count(slow(sc.open(np.zeros((4, 5), "uint8"))))
    with pytest.raises(ParameterError, match="steps of the pipeline"):
        with_given(result, {"fast": 3})
    with pytest.raises(ParameterError, match=r"\(4, 5\)"):
        with_given(result, {"slow": np.zeros((3, 3))})


def test_a_step_whose_blocks_matter_is_told():
    @sc.blockwise
    def darker(image):
        return image - image.min()

    @sc.reduction(merge=lambda a, b: a + b)
    def n_blocks(image):
        return 1

    image = np.arange(64).reshape(8, 8)
    assert_block_invariant(sc.gaussian, image.astype("float32"), sigma=1, rtol=1e-6)
    for step in (darker, n_blocks):
        with pytest.raises(AssertionError, match="in blocks of 3 differs from one block"):
            assert_block_invariant(step, image)
