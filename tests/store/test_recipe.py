"""Recipes: the version of the rule by which their keys were made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scutoid.errors import StoreError
from scutoid.store import KEY_RULE, Entry, Recipe, _recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "rule_1"


def test_a_recipe_says_by_which_rule_its_key_was_made():
    recipe = Recipe(step="denoise", key="3f9a")
    assert recipe.rule == KEY_RULE
    assert json.loads(recipe.to_json())["rule"] == KEY_RULE
    later = Recipe(step="denoise", key="3f9a", rule=KEY_RULE + 1)
    assert Recipe.from_json(later.to_json()) == later


def test_a_recipe_that_names_no_rule_is_of_the_first():
    paths = sorted(GOLDEN.glob("*/*/recipe.json"))
    assert len(paths) == 19
    for path in paths:
        assert "rule" not in json.loads(path.read_bytes())
        assert Recipe.from_json(path.read_bytes()).rule == 1


@pytest.mark.parametrize("rule", [0, -1, True, 1.0, "1", None])
def test_a_rule_that_is_no_version_is_refused(rule):
    text = Recipe(step="denoise", key="3f9a", rule=rule).to_json()
    with pytest.raises(StoreError, match="wrong or missing: rule"):
        Recipe.from_json(text)


def test_a_recipe_is_parsed_once_and_again_where_its_file_has_changed(tmp_path, monkeypatch):
    texts = []
    monkeypatch.setattr(_recipe, "parse_json", lambda text: texts.append(text) or json.loads(text))
    entry = Entry(tmp_path / "denoise" / "3f9a", "denoise", "3f9a")
    entry.begin(Recipe(step="denoise", key="3f9a", opaque=(tmp_path.name,)))  # no other has it
    entry.commit()
    assert entry.status == "complete"
    n_parsed = len(texts)
    assert entry.status == "complete"
    assert not entry.is_suspect
    assert entry.recipe is entry.recipe
    assert len(texts) == n_parsed
    (entry.path / "recipe.json").write_bytes(texts[-1] + b"\n")
    assert entry.status == "partial"
    assert len(texts) == n_parsed + 1
    (entry.path / "recipe.json").write_bytes(texts[-1].replace(b'"3f9a"', b'"3f9b"'))
    assert entry.status == "absent"


def test_a_recipe_keeps_characters_of_all_kinds():
    odd = "\ud83d" + "\ude00 \u00e9 \U0001f600 \x07"
    recipe = Recipe(step="denoise", key="3f9a", code={odd: odd}, extra={"a": {odd: [1, 2.5, None]}})
    assert Recipe.from_json(recipe.to_json()) == recipe
