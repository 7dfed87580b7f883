"""Steps made in a loop that read its variable when they run: all are of its last value."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ScutoidWarning

A = np.arange(16.0).reshape(4, 4)

HEAD = """
import numpy as np
import scutoid as sc
FACTOR = 1
made = []
def inside(image):
    return image > level
"""

LOOPS = {
    "a global": (
        "level",
        """
for level in (1, 5):
    @sc.step
    def above(image):
        return int(np.sum(image > level))
    made.append(above)
""",
    ),
    "a global in a comprehension of the step": (
        "level",
        """
for level in (1, 5):
    @sc.step
    def above(image):
        return sum(x > level for x in np.ravel(image).tolist())
    made.append(above)
""",
    ),
    "a global read by a function": (
        "level",
        """
for level in (1, 5):
    @sc.step
    def above(image):
        return int(np.sum(inside(image)))
    made.append(above)
""",
    ),
    "a global that is a function": (
        "reduce",
        """
for reduce in (np.min, np.max):
    @sc.step
    def above(image):
        return float(reduce(image))
    made.append(above)
""",
    ),
    "a closure": (
        "level",
        """
def make():
    for level in (1, 5):
        @sc.step
        def above(image):
            return int(np.sum(image > level))
        made.append(above)
make()
""",
    ),
    "a closure of a function of the loop": (
        "level",
        """
def make():
    for level in (1, 5):
        def over(image):
            return image > level
        @sc.step
        def above(image):
            return int(np.sum(over(image)))
        made.append(above)
make()
""",
    ),
    "a decorated function": (
        "level",
        """
import functools
def plain(function):
    @functools.wraps(function)
    def above(image):
        return function(image)
    return above
def make():
    for level in (1, 5):
        @sc.step
        @plain
        def above(image):
            return int(np.sum(image > level))
        made.append(above)
make()
""",
    ),
    "the end of a reduction": (
        "level",
        """
for level in (1, 5):
    @sc.reduction(merge=max, finish=lambda most: most > level)
    def above(block):
        return float(block.max())
    made.append(above)
""",
    ),
}

HARMLESS = {
    "bound as a default": """
for level in (1, 5):
    @sc.step
    def above(image, *, level=level):
        return int(np.sum(image > level))
    made.append(above)
""",
    "a factory called twice alike": """
def make(level):
    @sc.step
    def above(image):
        return int(np.sum(image > level))
    return above
made = [make(1), make(1)]
""",
    "a factory of one constant": """
def make():
    @sc.step
    def above(image):
        return int(np.sum(image > FACTOR))
    return above
made = [make(), make()]
""",
    "a factory called with two values": """
def make(level):
    @sc.step
    def above(image):
        return int(np.sum(image > level))
    return above
made = [make(1), make(5)]
""",
    "one step twice": """
level = 1
@sc.step
def above(image):
    return int(np.sum(image > level))
made = [above, above]
""",
    "a loop whose variable is not read": """
for level in (1, 5):
    @sc.step
    def above(image):
        return int(np.sum(image))
    made.append(above)
""",
}


def steps_of(tmp_path, text):
    path = tmp_path / "pipeline.py"
    path.write_text(HEAD + text)
    names: dict[str, object] = {"__name__": "pipeline_of_a_loop"}
    exec(compile(path.read_text(), str(path), "exec"), names)  # noqa: S102
    return names["made"]


@pytest.mark.parametrize(("name", "text"), LOOPS.values(), ids=LOOPS)
def test_steps_that_read_the_variable_of_their_loop_are_told(tmp_path, name, text) -> None:
    image = sc.open(A)
    targets = [step(image) for step in steps_of(tmp_path, text)]
    told = [w for w in sc.plan(targets, store=tmp_path / "r").warnings if "loop" in w]
    assert len(told) == 1, told
    assert "step 'above'" in told[0]
    assert f"read {name} only" in told[0]
    assert f"*, {name}={name})" in told[0]
    assert "parameter" in told[0]


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_steps_that_share_no_variable_of_a_loop_are_silent(tmp_path, text) -> None:
    image = sc.open(A)
    targets = [step(image) for step in steps_of(tmp_path, text)]
    assert not [w for w in sc.plan(targets, store=tmp_path / "r").warnings if "loop" in w]


def test_steps_of_a_loop_on_a_folder_are_told_by_the_run_too(tmp_path) -> None:
    for n in range(2):
        np.save(tmp_path / f"{n}.npy", A + n)
    images = sc.open_folder(tmp_path / "*.npy")
    targets = [step(images) for step in steps_of(tmp_path, LOOPS["a closure"][1])]
    with pytest.warns(ScutoidWarning, match="read level only when they run"):
        run = sc.run(targets, store=tmp_path / "r", executor="serial")
    assert len([w for w in run.warnings if "loop" in w]) == 1


def test_more_steps_of_one_loop_are_told_once(tmp_path) -> None:
    image = sc.open(A)
    text = LOOPS["a global"][1].replace("(1, 5)", "range(20)")
    targets = [step(image) for step in steps_of(tmp_path, text)]
    assert len(sc.plan(targets, store=tmp_path / "r").warnings) == 1


def test_variables_that_answer_to_any_name_are_told_too(tmp_path) -> None:
    image = sc.open(A)
    text = """
class Any:
    def __call__(self):
        pass
    def __getattr__(self, name):
        raise KeyError(name)
    def __reduce__(self):
        return (Any, ())
for level in (Any(), Any()):
    @sc.step(version="1")
    def above(image):
        return int(np.sum(image > level))
    made.append(above)
"""
    targets = [step(image) for step in steps_of(tmp_path, text)]
    (told,) = sc.plan(targets, store=tmp_path / "r").warnings
    assert "read level only" in told
