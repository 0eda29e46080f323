import numpy as np
import pytest
import torch

from evalkit.miniature import facts
from evalkit.miniature.rendering import Scene, SceneObject
from evalkit.miniature.scenes import CLASSES
from evalkit.miniature.witness import Truth, Witness

APPLE, CUP = CLASSES.index("apple"), CLASSES.index("cup")


@pytest.fixture
def truth():
    objects = (
        SceneObject("apple", "red", 0.2, 0.5, 0.3),
        SceneObject("cup", "blue", 0.8, 0.5, 0.3),
    )
    shown = facts.of_scene(Scene(objects))
    return Truth.of(shown.holds[None], shown.known[None])


def test_right_answers_cost_little_and_wrong_ones_much(truth):
    witness = Witness(4, 4)
    with torch.no_grad():
        witness.whole.weight.zero_()
        witness.whole.bias.copy_((truth.holds * 40 - 20).flatten())
    assert witness.about(torch.zeros(1, 4), truth) < 1e-3
    swapped = truth.holds.clone()
    swapped[0, [APPLE, CUP], facts.RELATION] = truth.holds[0, [CUP, APPLE], facts.RELATION]
    assert witness.about(torch.zeros(1, 4), Truth(swapped, truth.known)) > 50


def test_unknown_facts_are_not_asked(truth):
    witness = Witness(4, 4)
    unknown = Truth(truth.holds, torch.zeros_like(truth.known))
    assert witness.about(torch.randn(1, 4), unknown) == 0


def test_patches_are_asked_for_their_own_object_only(truth):
    torch.manual_seed(0)
    witness = Witness(4, 4)
    tokens = torch.randn(1, 3, 4, requires_grad=True)
    classes = torch.tensor([[APPLE, -1, CUP]])
    witness.patches(tokens, classes, truth).backward()
    assert tokens.grad is not None
    used = witness.own.weight.grad.view(len(CLASSES), -1).abs().sum(1) > 0
    assert set(np.flatnonzero(used.numpy())) == {APPLE, CUP}


def test_a_picture_without_objects_still_says_whose_its_patches_are(truth):
    nobody = torch.full((1, 3), -1)
    error = Witness(4, 4).patches(torch.randn(1, 3, 4), nobody, truth)
    assert torch.isfinite(error)
    assert error > 0
