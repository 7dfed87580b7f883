"""Controls say what their parameters are, or the parameter is refused."""

from __future__ import annotations

import enum
import inspect
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.errors import ParameterError
from scutoid.tuning._subject import Parameter

pytestmark = [pytest.mark.gui, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
NOTHING = inspect.Parameter.empty


class Mode(enum.Enum):
    FAST = 1
    EXACT = 2


@pytest.fixture(scope="module", autouse=True)
def application(display):
    from qtpy.QtWidgets import QApplication

    return QApplication.instance() or QApplication([])


def control(start, annotation=NOTHING, **options):
    from scutoid.tuning._controls import make_controls

    (made,) = make_controls(
        [Parameter("p", annotation, start)], **{"ranges": {}, "fixed": (), **options}
    )
    return made


@given(
    st.integers(-(2**40), 2**40)
    | st.floats(-1e12, 1e12)
    | st.booleans()
    | st.text(max_size=9).filter(lambda text: text.isprintable())
    | st.lists(st.integers(0, 9) | st.floats(0, 1), max_size=3)
    | st.lists(st.integers(0, 9) | st.floats(0, 1), max_size=3).map(tuple)
)
def test_a_control_says_what_its_parameter_is_of_its_type(start):
    made = control(start)
    assert made.is_tuned
    assert repr(made.value) == repr(start)


@pytest.mark.parametrize(
    ("annotation", "start", "said"),
    [
        (float, 2, 2),
        (float | None, None, None),
        (float | None, 3, 3),
        (int | None, None, None),
        (bool | None, None, None),
        (str | None, "a", "a"),
        (Literal["a", "b"], "b", "b"),
        (Literal["a", "b"] | None, None, None),
        (Mode, Mode.EXACT, Mode.EXACT),
        ("float", 1.5, 1.5),
    ],
)
def test_annotations_decide_what_it_may_become(annotation, start, said):
    made = control(start, annotation)
    assert (made.value, type(made.value)) == (said, type(said))
    assert made.is_tuned


def test_an_int_of_a_float_becomes_one_when_it_is_moved():
    made = control(2, float)
    made.parts[-1].value = 2.5
    assert made.value == 2.5
    made.parts[-1].value = 2.0
    assert type(made.value) is int


def test_none_is_a_box_of_its_own():
    made = control(None, float | None)
    box, number = made.parts
    assert not number.enabled
    box.value = True
    number.value = 0.5
    assert made.value == 0.5
    box.value = False
    assert made.value is None
    assert control(None, float | None, ranges={"p": (0, 10)}).parts[1].value == 5.0


@pytest.mark.parametrize(
    "start",
    [
        Path("raw.tif"),
        np.zeros(3),
        {"a": 1},
        object(),
        None,
        [Mode.FAST],
        float("inf"),
        [float("nan")],
    ],
)
def test_what_no_control_can_say_stays_as_it_is_given(start):
    made = control(start)
    assert made.value is start
    assert not made.is_tuned


def test_what_is_fixed_stays_as_it_is():
    made = control(2.0, fixed=("p",))
    assert not made.is_tuned
    with pytest.raises(ParameterError, match="found: q"):
        control(2.0, fixed=("q",))


@pytest.mark.parametrize("kind", ["FloatSlider", "LiteralEvalLineEdit"])
def test_a_control_that_says_something_else_is_refused_with_the_name(monkeypatch, kind):
    from scutoid.tuning._controls import widgets

    start = 1.5 if kind == "FloatSlider" else (1.5, 2.5)
    original = getattr(widgets, kind)

    class Rounding(original):
        value = property(lambda self: 2, lambda self, value: None)

    monkeypatch.setattr(widgets, kind, Rounding)
    monkeypatch.setattr(widgets, "LiteralEvalLineEdit", Rounding)
    with pytest.raises(ParameterError, match="parameter 'p'") as caught:
        control(start)
    assert "the control says 2" in str(caught.value)
    assert "fixed=['p']" in str(caught.value)


def test_a_choice_that_is_none_of_them_is_refused():
    with pytest.raises(ParameterError, match="parameter 'p'"):
        control("c", Literal["a", "b"])


def test_a_range_of_no_parameter_is_refused():
    with pytest.raises(ParameterError, match="found: q"):
        control(1.0, ranges={"q": (0, 1)})
