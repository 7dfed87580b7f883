"""Controls for parameters, by magicgui: what one says at first is what the parameter was.

A control that cannot say the value that it begins with would call the function with another one;
such a parameter is refused.
"""

from __future__ import annotations

import enum
import math
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from magicgui import widgets

from scutoid.errors import ParameterError
from scutoid.tuning._ranges import check_names, range_of
from scutoid.tuning._subject import Parameter

_PLAIN = (bool, int, float, str, list, tuple)


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """The control of one parameter."""

    name: str
    """Name of the parameter."""
    start: object
    """The value that it begins with."""
    widget: Any
    """What stands in the window."""
    said: Callable[[], object]
    """Returns what it says."""
    parts: tuple[Any, ...]
    """The widgets that tell when it changes."""
    is_tuned: bool = True
    """Whether it can be changed; else it is as it was given."""

    @property
    def value(self) -> object:
        """The value: as it was given until it is changed, so that an int stays one."""
        said = self.said()
        return self.start if type(said) in _PLAIN and said == self.start else said


def make_controls(
    parameters: Sequence[Parameter], ranges: Mapping[str, object], fixed: Collection[str]
) -> list[Control]:
    """Make a control for each parameter.

    Parameters
    ----------
    parameters : sequence of Parameter
        In their order.
    ranges : mapping of str to (low, high) or (low, high, step)
        Of numbers, by name.
    fixed : collection of str
        Parameters that stay as they are.

    Returns
    -------
    list of Control

    Raises
    ------
    ParameterError
        If a control does not say the value that its parameter begins with.
    """
    names = [each.name for each in parameters]
    check_names(ranges, names)
    unknown = [name for name in fixed if name not in names]
    if unknown:
        raise ParameterError(
            f"fixed= names parameters ({', '.join(names) or 'there is none'})",
            value=unknown[0],
            place="fixed= of tune",
        )
    return [
        _as_given(each) if each.name in fixed else _checked(each, ranges.get(each.name))
        for each in parameters
    ]


def _checked(parameter: Parameter, given: object) -> Control:
    try:
        control = _control(parameter, given)
        said = control.said()
    except ParameterError:
        raise
    except (ValueError, TypeError, OverflowError, SyntaxError) as error:
        raise _unsaid(parameter, str(error)) from error
    if not _is_same(said, parameter.start):
        raise _unsaid(parameter, f"the control says {said!r}")
    return control


def _unsaid(parameter: Parameter, why: str) -> ParameterError:
    name = parameter.name
    return ParameterError(
        "a control says the value that its parameter begins with",
        value=f"{parameter.start!r}: {why}",
        place=f"parameter {name!r}",
        remedy=f"begin with another value: values={{{name!r}: ...}}; give a range with a step: "
        f"ranges={{{name!r}: (low, high, step)}}; or leave it as it is: fixed=[{name!r}]",
    )


def _is_same(said: object, start: object) -> bool:
    if said is start:
        return True
    is_number = isinstance(said, float) and isinstance(start, int) and not isinstance(start, bool)
    return (type(said) is type(start) or is_number) and said == start


def _control(parameter: Parameter, given: object) -> Control:
    kinds, choices = _kinds(parameter.annotation)
    start = parameter.start
    if choices:
        widget = widgets.ComboBox(value=start, choices=choices, **_named(parameter.name))
        return Control(parameter.name, start, widget, lambda: widget.value, (widget,))
    if start is None or type(None) in kinds:
        return _optional(parameter, kinds, given)
    inner = _inner(parameter.name, start, kinds, given)
    if inner is None:
        return _as_given(parameter)
    return Control(parameter.name, start, inner, lambda: inner.value, (inner,))


def _named(name: str) -> dict[str, str]:
    """Return the name of a widget, and its label: magicgui would write it without underscores."""
    return {"name": name, "label": name}


def _kinds(annotation: object) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return the types that an annotation allows, and the values where these are few."""
    origin = get_origin(annotation)
    is_union = origin in (Union, types.UnionType)
    kinds = get_args(annotation) if is_union else (annotation,)
    choices: list[object] = []
    for kind in kinds:
        if get_origin(kind) is Literal:
            choices += get_args(kind)
        elif isinstance(kind, type) and issubclass(kind, enum.Enum):
            choices += list(kind)
    if choices and type(None) in kinds:
        choices.append(None)
    return kinds, tuple(choices)


def _inner(name: str, start: object, kinds: Collection[object], given: object) -> Any:
    """Return a widget for a value; None: there is none for its type."""
    if isinstance(start, bool):
        return widgets.CheckBox(value=start, name=name, text=name)
    if type(start) in (int, float) and math.isfinite(start):  # type: ignore[arg-type]
        return _number(name, start, kinds, given)  # type: ignore[arg-type]
    if type(start) is str:
        return widgets.LineEdit(value=start, **_named(name))
    if type(start) in (list, tuple) and _is_plain(start):
        return widgets.LiteralEvalLineEdit(value=start, **_named(name))
    return None


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or (type(value) in _PLAIN and value == value)  # noqa: PLR0124 - no NaN


def _number(name: str, start: float, kinds: Collection[object], given: object) -> Any:
    """Return a slider; of a number that none can say, a line of text that says each."""
    is_float = float in kinds and int not in kinds
    value = float(start) if is_float else start
    found = range_of(value, given, place=name)
    slider = widgets.Slider if isinstance(value, int) else widgets.FloatSlider
    low, high, step = found.low, found.high, found.step
    if found.has_slider:
        made = slider(value=value, min=low, max=high, step=step, **_named(name), tracking=True)
        if made.value == value:
            return made
    if isinstance(value, int):
        return widgets.SpinBox(value=value, min=low, max=high, step=step, **_named(name))
    return widgets.LiteralEvalLineEdit(value=value, **_named(name))


def _optional(parameter: Parameter, kinds: Sequence[object], given: object) -> Control:
    """Return a box that says whether there is a value, and a control for the value."""
    start = parameter.start
    begin = start if start is not None else _first_of(kinds, given)
    inner = None if begin is None else _inner("value", begin, kinds, given)
    if inner is None:
        return _as_given(parameter)
    box = widgets.CheckBox(value=start is not None, name="is_given", text=" ")
    both = widgets.Container(
        widgets=[box, inner],
        layout="horizontal",
        labels=False,
        **_named(parameter.name),
    )
    both.margins = (0, 0, 0, 0)
    inner.enabled = box.value
    box.changed.connect(lambda is_given: setattr(inner, "enabled", is_given))

    def said() -> object:
        return inner.value if box.value else None

    return Control(parameter.name, start, both, said, (box, inner))


def _first_of(kinds: Sequence[object], given: object) -> object:
    """Return what the control of a value begins with, that is None at first."""
    middle = None
    if isinstance(given, Sequence) and len(given) >= 2:
        middle = (given[0] + given[1]) / 2
    for kind in kinds:
        if kind is float:
            return 1.0 if middle is None else float(middle)
        if kind is int:
            return 1 if middle is None else int(middle)
        if kind is bool:
            return True
        if kind is str:
            return ""
    return None


def _as_given(parameter: Parameter) -> Control:
    """Return what says a value that cannot be changed here."""
    text = repr(parameter.start)
    widget = widgets.Label(
        value=text if len(text) < 60 else f"{text[:57]}...",
        **_named(parameter.name),
    )
    start = parameter.start
    return Control(parameter.name, start, widget, lambda: start, (), is_tuned=False)
