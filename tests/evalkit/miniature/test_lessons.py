"""What each lesson asks of a student, on velocities that are known."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from evalkit.miniature import students  # noqa: E402
from evalkit.miniature.lessons import Guided, Matched, Phase, Progress  # noqa: E402
from evalkit.miniature.trajectories import POINTS  # noqa: E402

SHAPE = (8, 16, 16)
N = 3


class Field(torch.nn.Module):
    """A transformer whose velocity is known; all that it learns is a factor."""

    def __init__(self, velocity):
        super().__init__()
        self.factor = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(self.factor.weight)
        self.velocity = velocity

    def forward(self, latents, *, timestep, **_):
        return (self.factor.weight * self.velocity(latents, timestep / 1000),)


class Guide:
    """A guided teacher whose velocity is known; it notes what it was asked."""

    def __init__(self, velocity, proxy=None):
        self.field, self.transformer = velocity, Field(proxy or velocity)
        self.seen, self.times = [], []

    def velocity(self, latents, time, ids):
        self.seen.append(latents)
        self.times.append(time)
        return self.field(latents, time)


def wide(time):
    return time.view(-1, 1, 1, 1).expand(-1, *SHAPE)


def teaching(guide=None, points=None):
    ids = torch.zeros(N, 20, dtype=torch.long)
    return SimpleNamespace(
        guide=guide,
        text=lambda ids: (torch.zeros(len(ids), 20, 192), torch.zeros(len(ids), 192)),
        path=lambda generator: (points, ids),
        captions=lambda generator: ids,
        scene=lambda generator: (torch.randn(N, *SHAPE, generator=generator), ids),
    )


def lot(seed=0):
    return torch.Generator().manual_seed(seed)


# --- trajectory guidance ---------------------------------------------------------------------


@pytest.fixture
def bent():
    """Paths on which x falls by the mean of t over each stretch: x' = t."""
    noise = torch.randn(N, *SHAPE, generator=lot())
    times = torch.tensor(students.times(POINTS))
    return noise[:, None] - ((1 - times**2) / 2).view(1, -1, 1, 1, 1)


@pytest.mark.parametrize("steps", [1, 2, 4])
@torch.no_grad()
def test_a_student_that_ends_on_the_path_has_nothing_to_learn(bent, steps):
    on_the_path = Field(lambda x, time: wide(time - 0.5 / steps))
    lesson = Guided(teaching(points=bent), on_the_path, steps)
    for seed in range(4):
        assert float(lesson.loss(lot(seed))) < 1e-10
    astray = Guided(teaching(points=bent), Field(lambda x, time: wide(time)), steps)
    assert float(astray.loss(lot())) == pytest.approx((0.5 / steps**2) ** 2 * steps, rel=1e-3)


def test_guidance_leads_to_the_path(bent):
    student = Field(lambda x, time: wide(time - 0.25))
    student.factor.weight.data.fill_(0.5)
    Guided(teaching(points=bent), student, 2).loss(lot()).backward()
    assert float(student.factor.weight.grad) < 0


def test_steps_that_the_paths_points_cannot_tell_are_refused(bent):
    for steps in (3, 8):
        with pytest.raises(ValueError, match=f"{steps} steps"):
            Guided(teaching(points=bent), Field(lambda x, t: x), steps)


# --- progressive distillation -------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 4])
@torch.no_grad()
def test_one_step_is_to_do_two_of_the_elders(steps):
    asked = []

    def elder(x, time, ids):
        asked.append((x, time))
        return wide(time)

    two_in_one = Field(lambda x, time: wide(time - 0.25 / steps))
    for seed in range(3):
        assert float(Progress(teaching(), two_in_one, steps, elder).loss(lot(seed))) < 1e-10
    assert float(Progress(teaching(), Field(elder_at_once), steps, elder).loss(lot())) > 1e-5
    (start, time), (middle, later) = asked[:2]
    torch.testing.assert_close(time - later, torch.full((N,), 0.5 / steps))
    torch.testing.assert_close(start - middle, wide(time) * 0.5 / steps)
    assert set(time.tolist()) <= set(students.times(steps)[:-1])


def elder_at_once(x, time):
    return wide(time)


