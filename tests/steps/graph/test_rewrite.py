"""A graph in which some calls are put in place by others: what depends on them is made again.

Cases are written as the call that is rewritten, and what is said of it:

    raw ── blur ── mask ── size        blur is replaced: mask and size are made again, raw stays
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import scutoid as sc
from scutoid.steps.graph import (
    Call,
    CollectionRef,
    Constant,
    Gathered,
    ImageRef,
    Node,
    Opened,
    Ref,
    Rewriting,
)

RAW = sc.open(np.zeros((8, 12), "uint8"))
OTHER = sc.open(np.ones((8, 12), "uint8"))


@sc.blockwise(dtype="same", version="1")
def blur(image, *, width=1):
    return image


@sc.blockwise(dtype="same", version="1")
def sharp(image):
    return image


@sc.blockwise(dtype="bool", version="1")
def mask(image, *, level=1):
    return image > level


@sc.blockwise(dtype="bool", version="1")
def both(a, b):
    return a & b


@sc.blockwise(out=("image", "image"), dtype=("same", "same"), version="1")
def halves(image):
    return image, image


@sc.step(version="1")
def size(image):
    return int(image.sum())


@sc.step(version="1")
def sizes(images):
    return len(images)


def replacing(**given) -> Rewriting:
    """Puts other references in the place of the calls of some steps."""

    def outputs(call: Call):
        found = given.get(call.spec.label)
        return None if found is None else (found.ref,)

    return Rewriting(outputs, lambda call: call.spec)


def steps_of(item: object) -> str:
    """A graph as a text, from what it ends with: ``size(mask(array))``."""
    if isinstance(item, Gathered):
        return f"gathered {steps_of(item.collection)}"
    if not isinstance(item, (Ref, CollectionRef)):
        return repr(item)
    node = item.node
    if not isinstance(node, Call):
        return node.name
    items = [steps_of(value) for value in node.inputs]
    items += [f"{name}={steps_of(value)}" for name, value in node.params.items()]
    return f"{node.spec.label}({', '.join(items)})"


def calls_of(ref: Ref | CollectionRef) -> list[Node]:
    """All nodes that a result is made of, each once."""
    found: dict[Node, None] = {}

    def visit(node: Node) -> None:
        for each in node.dependencies if isinstance(node, Call) else ():
            visit(each.node)
        found[node] = None

    visit(ref.node)
    return list(found)


@pytest.mark.parametrize(
    ("target", "given", "expected"),
    [
        pytest.param(
            size(mask(blur(RAW))),
            {"blur": sharp(OTHER)},
            "size(mask(sharp(array), level=1))",
            id="a step in the middle",
        ),
        pytest.param(
            size(mask(blur(RAW))),
            {"mask": mask(OTHER)},
            "size(mask(array, level=1))",
            id="the last",
        ),
        pytest.param(mask(blur(RAW)), {"mask": OTHER}, "array", id="the target itself"),
        pytest.param(
            mask(blur(RAW), level=size(blur(RAW))),
            {"size": size(OTHER)},
            "mask(blur(array, width=1), level=size(array))",
            id="a parameter",
        ),
        pytest.param(
            size(mask(blur(RAW))),
            {},
            "size(mask(blur(array, width=1), level=1))",
            id="nothing: the same steps",
        ),
        pytest.param(
            blur(blur(RAW)), {"blur": sharp(RAW)}, "sharp(array)", id="the later of two of one name"
        ),
    ],
)
def test_what_depends_on_a_call_that_is_replaced_is_made_again(target, given, expected) -> None:
    before = steps_of(target.ref)
    assert steps_of(replacing(**given).ref(target.ref)) == expected
    assert steps_of(target.ref) == before


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(lambda plate: mask(blur(plate)), "mask(sharp(plate), level=1)", id="mapped"),
        pytest.param(
            lambda plate: sizes(sc.gather(blur(plate))),
            "sizes(gathered sharp(plate))",
            id="gathered",
        ),
        pytest.param(
            lambda plate: mask(RAW, level=size(blur(plate))),
            "mask(array, level=size(sharp(plate)))",
            id="a value for each member",
        ),
    ],
)
def test_collections_are_rewritten_as_single_results_are(build, expected, tmp_path) -> None:
    folder = tmp_path / "plate"
    folder.mkdir()
    np.save(folder / "a.npy", np.zeros((4, 4), "uint8"))
    plate = sc.open_folder(str(folder / "*.npy"))
    rewriting = replacing(blur=sharp(plate))
    found = rewriting.item(build(plate).ref)
    assert steps_of(found).replace(plate.name, "plate") == expected


def test_the_graph_is_left_as_it_is() -> None:
    target = size(mask(blur(RAW)))
    nodes = calls_of(target.ref)
    before = [dataclasses.replace(node) for node in nodes]
    replacing(blur=sharp(OTHER)).ref(target.ref)
    assert calls_of(target.ref) == nodes
    for node, copy in zip(nodes, before, strict=True):
        for field in dataclasses.fields(node):
            assert getattr(node, field.name) is getattr(copy, field.name)


#    blur ┬─ mask ─┐
#         └────────┴─ both         blur is one call before, and one call after
def test_a_call_that_two_read_is_made_once() -> None:
    image = blur(RAW)
    target = both(mask(image), image)
    asked: list[str] = []

    def spec(call: Call):
        asked.append(call.spec.label)
        return dataclasses.replace(call.spec, block_invariant=True)

    made = Rewriting(lambda call: None, spec).ref(target.ref)
    assert sorted(asked) == ["blur", "both", "mask"]
    assert len(calls_of(made)) == len(calls_of(target.ref)) == 4


def test_a_step_may_be_another_one_with_the_same_inputs() -> None:
    target = size(mask(blur(RAW)))

    def spec(call: Call):
        options = dataclasses.replace(call.spec.options, keep=False)
        return dataclasses.replace(call.spec, options=options)

    made = Rewriting(lambda call: None, spec).ref(target.ref)
    assert steps_of(made) == steps_of(target.ref)
    kept = [node.spec.options.keep for node in calls_of(made) if isinstance(node, Call)]
    assert kept == [False, False, False]
    assert all(node.spec.options.keep for node in calls_of(target.ref) if isinstance(node, Call))


@pytest.mark.parametrize(
    ("build", "number"),
    [
        pytest.param(lambda one, other: one, 0, id="the first"),
        pytest.param(lambda one, other: other, 1, id="the second"),
    ],
)
def test_each_output_becomes_the_output_of_the_same_number(build, number) -> None:
    made = replacing(blur=sharp(RAW)).ref(build(*halves(blur(RAW))).ref)
    assert (made.output, steps_of(made)) == (number, "halves(sharp(array))")


def test_a_part_of_an_image_is_the_same_part_of_what_it_becomes() -> None:
    part = blur(RAW)[2:6, 3]
    made = replacing(blur=sharp(OTHER)).ref(part.ref)
    assert isinstance(made, ImageRef)
    assert (made.view, made.shape, made.roi) == (part.ref.view, part.shape, part.roi)
    assert steps_of(replacing(blur=sharp(OTHER)).ref(size(part).ref)) == "size(sharp(array))"


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(RAW.ref, id="an image that was opened"),
        pytest.param(RAW[2:].ref, id="a part of one"),
        pytest.param(Ref(Constant(3), "value"), id="a value that was given"),
        pytest.param(3, id="a number"),
        pytest.param(None, id="nothing"),
    ],
)
def test_what_no_step_has_made_stays(item) -> None:
    assert replacing(blur=sharp(OTHER)).item(item) is item


def test_inputs_stay_the_same_nodes() -> None:
    made = replacing(mask=mask(OTHER)).ref(both(mask(RAW), RAW).ref)
    opened = [node for node in calls_of(made) if isinstance(node, Opened)]
    assert opened == [OTHER.ref.node, RAW.ref.node]
