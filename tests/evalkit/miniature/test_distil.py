"""The students, and whole courses of a tiny teacher."""

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from evalkit.miniature import distil, sd3, selection, students, teaching, train  # noqa: E402
from evalkit.miniature.distil import STUDENTS, Student  # noqa: E402
from evalkit.miniature.lessons import Phase  # noqa: E402
from evalkit.miniature.trajectories import POINTS, Trajectories  # noqa: E402


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
    for module in (distil, teaching):
        monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(teaching, "SHARD", 4)
    monkeypatch.setattr(teaching, "scenes", made_up)
    monkeypatch.setattr(distil, "CHECKS", 1)
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
    shape = (8, 16, 16)

    def numbered(guide, teacher, ids, *, work):
        ids = torch.arange(len(ids))[:, None].expand_as(ids)
        points = ids[:, :1, None, None, None].expand(-1, POINTS + 1, *shape).half().numpy()
        return Trajectories(points, ids)

    monkeypatch.setattr(teaching, "trajectories", numbered)
    found = teaching.Teaching(small_folder, tmp_path, short=True)
    for seed in range(9):
        points, ids = found.path(torch.Generator().manual_seed(seed))
        assert points.shape == (2, POINTS + 1, *shape)
        assert torch.equal(points[:, 0, 0, 0, 0], ids[:, 0].float())