@torch.no_grad()
def test_progress_starts_from_noisy_scenes():
    seen = []

    def elder(x, time, ids):
        seen.append((x, time))
        return x

    told = teaching()
    told.scene = lambda generator: (torch.full((N, *SHAPE), 10.0), torch.zeros(N, 20).long())
    for seed in range(3):
        Progress(told, Field(lambda x, t: x), 4, elder).loss(lot(seed))
    for x, time in seen[::2]:
        found = x.mean(dim=(1, 2, 3)), x.std(dim=(1, 2, 3))
        torch.testing.assert_close(found[0], 10 * (1 - time), rtol=0, atol=0.15)
        torch.testing.assert_close(found[1], time, rtol=0.1, atol=0)


def test_the_elder_does_not_learn():
    elder, student = Field(lambda x, t: 0.7 * x), Field(lambda x, t: 0.2 * x)
    lesson = Progress(teaching(), student, 4, lambda x, t, ids: elder(x, timestep=t)[0])
    lesson.loss(lot()).backward()
    assert elder.factor.weight.grad is None
    assert student.factor.weight.grad is not None


# --- distribution matching ----------------------------------------------------------------------

LESSONS = [("shared", 4, k) for k in range(4)] + [("shared", 2, k) for k in range(2)]
LESSONS += [("renoised", 4, k) for k in range(4)] + [("renoised", 1, 0)]


def matched(guide, student, lesson="shared", steps=4, only=None, **other):
    phase = Phase(lesson, 1, 1e-4, **other)
    return Matched(teaching(guide), student, phase, students.times(steps), only)


def grown(model):
    """The gradients of the student's factor and of the proxy's."""
    model.zero_grad()
    model.loss(lot()).backward()
    return tuple(
        0.0 if (grad := m.factor.weight.grad) is None else float(grad)
        for m in (model.student, model.proxy)
    )


@pytest.mark.parametrize(("lesson", "steps", "at"), LESSONS)
def test_a_proxy_like_the_teacher_moves_no_student_and_learns_itself(lesson, steps, at):
    model = matched(Guide(lambda x, t: 0.7 * x), Field(lambda x, t: 0.4 * x), lesson, steps, [at])
    student, proxy = grown(model)
    assert student == pytest.approx(0, abs=1e-6)
    assert abs(proxy) > 1e-3


@pytest.mark.parametrize(("lesson", "steps", "at"), LESSONS)
def test_the_proxy_does_not_hear_the_teacher(lesson, steps, at):
    found = []
    for pull in (0.7, 0.1):
        guide = Guide(lambda x, t, pull=pull: pull * x, proxy=lambda x, t: 0.5 * x)
        found.append(grown(matched(guide, Field(lambda x, t: 0.4 * x), lesson, steps, [at])))
    (student, proxy), (other_student, other_proxy) = found
    assert proxy == other_proxy
    assert student != other_student


@pytest.mark.parametrize(("lesson", "steps", "at"), LESSONS)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_student_goes_where_the_teacher_sees_the_picture(lesson, steps, at, sign):
    """The teacher sees one and the same picture behind all noise, the proxy sees none."""
    picture = torch.randn(1, *SHAPE, generator=lot(9))
    guide = Guide(
        lambda x, t: (x - sign * picture) / t.view(-1, 1, 1, 1),
        proxy=lambda x, t: x / t.view(-1, 1, 1, 1),
    )
    student, _ = grown(
        matched(guide, Field(lambda x, t: -picture.expand_as(x)), lesson, steps, [at])
    )
    assert student * sign < 0


def test_the_push_is_scaled_by_the_students_distance():
    """Twice as far a teacher, seen from as far, pushes no harder (arXiv 2311.18828, eq. 8)."""
    found = []
    for far in (100.0, 200.0):
        guide = Guide(
            lambda x, t, far=far: (x - far) / t.view(-1, 1, 1, 1),
            proxy=lambda x, t: x / t.view(-1, 1, 1, 1),
        )
        found.append(grown(matched(guide, Field(lambda x, t: -torch.ones_like(x)), only=[1]))[0])
    assert found[0] == pytest.approx(found[1], rel=0.05)


@pytest.mark.parametrize("steps", [2, 4])
def test_sharing_looks_at_the_walks_own_points_at_their_times(steps):
    schedule = students.times(steps)
    for at in range(steps):
        guide = Guide(lambda x, t: 0.7 * x)
        matched(guide, Field(lambda x, t: 0 * x), "shared", steps, [at]).loss(lot())
        (time,), (seen,) = guide.times, guide.seen
        last = at == steps - 1
        t = schedule[-2] if last else schedule[at + 1]
        assert time.tolist() == [t] * N
        # A student that stands still keeps its noise; only the finished picture is noised again.
        spread = ((1 - t) ** 2 + t**2) ** 0.5 if last else 1.0
        assert float(seen.detach().std()) == pytest.approx(spread, rel=0.05)


