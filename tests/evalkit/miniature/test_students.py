from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from evalkit.miniature import sd3, students  # noqa: E402


@pytest.fixture(scope="module")
def loaded(small_folder):
    model, texts = sd3.load(small_folder)
    return model, texts


@pytest.fixture(scope="module")
def taught(loaded):
    """Return a student's matrices: the teacher's and a little of every rank by lot."""
    generator = torch.Generator().manual_seed(5)
    return {
        n: m + 0.1 * m.std() * torch.randn(m.shape, generator=generator)
        for n, m in students.matrices(loaded[0]).items()
    }


@pytest.fixture
def noise():
    return torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))


def rebuilt(teacher, factors):
    """Return the matrices of a teacher with a LoRA's factors laid over it."""
    return {
        n: m + factors[f"{n}.lora_B.weight"] @ factors[f"{n}.lora_A.weight"]
        for n, m in students.matrices(teacher).items()
    }


@pytest.mark.parametrize("steps", [1, 2, 4, 28])
def test_schedules_are_even_from_noise_to_picture(steps):
    times = students.times(steps)
    assert len(times) == steps + 1
    assert (times[0], times[-1]) == (1.0, 0.0)
    gaps = [a - b for a, b in pairwise(times)]
    assert gaps == pytest.approx([1 / steps] * steps)


@torch.no_grad()
def test_steps_can_be_taken_in_parts(loaded, noise):
    model, texts = loaded
    text = texts(texts.ids(["a cup", "two dogs"]))
    schedule = students.times(4)
    whole = students.walk(model, noise, text, schedule)
    half = students.walk(model, noise, text, schedule[:3])
    torch.testing.assert_close(students.walk(model, half, text, schedule[2:]), whole)
    assert torch.equal(students.walk(model, noise, text, schedule[:1]), noise)


def test_only_matrices_of_linear_layers_learn(loaded, noise):
    model, texts = loaded
    student = students.student_of(model)
    learning = {n for n, p in student.named_parameters() if p.requires_grad}
    assert learning == {f"{n}.weight" for n in students.linear_layers(student)}
    assert len(learning) > 30
    assert "pos_embed.proj.weight" not in learning
    text = texts(texts.ids(["a cup", "two dogs"]))
    students.walk(student, noise, text, students.times(1)).square().mean().backward()
    assert all(p.grad is None for n, p in student.named_parameters() if n not in learning)
    assert all(p.grad is None for p in model.parameters())
    touched = {n for n, p in student.named_parameters() if p.grad is not None}
    assert touched == learning


def test_a_student_is_a_copy(loaded, taught):
    model, _ = loaded
    before = students.matrices(model)
    student = students.student_of(model)
    students.set_matrices(student, taught)
    for name, matrix in students.matrices(student).items():
        assert torch.equal(matrix, taught[name])
        assert torch.equal(before[name], students.matrices(model)[name])
    kept = students.matrices(student)
    next(iter(students.linear_layers(student).values())).weight.data.zero_()
    assert all(m.any() for m in kept.values())


def test_matrices_are_kept_and_read(taught, tmp_path):
    path = tmp_path / "a" / "b.safetensors"
    students.keep_matrices(path, taught)
    found = students.read_matrices(path)
    assert found.keys() == taught.keys()
    assert all(torch.equal(found[n], taught[n]) for n in taught)
    assert list(path.parent.iterdir()) == [path]


def test_a_merge_goes_from_one_to_the_other(taught):
    other = {n: 2 * m for n, m in taught.items()}
    for share, factor in ((1.0, 1.0), (0.0, 2.0), (0.3, 1.7)):
        merged = students.merge(taught, other, share)
        assert merged.keys() == taught.keys()
        for name, matrix in merged.items():
            torch.testing.assert_close(matrix, factor * taught[name])


def test_full_rank_holds_the_whole_difference(loaded, taught):
    factors, share = students.low_rank(loaded[0], taught, rank=10_000)
    assert share == pytest.approx(1)
    for name, matrix in rebuilt(loaded[0], factors).items():
        torch.testing.assert_close(matrix, taught[name], rtol=1e-4, atol=1e-5)


def test_a_higher_rank_holds_more_and_says_how_much(loaded, taught):
    before = students.matrices(loaded[0])
    total = sum(float((taught[n] - before[n]).square().sum()) for n in taught)
    shares = []
    for rank in (1, 4, 16, 32):
        factors, share = students.low_rank(loaded[0], taught, rank)
        missed = sum(
            float((taught[n] - m).square().sum()) for n, m in rebuilt(loaded[0], factors).items()
        )
        assert share == pytest.approx(1 - missed / total, abs=1e-3)
        assert max(f.shape[0] for n, f in factors.items() if "lora_A" in n) <= rank
        shares.append(share)
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1


def test_a_difference_of_low_rank_is_held_whole(loaded):
    generator = torch.Generator().manual_seed(2)
    found = {}
    for name, m in students.matrices(loaded[0]).items():
        a = torch.randn(m.shape[0], 3, generator=generator)
        b = torch.randn(3, m.shape[1], generator=generator)
        found[name] = m + 0.01 * a @ b
    factors, share = students.low_rank(loaded[0], found, 3)
    assert share == pytest.approx(1, abs=1e-4)
    assert len(factors) == 2 * len(found)


def test_no_difference_is_held_by_nothing(loaded):
    factors, share = students.low_rank(loaded[0], students.matrices(loaded[0]))
    assert share == 1.0
    assert not any(f.any() for f in factors.values())


@torch.no_grad()
@pytest.mark.parametrize("fused", [True, False])
def test_diffusers_lays_the_lora_over_the_teacher(
    small_folder, loaded, taught, noise, tmp_path, fused
):
    pytest.importorskip("peft")
    model, texts = loaded
    factors, _ = students.low_rank(model, taught)
    students.save_lora(tmp_path, factors)
    assert [p.name for p in tmp_path.iterdir()] == [students.LORA]
    student = students.student_of(model)
    students.set_matrices(student, rebuilt(model, factors))
    ours = students.walk(student, noise, texts(texts.ids(["a cup"] * 2)), students.times(2))

    pipe = diffusers.StableDiffusion3Pipeline.from_pretrained(small_folder)
    pipe.set_progress_bar_config(disable=True)
    call = {
        "prompt": ["a cup"] * 2,
        "latents": noise,
        "sigmas": [1.0, 0.5],
        "num_inference_steps": 2,
        "guidance_scale": 1.0,
        "max_sequence_length": 1,
        "output_type": "latent",
    }
    plain = pipe(**call).images
    pipe.load_lora_weights(tmp_path, weight_name=students.LORA)
    if fused:
        pipe.fuse_lora()
        pipe.unload_lora_weights()
    theirs = pipe(**call).images
    assert (plain - ours).abs().mean() > 0.02
    torch.testing.assert_close(theirs, ours, rtol=0.02, atol=0.02)
