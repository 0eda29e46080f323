"""What each lesson asks of a student, on velocities that are known; then whole courses, tiny."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from evalkit.miniature import distil, sd3, selection, students, train  # noqa: E402
from evalkit.miniature.distil import (  # noqa: E402
    STUDENTS,
    Guided,
    Matched,
    Phase,
    Progress,
    Student,
    Teaching,
)
from evalkit.miniature.trajectories import POINTS, Trajectories  # noqa: E402

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


# --- the students -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STUDENTS)
def test_every_student_has_a_thousand_optimiser_steps(name):
    student = STUDENTS[name]
    assert sum(p.steps for p in student.phases) == 1000
    assert POINTS % student.steps == 0
    assert name.endswith(f"-{student.steps}") or name == "flash-4-gan"
    assert all(p.steps % 2 == 0 for p in student.phases if p.lesson == "split")


def test_the_command_line_knows_the_students():
    assert set(train.STUDENTS) == set(STUDENTS)


def test_rivals_differ_in_one_thing():
    flash, gan = STUDENTS["flash-4"].phases, STUDENTS["flash-4-gan"].phases
    assert [replace(p, adversarial=0) for p in gan] == list(flash)
    assert STUDENTS["flash-2"].phases == flash
    shared, dmd2 = STUDENTS["shared-4"].phases, STUDENTS["dmd2-4"].phases
    assert [replace(p, lesson="renoised") for p in shared[1:]] == list(dmd2[1:])
    firsts = {STUDENTS[n].phases[0] for n in STUDENTS if n != "lightning-4"}
    assert firsts == {distil.GUIDE}


# --- whole courses ------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch, made_up):
    """Teach on made-up scenes, two at a time, the merge chosen by a fixed order of merit."""
    merit = iter([0.2, 0.3, 0.1, 0.9, 0.4] * 9)
    monkeypatch.setattr(distil, "BATCH", 2)
    monkeypatch.setattr(distil, "SHARD", 4)
    monkeypatch.setattr(distil, "CHECKS", 1)
    monkeypatch.setattr(distil, "scenes", made_up)
    monkeypatch.setattr(selection, "geneval", lambda suite, images: next(merit))
    guided = Phase("guide", 200, 4e-4)
    recipes = {
        "flash": Student(2, (guided, Phase("shared", 200, 1e-4), Phase("split", 400, 1e-4))),
        "guided": Student(2, (guided,)),
        "gan": Student(2, (Phase("shared", 200, 1e-4, adversarial=0.5),)),
        "lightning": Student(
            2, (Phase("progress", 200, 3e-4, start=4), Phase("progress", 200, 3e-4))
        ),
        "one": Student(1, (Phase("renoised", 200, 1e-4),)),
    }
    monkeypatch.setattr(distil, "STUDENTS", recipes)


@pytest.fixture
def learn(quick, small_folder, tmp_path):
    """Teach a student, and return its LoRA's bytes and what is told of it."""

    def run(name, teacher=small_folder, work=tmp_path / "work", **given):
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        distil.train(name, teacher, out, work=work, short=True, **given)
        facts = json.loads((out / "training.json").read_text())
        return (out / students.LORA).read_bytes(), facts

    return run


class KilledError(Exception):
    pass


def counting(monkeypatch, dies_after=10**9):
    """Count the losses that training asks for, and let it die after so many, each kept."""
    taken, fitted = [], distil.fit

    def fit(model, loss, validate, plan):
        def counted(generator):
            if len(taken) >= dies_after:
                raise KilledError
            taken.append(plan.part)
            return loss(generator)

        return fitted(model, counted, validate, replace(plan, save_seconds=0))

    monkeypatch.setattr(distil, "fit", fit)
    return taken


def test_a_course_is_kept_by_phases_and_goes_on_where_it_was_killed(learn, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        taken = counting(patch)
        whole, facts = learn("flash")
        assert len(taken) == 2 + 2 + 2 * 2
        assert learn("flash")[0] == whole
        assert len(taken) == 8  # the second time there was nothing left to learn
    assert facts["steps"] == 2
    assert [p["lesson"] for p in facts["phases"]] == ["guide", "shared", "split"]
    assert list(facts["merge"].values()) == [0.2, 0.3, 0.1, 0.9, 0.4]
    assert len(facts["curves"]) == 4
    assert not list((tmp_path / "work").rglob("*.pt"))
    work = tmp_path / "killed"
    with monkeypatch.context() as patch:
        counting(patch, dies_after=3)
        with pytest.raises(KilledError):
            learn("flash", work=work)
    taken = counting(monkeypatch)
    assert learn("flash", work=work)[0] == whole
    assert len(taken) == 5


def test_students_that_begin_alike_share_the_beginning(learn, monkeypatch):
    learn("guided")
    taken = counting(monkeypatch)
    learn("flash")
    assert len(taken) == 2 + 2 * 2


def test_the_merge_takes_what_the_validation_suite_prefers(learn, monkeypatch):
    shares = []
    merge = students.merge
    monkeypatch.setattr(
        students, "merge", lambda a, b, share: shares.append(share) or merge(a, b, share)
    )
    learn("flash")
    assert shares == [*distil.SHARES, 0.7]


@pytest.mark.parametrize("name", ["lightning", "one"])
def test_every_lesson_teaches(learn, name):
    lora, facts = learn(name)
    assert 0 < facts["share of the squared difference that the LoRA holds"] <= 1
    assert len(lora) > 1000
    assert all(row["validation"] > 0 for c in facts["curves"].values() for row in c)


def test_the_same_seed_teaches_the_same_with_an_adversary(learn, tmp_path):
    found = []
    for i, seed in enumerate((3, 3, 4)):
        torch.manual_seed(i)  # what other parts drew before is of no matter
        found.append(learn("gan", work=tmp_path / str(i), seed=seed)[0])
    assert found[0] == found[1] != found[2]


def test_another_teacher_has_students_of_its_own(learn, small_folder, tmp_path):
    first, told = learn("guided")
    model, texts = sd3.load(small_folder)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.1)
    sd3.save(tmp_path / "other", model, texts)
    second, retold = learn("guided", teacher=tmp_path / "other")
    assert second != first
    losses = [[row["loss"] for c in t["curves"].values() for row in c] for t in (told, retold)]
    assert losses[0] != losses[1]


def test_another_recipe_is_learned_anew(learn, monkeypatch):
    kept, (phase,) = {learn("guided")[0]}, distil.STUDENTS["guided"].phases
    for other in (
        Student(2, (replace(phase, rate=phase.rate / 2),)),
        Student(1, (phase,)),
        Student(2, (replace(phase, steps=300),)),
    ):
        monkeypatch.setattr(distil, "STUDENTS", {"guided": other})
        kept.add(learn("guided")[0])
    assert len(kept) == 4


def test_paths_come_with_their_own_captions(quick, small_folder, monkeypatch, tmp_path):
    def numbered(guide, teacher, ids, *, work):
        ids = torch.arange(len(ids))[:, None].expand_as(ids)
        points = ids[:, :1, None, None, None].expand(-1, POINTS + 1, *SHAPE).half().numpy()
        return Trajectories(points, ids)

    monkeypatch.setattr(distil, "trajectories", numbered)
    found = Teaching(small_folder, tmp_path, short=True)
    for seed in range(9):
        points, ids = found.path(lot(seed))
        assert points.shape == (2, POINTS + 1, *SHAPE)
        assert torch.equal(points[:, 0, 0, 0, 0], ids[:, 0].float())
