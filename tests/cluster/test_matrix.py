"""One pipeline file gives one result, bit for bit, whatever computes it and wherever it is kept.

All is run by the command line, as users do; digests of voxels, rows, values, files and keys are
compared with those of a serial run into a folder.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec

import numpy as np
import pytest

import scutoid as sc
from scutoid.arrays import ImageSpec, create_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PIPELINE = '''
from pathlib import Path

import numpy as np
import pandas as pd

import scutoid as sc


@sc.blockwise(halo=lambda radius: radius, version="1")
def means(image, *, radius):
    """Local means in float32: their last bits depend on the order of sums."""
    from scipy import ndimage

    return ndimage.uniform_filter(image.astype("float32") / 3, 2 * radius + 1)


@sc.blockwise(out="table", version="1")
def rows(image, *, block):
    return pd.DataFrame({"block": [block.index], "mean": [image.mean(dtype="float64")]})


@sc.step(out="value", version="1")
def summary(image):
    return {"sum": float(image.sum(dtype="float64")), "histogram": np.histogram(image, 5)[0]}


@sc.step(out="files", version="1")
def profile(image, *, folder):
    np.savetxt(folder / "profile.txt", image.mean((1, 2)))


@sc.step(out="table", version="1")
def columns(image):
    return pd.DataFrame({"x": range(image.shape[1]), "mean": image.mean(0)})


@sc.step(out="value", version="1")
def joined(values):
    return {name: value["sum"] for name, value in values.items()}


def of_volume(image):
    smooth = means(sc.gaussian(sc.open(image), sigma=1.5), radius=1)
    labels = sc.label(sc.threshold(smooth, level=sc.otsu(smooth)))
    objects = sc.measure(labels, intensity=smooth)
    return smooth, labels, objects, rows(smooth), summary(smooth), profile(smooth)


def of_members(plate):
    smooth = sc.gaussian.options(name="wells")(sc.open_folder(plate / "*.npy", axes="yx"), sigma=1)
    sums = summary.options(name="sums")(smooth)
    return smooth, columns(smooth), sums, joined(sc.gather(sums))


@sc.pipeline
def volume(image: Path):
    return of_volume(image)


@sc.pipeline
def everything(image: Path, plate: Path):
    return *of_volume(image), *of_members(plate)
'''
VOLUME = ["cells.py:volume", "--image", "raw.ome.zarr", "--block", "16"]
EVERYTHING = ["cells.py:everything", *VOLUME[1:], "--plate", "plate"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the file, a volume of 4 blocks with touching and cut objects, and a plate."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "cells.py").write_text(PIPELINE)
    rng = np.random.default_rng(5)
    z, y, x = np.indices((24, 14, 32))
    waves = np.sin(z / 2) * np.sin(y / 3) * np.sin(x / 2.5) + 1 + rng.random(z.shape) / 2
    spec = ImageSpec(z.shape, np.dtype("uint16"), "zyx", voxel_size=(2.0, 1.0, 1.0), unit="um")
    create_image(folder / "raw.ome.zarr", spec).write(spec.roi, (waves * 20000).astype("uint16"))
    (folder / "plate").mkdir()
    for n in range(2):
        np.save(folder / f"plate/A{n}.npy", rng.integers(0, 200, (20 + n, 24)).astype("uint8"))
    return folder


class Shell:
    """Runs commands in the folder of the project, as on a machine with temporary files of its own.

    What is read afterwards in this process is read from the store itself.
    """

    def __init__(self, folder, temporary, forks):
        self.folder = folder
        self.environment = {"TMPDIR": str(temporary)}
        self.forks = forks
        temporary.mkdir()

    def start(self, *words):
        return subprocess.Popen(
            [sys.executable, "-m", "scutoid", *map(str, words)],
            cwd=self.folder,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            done = self.forks.run("scutoid", *words, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    @staticmethod
    def end_of(process):
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
        return said


@pytest.fixture
def shell(project, forks, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Shell(project, tmp_path / "machine", forks)


@pytest.fixture
def bucket(bucket, monkeypatch):
    """A bucket without its proxy, which makes faults and counts: there is none of that here."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    return bucket


def plain(result):
    """Give what a user reads of a result, in dicts, lists, arrays and numbers."""
    if getattr(result, "is_collection", False):
        return {name: plain(one) for name, one in result.items()}
    if isinstance(result, sc.Image):
        said = (result.axes, result.voxel_size, result.unit, result.origin, result.is_labels)
        return [repr(said), result.read()]
    if isinstance(result, sc.Files):
        files = [path for path in sorted(result.path.rglob("*")) if path.is_file()]
        return {path.relative_to(result.path).as_posix(): path.read_bytes() for path in files}
    if isinstance(result, sc.Table):
        return {name: column.to_numpy() for name, column in result.to_pandas().items()}
    return result.get()