def test_renoising_looks_at_the_students_guess_at_any_time():
    guide = Guide(lambda x, t: 0.7 * x)
    model = matched(guide, Field(lambda x, t: x), "renoised", 4)
    for seed in range(30):
        model.loss(lot(seed))
    times = torch.cat(guide.times)
    assert 0 < float(times.min()) < 0.1
    assert 0.9 < float(times.max()) < 1
    assert len(set(times.tolist())) == 30 * N
    # A student that sees nothing behind the noise at time 1 is shown nothing but fresh noise.
    guide = Guide(lambda x, t: 0.7 * x)
    matched(guide, Field(lambda x, t: x), "renoised", 4, [0]).loss(lot())
    (time,), (seen,) = guide.times, guide.seen
    torch.testing.assert_close(seen.detach().std(dim=(1, 2, 3)), time, rtol=0.05, atol=0)


@pytest.mark.parametrize("lesson", ["shared", "renoised"])
def test_the_proxy_learns_where_it_will_be_asked(lesson):
    asked = []

    def noted(x, time):
        asked.extend(time.tolist())
        return 0.5 * x

    model = matched(Guide(lambda x, t: x, proxy=noted), Field(lambda x, t: 0.4 * x), lesson, 4)
    for seed in range(20):
        model.loss(lot(seed))
    if lesson == "shared":
        assert set(asked) == {0.25, 0.5, 0.75}
    else:
        assert len(set(asked)) > 100


@pytest.mark.parametrize(("lesson", "steps", "at"), LESSONS)
def test_a_proxy_that_knows_the_students_one_picture_has_nothing_to_learn(lesson, steps, at):
    picture = torch.randn(1, *SHAPE, generator=lot(9))

    def towards_it(x, time):
        return (x - picture) / time.view(-1, 1, 1, 1)

    model = matched(Guide(towards_it), Field(towards_it), lesson, steps, [at])
    assert model.loss(lot()).item() == pytest.approx(0, abs=1e-8)


def test_a_branch_learns_its_own_steps_alone():
    walked = []

    def noted(x, time):
        walked.append((float(time[0]), torch.is_grad_enabled()))
        return 0.4 * x

    model = matched(Guide(lambda x, t: 0.7 * x), Field(noted), "shared", 4, [2, 3])
    for seed in range(20):
        model.loss(lot(seed))
    assert {t for t, learns in walked if learns} == {0.5, 0.25}
    assert {t for t, _ in walked} == {1.0, 0.75, 0.5, 0.25}


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("lesson", ["shared", "renoised"])
def test_every_walk_takes_all_steps_in_turn_and_learns_one(lesson, at):
    walked = []

    def noted(x, time):
        walked.append((float(time[0]), torch.is_grad_enabled()))
        return 0.4 * x

    matched(Guide(lambda x, t: 0.7 * x), Field(noted), lesson, 4, [at]).loss(lot())
    assert [t for t, _ in walked] == [1.0, 0.75, 0.5, 0.25]
    assert [t for t, learns in walked if learns] == [1 - at / 4]


def test_the_adversary_is_an_option_that_moves_the_student():
    student = Field(lambda x, t: 0.4 * x)
    guide = Guide(lambda x, t: 0.7 * x)
    assert matched(guide, student).adversary is None
    torch.manual_seed(0)
    model = matched(guide, student, only=[1], adversarial=0.5)
    pushed, _ = grown(model)
    assert abs(pushed) > 1e-6
    assert all(p.grad is not None for p in model.adversary.parameters())
    weaker = matched(guide, student, only=[1], adversarial=0.25)
    weaker.adversary = model.adversary
    assert grown(weaker)[0] == pytest.approx(pushed / 2, rel=1e-3)


def test_a_proxy_can_be_handed_on():
    guide = Guide(lambda x, t: 0.7 * x)
    model = Matched(
        teaching(guide), Field(lambda x, t: x), Phase("shared", 1, 1e-4), students.times(4),
        proxy={"factor": torch.full((1, 1), 0.25)},
    )  # fmt: skip
    assert model.proxy.factor.weight.item() == 0.25
    assert guide.transformer.factor.weight.item() == 1
