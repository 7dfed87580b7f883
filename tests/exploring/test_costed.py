"""What a cost foretells of a run, beside what the run takes by a clock that functions turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import scutoid as sc
from scutoid.steps.planning import Cost, StepCost

SERIAL: dict[str, Any] = {"executor": "serial"}
CLOCK = SimpleNamespace(now=0.0)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass in functions of steps alone."""
    turned = SimpleNamespace(perf_counter=lambda: CLOCK.now)
    for module in ("compute._meter", "work._measured"):
        monkeypatch.setattr(f"scutoid.steps.{module}.time", turned)


def takes(image: Any) -> None:
    CLOCK.now += image.size


@sc.blockwise(dtype="float64", version="1")
def plain(image: Any) -> Any:
    takes(image)
    return image + 1.0


@sc.blockwise(halo=1, dtype="float64", version="1")
def haloed(image: Any) -> Any:
    takes(image)
    return image * 2.0


@sc.step(out="value", version="1")
def brightest(image: Any) -> Any:
    takes(image)
    return float(image.max())


@sc.blockwise(dtype="float64", version="1")
def over(image: Any, *, by: float) -> Any:
    takes(image)
    return image / (by or 1)


@sc.step(out="value", version="1")
def largest(values: Any) -> Any:
    CLOCK.now += 10.0 * len(values)
    return max(values[key] for key in values)


def folder(at: Path) -> Any:
    (at / "plate").mkdir()
    for number in range(12):
        np.save(at / "plate" / f"{number:02d}.npy", np.full((16, 16), number + 1.0))
    return sc.open_folder(str(at / "plate" / "{number:d}.npy"))


def volume() -> sc.Image:
    return sc.open(np.random.default_rng(0).random((32, 32, 32)))


def masked() -> Any:
    mask = np.zeros((32, 32, 32), bool)
    mask[:16] = True
    return plain.options(where=sc.open(mask))(volume())


def scaled_in_members(at: Path) -> Any:
    images = folder(at)
    return over(images, by=largest(sc.gather(brightest(plain(images)))))


KINDS: dict[str, tuple[Callable[[Path], Any], float]] = {
    "one step": (lambda at: plain(volume()), 0.01),
    "a step with a halo": (lambda at: haloed(volume()), 0.2),
    "one upon the other": (lambda at: haloed(plain(volume())), 0.2),
    "two results": (lambda at: [plain(volume()), haloed(volume())], 0.2),
    "other blocks": (lambda at: plain.options(block=16)(plain(volume())), 0.01),
    "a mask": (lambda at: masked(), 0.01),
    "members": (lambda at: plain(folder(at)), 0.01),
    "members in two steps": (lambda at: brightest(plain(folder(at))), 0.01),
    "all members in one call": (
        lambda at: largest(sc.gather(brightest(folder(at)))),
        0.01,
    ),
    "members by all members": (scaled_in_members, 0.01),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cost_foretells_what_a_run_takes(tmp_path: Path, kind: str) -> None:
    make, tolerance = KINDS[kind]
    made = make(tmp_path)
    targets = made if isinstance(made, list) else [made]
    options = {**SERIAL} if "members" in kind else {**SERIAL, "block": 8}
    cost = sc.plan(*targets, store=tmp_path / "store", sample=4, **options).cost
    assert cost is not None
    assert cost.unknown == ()
    before = CLOCK.now
    sc.run(*targets, store=tmp_path / "store", check_halo=False, **options)
    assert CLOCK.now > before
    assert cost.core_hours * 3600 == pytest.approx(CLOCK.now - before, rel=tolerance)


def test_what_waits_for_all_members_is_estimated_on_some(tmp_path: Path) -> None:
    plan = sc.plan(scaled_in_members(tmp_path), store=tmp_path / "store", sample=2, **SERIAL)
    assert plan.cost is not None
    for name, seconds, n in (("largest", 120, 1), ("over", 256, 12)):
        step = plan.cost[name]
        assert (step.n_sampled, step.n_members, step.n_left) == (0, 3, n)
        assert step.seconds == pytest.approx(seconds)
    assert "~ functions alone, on 3 members" in plan.cost.text()
    assert plan["over"].n_done == 0


def test_functions_that_fail_on_few_members_are_told_of(tmp_path: Path) -> None:
    @sc.step(out="value")
    def needs_all(values: Any) -> Any:
        if len(values) < 12:
            raise ValueError("twelve are needed")
        return 1.0

    images = folder(tmp_path)
    scaled = over(images, by=needs_all(sc.gather(brightest(images))))
    cost = sc.plan(scaled, store=tmp_path / "store", sample=2, **SERIAL).cost
    assert cost is not None
    assert cost.unknown == ("needs_all", "over")
    assert any("twelve are needed" in text for text in cost.warnings)
    assert "not measured: over, it waits for all of a step before it" in cost.text()


def test_the_steps_of_an_operation_are_one_line(tmp_path: Path) -> None:
    cells = sc.label(sc.threshold(volume(), level=0.5))
    cost = sc.plan(cells, store=tmp_path, block=16, sample=2, **SERIAL).cost
    assert cost is not None
    lines, parts = cost.text().splitlines(), cost.text(folded=False).splitlines()
    names = [step.name for step in cost if step.name.startswith("label")]
    assert len(names) == 3
    assert next(line for line in lines if line.startswith("label")).startswith("label (3 steps)")
    assert [line.split()[0] for line in parts if line.startswith("label")] == names
    n_left = sum(cost[name].n_left for name in names)
    assert str(n_left) in next(line for line in lines if line.startswith("label")).split()


def test_a_line_of_several_steps_has_the_sums_of_theirs() -> None:
    parts = StepCost("a_parts", 30, 3, 2.0, 1.0, 3.0, 100.0, 10.0, 500, within=("a",))
    head = StepCost("a", 10, 0, 4.0, 4.0, 4.0, n_regions=2)
    text = Cost((parts, head)).text()
    row = next(line for line in text.splitlines() if line.startswith("a (2 steps)"))
    assert row.split("  ")[0] == "a (2 steps)"
    assert "2.5 (1 to 4)" in row
    assert " 40 " in row
    assert "3 ~" in row
    assert f"{(60 + 40) / 3600:.3g}" in row


def test_requests_are_told_where_there_are_any() -> None:
    assert "requests" not in Cost((StepCost("a", 10, 3, 1.0),)).text()
    cost = Cost((StepCost("a", 1000, 3, 1.0, n_requests=2.5), StepCost("b", 10, 3, 1.0)))
    assert cost.n_requests == 2500
    assert "2,500 requests to servers" in cost.text()