def parts_of(value):
    """Give what a value is made of, piece by piece, with all types."""
    yield f"{type(value)}\n"
    if isinstance(value, np.ndarray) and value.dtype != object:
        yield repr((value.dtype.str, value.shape))
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, dict):
        yield from parts_of([*value.items()])
    elif isinstance(value, (tuple, list, np.ndarray)):
        yield repr(len(value))
        for one in value:
            yield from parts_of(one)
    else:
        assert value is None or isinstance(value, (str, bytes, int, float, np.generic)), type(value)
        yield repr(value)


def digest(result):
    parts = (p.encode() if isinstance(p, str) else p for p in parts_of(plain(result)))
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def digests(place):
    """Return the key of each result of a store, and the digest of each that a user reads."""
    store = sc.Store(place)
    found = {recipe.step: [entry.key] for entry, recipe in store.entries()}
    assert set(store.names()) == found.keys()
    for name, known in found.items():
        result = store[name]
        if getattr(result, "kind", "") != "parts":
            known.append(digest(result))
    return found


@pytest.fixture(scope="module")
def expected(project, forks, tmp_path_factory):
    """What a serial run into a folder gives."""
    folder = tmp_path_factory.mktemp("expected")
    shell = Shell(project, folder / "machine", forks)
    shell.run("run", *EVERYTHING, "--store", folder / "results", "--executor", "serial")
    found = digests(folder / "results")
    assert len({digest for _, digest in (e for e in found.values() if len(e) == 2)}) >= 13
    return found


def needs(module):
    return pytest.mark.skipif(not find_spec(module), reason=f"{module} is not installed")


@pytest.fixture
def address():
    """The address of a Dask cluster of two processes, which somebody has started."""
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(silence_logs=50, **options) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def options(request):
    """The options of the command line that say what computes."""
    if request.param == "address":
        return ["--executor", request.getfixturevalue("address")]
    if request.param == "slurm":
        request.getfixturevalue("jobs")
    return ["--executor", request.param, "--workers", "2"]


EXECUTORS = [
    "serial",
    "threads",
    "processes",
    pytest.param("dask", marks=needs("distributed")),
    pytest.param("address", marks=needs("distributed")),
    pytest.param("slurm", marks=needs("dask_jobqueue")),
]


@pytest.mark.parametrize("options", EXECUTORS[1:], indirect=True)
def test_in_a_folder(shell, options, expected, tmp_path):
    shell.run("run", *EVERYTHING, "--store", tmp_path / "results", *options)
    assert digests(tmp_path / "results") == expected


@pytest.mark.parametrize("options", EXECUTORS, indirect=True)
def test_in_a_bucket(bucket, shell, options, expected):
    shell.run("run", *EVERYTHING, "--store", bucket.url("results"), *options)
    assert digests(bucket.url("results")) == expected


def test_in_a_folder_by_two_shares_at_once(shell, expected, tmp_path):
    command = ["run", *EVERYTHING, "--store", tmp_path / "results", "--executor", "serial"]
    shares = [shell.start(*command, "--share", f"{n}/2") for n in (1, 2)]
    for process in shares:
        shell.end_of(process)
    assert digests(tmp_path / "results") == expected


def test_in_a_folder_by_a_job_array(slurm, shell, expected, tmp_path, wait_for):
    command = [*EVERYTHING, "--store", tmp_path / "results", "--executor", "serial"]
    shell.run("submit", *command, "--array", "2", "--sbatch", "mem=500M")
    wait_for(lambda: not slurm.jobs())
    assert digests(tmp_path / "results") == expected
    assert "nothing to run" in shell.run("run", *command)


def test_in_a_bucket_by_two_shares_at_once(bucket, shell, expected):
    command = ["run", *EVERYTHING, "--store", bucket.url("results"), "--executor", "serial"]
    shares = [shell.start(*command, "--share", f"{n}/2") for n in (1, 2)]
    for process in shares:
        shell.end_of(process)
    assert digests(bucket.url("results")) == expected


def test_in_a_bucket_by_a_job_array(slurm, bucket, shell, expected, wait_for):
    command = [*EVERYTHING, "--store", bucket.url("results"), "--executor", "serial"]
    shell.run("submit", *command, "--array", "2", "--sbatch", "mem=500M")
    wait_for(lambda: not slurm.jobs())
    assert digests(bucket.url("results")) == expected
    assert "nothing to run" in shell.run("run", *command)
