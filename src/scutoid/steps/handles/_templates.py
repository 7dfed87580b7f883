"""Names of members made by a template: the columns of their groups stand in its placeholders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scutoid.errors import ParameterError
from scutoid.paths import is_inner_name
from scutoid.steps.compute import Groups
from scutoid.steps.handles._member_files import Members
from scutoid.steps.handles._member_stems import stem
from scutoid.steps.handles._name_part import Placeholder
from scutoid.steps.handles._name_pattern import KEY, NamePattern

_PLACE = "open_folder"


def formatted(
    template: NamePattern, keys: Sequence[str], groups: Groups | None, place: str
) -> dict[str, str]:
    """Return by key the name that a template gives each member, below the template's root.

    Raises
    ------
    ParameterError
        If a placeholder is no column, or a value does not fit it.
    """
    columns: dict[str, Sequence[object]] = {} if groups is None else dict(groups.of(keys))
    texts: dict[str, Sequence[str]] = {}
    for name, placeholder in template.placeholders.items():
        if name == KEY:
            texts[name] = [stem(key) for key in keys]
        elif name in columns:
            said = zip(keys, columns[name], strict=True)
            texts[name] = [_text(placeholder, value, key, place) for key, value in said]
        else:
            raise ParameterError(
                "a placeholder of a template is a column of the members' groups, or key",
                value=f"{{{name}}}",
                place=place,
                remedy="write " + " or ".join(f"{{{known}}}" for known in (*columns, KEY)),
            )
    rows = zip(*texts.values(), strict=True)
    return {
        key: template.joined(dict(zip(texts, row, strict=True)))
        for key, row in zip(keys, rows, strict=True)
    }


def with_keys(members: Members, keys: str) -> Members:
    """Return members that are called as a template says.

    Raises
    ------
    ParameterError
        If it has no placeholder, one that is no column, or names two members alike.
    """
    template = NamePattern.template(keys)
    place = f"keys={keys!r} of open_folder"
    if not template.placeholders:
        raise ParameterError(
            "keys= says by placeholders what members are called",
            value=keys,
            place=_PLACE,
            remedy='write for example keys="{well}/{site}", or keys="{key}": without the ending',
        )
    above = "" if template.root.as_posix() == "." else f"{template.root.as_posix()}/"
    names = formatted(template, tuple(members.paths), members.groups, place)
    names = {key: f"{above}{name}" for key, name in names.items()}
    _check_apart(names, place)
    groups = members.groups
    if groups is not None:
        groups = Groups(tuple(names[key] for key in groups.keys), groups.columns)
    paths = {names[key]: files for key, files in members.paths.items()}
    return replace(members, paths=paths, groups=groups)


def _check_apart(names: Mapping[str, str], place: str) -> None:
    """Refuse keys that name two members, or that are no relative paths."""
    owners: dict[str, str] = {}
    for own, name in names.items():
        if not is_inner_name(name):
            raise ParameterError(
                "a member's key is a relative path", value=f"{name!r}, of {own!r}", place=place
            )
        if name in owners:
            raise ParameterError(
                "each member has a key of its own",
                value=f"{name!r}, of {owners[name]!r} and of {own!r}",
                place=place,
                remedy="name them by placeholders that tell them apart, or leave some out: "
                "open_folder(..., select=...)",
            )
        owners[name] = own


def _text(placeholder: Placeholder, value: object, key: str, place: str) -> str:
    """Return the text in which the value of a group stands in a name."""
    try:
        return placeholder.fitting_text(value)
    except ValueError as error:
        raise ParameterError(
            str(error),
            value=f"{placeholder.name}={value!r} of member {key!r}",
            place=place,
            remedy=f"write {{{placeholder.name}}}, or leave it out",
        ) from None
