"""Recipes: the version of the rule by which their keys were made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scutoid.errors import StoreError
from scutoid.store import KEY_RULE, Recipe

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
