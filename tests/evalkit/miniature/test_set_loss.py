import pytest

torch = pytest.importorskip("torch")

from evalkit.miniature.set_loss import set_loss  # noqa: E402


def targets():
    masks = torch.zeros(2, 3, 4, 4)
    masks[0, 0, :2, :2] = 1
    masks[0, 1, 2:, 2:] = 1
    masks[1, 0, :, 0] = 1
    return masks, torch.tensor([[1, 0, -1], [2, -1, -1]])


def perfect(masks, labels, order):
    """Logits of four queries that say exactly what is there, in some order; the rest is nothing."""
    classes = torch.full((2, 4, 4), -20.0)
    classes[..., -1] = 20
    shapes = torch.full((2, 4, 4, 4), -20.0)
    for image in range(2):
        for thing, label in enumerate(labels[image].tolist()):
            if label >= 0:
                classes[image, order[thing]] = -20
                classes[image, order[thing], label] = 20
                shapes[image, order[thing]] = masks[image, thing] * 40 - 20
    return classes, shapes


@pytest.mark.parametrize("order", [(0, 1, 2), (3, 1, 0)])
def test_what_is_there_costs_nothing_in_any_order(order):
    masks, labels = targets()
    classes, shapes = perfect(masks, labels, order)
    assert float(set_loss([classes], [shapes], masks, labels)) == pytest.approx(0, abs=1e-5)


def test_layers_add_up():
    masks, labels = targets()
    torch.manual_seed(0)
    classes, shapes = torch.randn(2, 4, 4), torch.randn(2, 4, 4, 4)
    once = float(set_loss([classes], [shapes], masks, labels))
    assert float(set_loss([classes] * 3, [shapes] * 3, masks, labels)) == pytest.approx(3 * once)


def test_a_wrong_class_a_missing_object_and_a_duplicate_cost():
    masks, labels = targets()
    classes, shapes = perfect(masks, labels, (0, 1, 2))
    other, missing, double = classes.clone(), classes.clone(), classes.clone()
    other[0, 0, 1], other[0, 0, 0] = -20, 20
    missing[0, 0, 1], missing[0, 0, 3] = -20, 20
    double[0, 2], shapes_double = classes[0, 0], shapes.clone()
    shapes_double[0, 2] = shapes[0, 0]
    for wrong, where in ((other, shapes), (missing, shapes), (double, shapes_double)):
        assert float(set_loss([wrong], [where], masks, labels)) > 1


def test_pictures_without_objects_still_teach():
    masks, labels = torch.zeros(2, 3, 4, 4), torch.full((2, 3), -1)
    classes = torch.zeros(2, 4, 4, requires_grad=True)
    shapes = torch.zeros(2, 4, 4, 4, requires_grad=True)
    loss = set_loss([classes], [shapes], masks, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert float(classes.grad.abs().sum()) > 0
