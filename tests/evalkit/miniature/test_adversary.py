import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from evalkit.miniature.adversary import Adversary  # noqa: E402


@pytest.fixture
def adversary():
    torch.manual_seed(0)
    return Adversary()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    ours, scenes = torch.randn(2, 4, 8, 16, 16, generator=generator)
    return ours - 1, scenes + 1, tuple(torch.randn(2, 4, 192, generator=generator))


def losses(adversary, batch, seed=0):
    return adversary.losses(*batch, torch.Generator().manual_seed(seed))


def test_it_judges_patches_and_heeds_time_and_caption(adversary, batch):
    ours, _, pooled = batch
    time = torch.full((4,), 0.2)
    found = adversary(ours, time, pooled[0])
    assert found.shape == (4, 1, 4, 4)
    assert not torch.allclose(found, adversary(ours, time + 0.5, pooled[0]))
    assert not torch.allclose(found, adversary(ours, time, pooled[1]))


def test_each_loss_is_blind_to_the_others_weights(adversary, batch):
    ours, scenes, pooled = batch
    ours.requires_grad_(True)
    student, _ = losses(adversary, (ours, scenes, pooled))
    student.backward()
    assert ours.grad.any()
    assert all(p.grad is None for p in adversary.parameters())
    ours.grad = None
    _, judge = losses(adversary, (ours, scenes, pooled))
    judge.backward()
    assert ours.grad is None
    assert all(p.grad is not None and p.grad.any() for p in adversary.parameters())


def test_it_learns_to_tell_them_apart_to_the_students_cost(adversary, batch):
    before = [float(v.detach()) for v in losses(adversary, batch)]
    optimiser = torch.optim.Adam(adversary.parameters(), 3e-3)
    for seed in range(40):
        _, judge = losses(adversary, batch, seed)
        optimiser.zero_grad()
        judge.backward()
        optimiser.step()
    after = [float(v.detach()) for v in losses(adversary, batch)]
    assert after[1] < 0.8 * before[1]
    assert after[0] > before[0]
    ours, scenes, pooled = batch
    time = torch.full((4,), 0.1)
    assert adversary(scenes, time, pooled[1]).mean() > 0 > adversary(ours, time, pooled[0]).mean()


def test_the_students_loss_leads_towards_scenes(adversary, batch):
    ours, scenes, pooled = batch
    optimiser = torch.optim.Adam(adversary.parameters(), 3e-3)
    for seed in range(40):
        optimiser.zero_grad()
        losses(adversary, batch, seed)[1].backward()
        optimiser.step()
    ours.requires_grad_(True)
    student, _ = losses(adversary, (ours, scenes, pooled))
    student.backward()
    assert float((-ours.grad * (scenes.mean() - ours.detach().mean())).mean()) > 0
