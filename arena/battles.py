"""The rules of a study: raters go its way, the server opens battles, each is answered once."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from arena import conditions, phases, refusals, releasing
from arena.clock import before, now, passed
from arena.dealing import Dealer, again
from arena.examples import Opening
from arena.facts import Facts
from arena.records import (
    COUNTED,
    Battle,
    Ending,
    Feedback,
    Lesson,
    Outcome,
    Phase,
    PhaseKind,
    Progress,
    Purpose,
    Rater,
    Study,
    Vote,
)
from arena.refusals import Reason, Refusal
from arena.store import Store
from evalkit.errors import StudyError

TOKEN_BYTES = 18
"""144 random bits: nobody guesses the name of another's battle."""

SWEEP_SECONDS = 60
"""How often battles that nobody came back to are looked for."""


LANGUAGE = "language"
"""The kind of event that says in which language a rater reads the page."""

MADE_UP = "made_up"
"""The kind of event that says of a rater that a program answers: who keeps the database says so."""


_BEFORE_BATTLES = (PhaseKind.CONSENT, PhaseKind.INSTRUCTIONS, PhaseKind.TRAINING)


class Arena:
    """One study being held: the only way to change it. Safe for threads and several processes."""

    def __init__(self, store: Store, name: str, *, clock: Callable[[], str] = now) -> None:
        self._store = store
        self._name = name
        self._clock = clock
        with store.reading() as facts:
            key, self.study = facts.study(name)
            self._dealer = Dealer(facts.entries(key))
        self._swept = ""
        self._drawing = Lock()

    @property
    def pairs(self) -> int:
        """How many pairs of pictures the study can ask about."""
        return len(self._dealer.field)

    # Raters and their way

    def enter(self, key: str) -> Rater:
        """Return the rater behind a secret, on the first visit a new one."""
        return self._enter(lambda facts: facts.rater(key), _new_label(), key)

    def known(self, key: str) -> Rater | None:
        """Return the rater behind a secret, if there is one."""
        with self._store.reading() as facts:
            return facts.rater(key)

    def arrive(self, person: str, submission: str) -> Rater:
        """Return the rater whom a panel sent, the same on every device; note the submission."""
        rater = self.enter(person)
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            facts.visits.add(key, rater, submission, at=self._clock())
        return rater

    def bind(self, check: str) -> None:
        """Keep to one secret: under another, everybody would come back as somebody new."""
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            known = facts.visits.secret(key)
            if known is None:
                facts.visits.keep_secret(key, check)
            elif known != check:
                raise StudyError(
                    f"The people of the study {self._name!r} are kept under another secret than "
                    "the one in the environment: whoever came before would be somebody new. Put "
                    "the earlier secret back."
                )

    def enter_as(self, label: str) -> Rater:
        """Return the rater of a public name that no secret opens: a program, or an import."""
        return self._enter(lambda facts: facts.rater_labelled(label), label, None)

    def make_up(self, label: str, key: str) -> Rater:
        """Return the simulated rater of a secret, marked before the first visit.

        Every vote under this secret counts as simulated, whichever door it comes by.
        """
        with self._store.writing() as facts:
            study, _ = facts.study(self._name, lock=True)
            rater = facts.rater(key)
            if rater is None and facts.rater_labelled(label):
                raise StudyError(
                    f"A rater called {label!r} has voted here, and not by the page. Take other "
                    "raters with another --seed."
                )
            rater = rater or facts.add_rater(label, key)
            if not facts.path(study, rater, MADE_UP):
                facts.add_event(study, MADE_UP, at=self._clock(), by=rater)
        return rater

    def phase(self, rater: Rater, *, ahead: int = 0, submission: str | None = None) -> Phase:
        """Return where a rater is and all that the page may show there.

        ``submission`` is the panel's, as a keyed hash: each is sent back for its own work alone.
        """
        with self._store.reading() as facts:
            key, study = facts.study(self._name)
            way, kind = self._where(facts, key, study, rater)
            held = facts.open_battles(key, rater) if kind is PhaseKind.BATTLE else []
            if kind in _BEFORE_BATTLES and not way.done and self._is_full(facts, key, study):
                kind = PhaseKind.DONE  # told at the door, and not after training for nothing
        if kind is PhaseKind.BATTLE:
            battles = self._enough(rater, held, ahead)
            if battles:
                return self._at_battle(study, battles, way)
            kind = self._where_now(rater)  # another tab may have answered, or somebody closed it
            kind = PhaseKind.DONE if kind is PhaseKind.BATTLE else kind
        if kind is PhaseKind.INSTRUCTIONS:
            return self._at_instructions(study, rater, way)
        if kind is PhaseKind.TRAINING:
            return self._at_training(study, rater, way)
        return self._elsewhere(study, rater, way, kind, submission)

    def consent(self, rater: Rater) -> None:
        """Record that a rater agrees to take part; twice is once."""
        self._step(rater, phases.CONSENT, PhaseKind.CONSENT, PhaseKind.DECLINED)

    def decline(self, rater: Rater) -> None:
        """Record that a rater does not agree, which a later consent takes back."""
        self._step(rater, phases.DECLINE, PhaseKind.CONSENT)

    def finish_instructions(self, rater: Rater) -> None:
        """Record that a rater has read the instructions."""
        self._step(rater, phases.INSTRUCTED, PhaseKind.INSTRUCTIONS)

    def end_break(self, rater: Rater) -> None:
        """Go on after a pause."""
        self._step(rater, phases.REST, PhaseKind.BREAK)

    def language(self, rater: Rater) -> str | None:
        """Return the language in which a rater read the page last; None: not yet."""
        with self._store.reading() as facts:
            return _language(facts, facts.study(self._name)[0], rater)

    def speak(self, rater: Rater, language: str) -> None:
        """Record in which language a rater reads the page from now on; twice is once."""
        if self.language(rater) == language:
            return
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            if _language(facts, key, rater) != language:
                detail = {"language": language}
                facts.add_event(key, LANGUAGE, at=self._clock(), by=rater, detail=detail)

    def answer_training(self, token: str, rater: Rater, outcome: Outcome) -> Feedback:
        """Record the answer to a training item and return what would have been right.

        The last item of an attempt decides: trained, another attempt, or thanked and let go.
        """
        with self._store.writing() as facts:
            key, study = facts.study(self._name, lock=True)
            battle = self._own(facts, token, rater)
            if battle.purpose is not Purpose.TRAINING or battle.expected is None:
                raise Refusal(Reason.NOT_NOW, "This battle is no training. Reload the page.")
            earlier = facts.vote(battle.id)
            if earlier is None:
                conditions.allowed(study.protocol, outcome)
                at = self._clock()
                made_up = _made_up(facts, key, rater)
                vote = Vote(battle_id=battle.id, outcome=outcome, cast_at=at, simulated=made_up)
                facts.add_vote(vote)
                self._judge_training(facts, key, study, rater)
            elif earlier.outcome is not outcome:
                raise refusals.answered(earlier.outcome)
        example = study.protocol.examples[battle.example or 0]
        return Feedback(
            battle=battle,
            question=study.protocol.question(battle.criterion),
            outcome=outcome,
            expected=battle.expected,
            why=example.why,
        )

    # Battles

    def open(self, rater: Rater) -> Battle | None:
        """Return the battle to answer now, left open or new; None when nothing is left to ask."""
        return next(iter(self.deal(rater)), None)

    def deal(self, rater: Rater, ahead: int = 0) -> tuple[Battle, ...]:
        """Return the battle to answer now and so many of the next, to be fetched beforehand.

        None of them before consent, instructions and training, or in a pause.
        """
        with self._store.reading() as facts:
            key, study = facts.study(self._name)
            if self._where(facts, key, study, rater)[1] is not PhaseKind.BATTLE:
                return ()
            held = facts.open_battles(key, rater)
        return self._enough(rater, held, ahead)

    def _enough(self, rater: Rater, held: list[Battle], ahead: int) -> tuple[Battle, ...]:
        """Return what a rater holds, or draw what is missing."""
        if len(held) > ahead:
            return tuple(held[: 1 + ahead])
        with self._drawing:
            try:
                with self._store.writing() as facts:
                    return self._top_up(facts, rater, 1 + ahead)
            except BaseException:
                self._dealer.forget()  # it may count what was undone
                raise

    def cast(
        self,
        token: str,
        rater: Rater,
        outcome: Outcome,
        *,
        seconds: float | None = None,
        simulated: bool = False,
        language: str | None = None,
    ) -> Vote:
        """Record the answer to an open battle of this rater.

        The same answer again is the same vote and is returned; another answer is refused. The
        vote is on disk when this returns.
        """
        with self._store.writing() as facts:
            battle = self._own(facts, token, rater)
            if battle.purpose not in COUNTED:
                raise Refusal(Reason.NOT_NOW, "This battle takes no vote. Reload the page.")
            if (earlier := facts.vote(battle.id)) is not None:
                return conditions.same(facts, battle, earlier, outcome)
            key, study = conditions.still_open(facts, battle)
            conditions.allowed(study.protocol, outcome)
            at = self._clock()
            conditions.unhurried(facts, key, study, battle, at)
            vote = Vote(
                battle_id=battle.id,
                outcome=outcome,
                cast_at=at,
                seconds=conditions.plausible(seconds, battle.opened_at, at),
                simulated=simulated or _made_up(facts, key, rater),
                language=language,
            )
            facts.add_vote(vote)
        return vote

    def skip(self, token: str, rater: Rater) -> None:
        """Pass over an open battle of this rater; twice is once."""
        with self._store.writing() as facts:
            self._pass_over(facts, self._own(facts, token, rater), rater)

    def report(self, token: str, rater: Rater, side: str, reason: str = "", note: str = "") -> None:
        """Record that something is wrong with a picture, and pass over its battle.

        The reason is a word of the page's list; the note is the rater's own.
        """
        if side not in ("left", "right", "both"):
            raise Refusal(Reason.NOT_ALLOWED, "Say which picture: left, right or both.")
        with self._store.writing() as facts:
            battle = self._own(facts, token, rater)
            if facts.happened("report", battle):
                return
            key = self._pass_over(facts, battle, rater)
            said = {"side": side, "reason": reason.strip()[:500], "note": note.strip()[:500]}
            facts.add_event(key, "report", at=self._clock(), of=battle, by=rater, detail=said)

    def undo(self, rater: Rater, *, shown: str | None = None) -> Battle | None:
        """Void the rater's last answer and ask the same again, as a new battle in the same sides.

        The void vote stays in the database beside the event that voids it. Nothing is undone when
        the battle to answer is not the one ``shown`` ("" for none): the request came twice.
        """
        with self._store.writing() as facts:
            key, study = facts.study(self._name, lock=True)
            if conditions.is_closed(facts, key):
                raise refusals.closed()
            self._refuse_undo_of_paid(facts, key, study, rater)
            waiting = next(iter(facts.open_battles(key, rater)), None)
            if shown is not None and (waiting.token if waiting else "") != shown:
                return None
            last = facts.last_answered(key, rater)
            if last is None:
                raise Refusal(Reason.NOTHING_TO_UNDO, "There is no answer to undo.")
            facts.add_event(key, "undo", at=self._clock(), of=last, by=rater)
            return self._record(facts, key, rater, again(last))

    def find(self, token: str, rater: Rater) -> Battle:
        """Return a battle of this rater by the name the browser knows."""
        with self._store.reading() as facts:
            return conditions.own(facts, self._name, token, rater, lock=False)

    def progress(self, rater: Rater) -> Progress:
        """Count what a rater has answered, and of how many."""
        with self._store.reading() as facts:
            key, study = facts.study(self._name)
            done, closed = facts.count_votes(key, rater), conditions.is_closed(facts, key)
        return self._progress(study, done, closed=closed)

    def release(self, rater: Rater) -> int:
        """Give back what a rater left open, who returned the task; say how many battles.

        A vote that comes later on one of them is refused, for somebody else is asked.
        """
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            held = facts.open_battles(key, rater)
            at = self._clock()
            given_back = sum(releasing.give_back(facts, key, battle, at) for battle in held)
            facts.add_event(key, phases.RETURN, at=at, by=rater)
        return given_back

    def idle(self, minutes: float) -> list[Rater]:
        """Return the raters who left battles open and did nothing for so long."""
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            return facts.idle_since(key, before(self._clock(), minutes=minutes))

    def labelled(self, label: str) -> Rater:
        """Return the rater of a public name; raise StudyError if there is none."""
        with self._store.reading() as facts:
            found = facts.rater_labelled(label)
        if found is None:
            raise StudyError(f"No rater is called {label!r}. See them all with: arena raters")
        return found

    # The study as a whole

    def close(self) -> None:
        """Take no more answers, until the study is opened again."""
        self._mark("close")

    def reopen(self) -> None:
        """Take answers again."""
        self._mark("reopen")

    def note(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Write something about the whole study into it; the same again is written once."""
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            if detail not in [e.detail for e in facts.events(key, kind)]:
                facts.add_event(key, kind, at=self._clock(), detail=detail)

    def noted(self, kind: str) -> list[dict[str, Any]]:
        """Return what was noted about the study, oldest first."""
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            return [e.detail for e in facts.events(key, kind)]

    # Inside, the way

    def _where(
        self, facts: Facts, key: int, study: Study, rater: Rater
    ) -> tuple[phases.Way, PhaseKind]:
        steps = facts.path(key, rater, *phases.STEPS)
        rested = [e.detail.get("done", 0) for e in steps if e.kind == phases.REST]
        done = facts.count_votes(key, rater)
        way = phases.Way(tuple(e.kind for e in steps), done, rested[-1] if rested else 0)
        limit = phases.quota(study.protocol, self.pairs)
        return way, phases.kind(
            study.protocol, way, limit=limit, closed=conditions.is_closed(facts, key)
        )

    def _is_full(self, facts: Facts, key: int, study: Study) -> bool:
        """Say whether every pair certainly has its votes: they stand, and are not only asked."""
        each = study.protocol.draws.votes_per_pair
        if each is None or not self.pairs:
            return False
        for criterion in study.criteria:  # the kept counts are at hand: most studies end here
            if sum(c.votes for c in facts.counts(key, None, criterion)) < each * self.pairs:
                return False
        found = facts.survey.pairs(key, each)
        return all(found.get(c, (0, 0))[1] >= self.pairs for c in study.criteria)

    def _where_now(self, rater: Rater) -> PhaseKind:
        with self._store.reading() as facts:
            key, study = facts.study(self._name)
            return self._where(facts, key, study, rater)[1]

    def _step(self, rater: Rater, step: str, *at: PhaseKind) -> None:
        """Take a step of the way where it is due; elsewhere it was taken, or never asked for."""
        with self._store.writing() as facts:
            key, study = facts.study(self._name, lock=True)
            way, kind = self._where(facts, key, study, rater)
            if kind in at:
                detail = {"done": way.done, "protocol": study.protocol.digest}
                facts.add_event(key, step, at=self._clock(), by=rater, detail=detail)

    def _at_battle(self, study: Study, battles: tuple[Battle, ...], way: phases.Way) -> Phase:
        battle = battles[0]
        return Phase(
            kind=PhaseKind.BATTLE,
            progress=self._progress(study, way.done),
            battle=battle,
            question=study.protocol.question(battle.criterion),
            upcoming=battles[1] if len(battles) > 1 else None,
            outcomes=study.protocol.outcomes,
            minimum_seconds=study.protocol.raters.minimum_seconds,
            can_undo=battle.ordinal > 0,
        )

    def _at_instructions(self, study: Study, rater: Rater, way: phases.Way) -> Phase:
        known = study.protocol.examples_for("example")
        shown = self._given(rater, Purpose.EXAMPLE, known)
        lessons = tuple(
            Lesson(
                battle=b,
                question=study.protocol.question(b.criterion),
                expected=b.expected,
                why=known[b.example].why,
            )
            for b in shown
            if b.expected is not None and b.example is not None
        )
        return Phase(
            kind=PhaseKind.INSTRUCTIONS,
            progress=self._progress(study, way.done),
            text=study.protocol.instructions,
            lessons=lessons,
        )

    def _at_training(self, study: Study, rater: Rater, way: phases.Way) -> Phase:
        items = list(study.protocol.examples_for("training"))
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            answered = len(facts.answers(key, rater, Purpose.TRAINING))
            shown = facts.shown_for(key, rater, Purpose.TRAINING)
            if len(shown) == answered:
                number = items[answered % len(items)]
                shown.append(self._open_example(facts, key, study, rater, Purpose.TRAINING, number))
        return Phase(
            kind=PhaseKind.TRAINING,
            progress=self._progress(study, way.done),
            battle=shown[-1],
            question=study.protocol.question(shown[-1].criterion),
            training=Progress(done=answered % len(items), total=len(items), counted=True),
            outcomes=study.protocol.outcomes,
        )

    def _elsewhere(
        self, study: Study, rater: Rater, way: phases.Way, kind: PhaseKind, submission: str | None
    ) -> Phase:
        rules, closed = study.protocol, kind is PhaseKind.CLOSED
        phase = Phase(
            kind=kind,
            progress=self._progress(study, way.done, closed=closed),
            text=rules.consent if kind is PhaseKind.CONSENT else "",
            can_undo=kind is not PhaseKind.SCREENED_OUT and not closed and way.done > 0,
        )
        if kind not in (PhaseKind.DONE, PhaseKind.SCREENED_OUT, PhaseKind.CLOSED):
            back = phases.declined(rules) if kind is PhaseKind.DECLINED else None
            return phase.model_copy(update={"completion": back})
        end = self._ending(study, rater, way, kind)
        if self._complete(rater, end, way.done, submission):
            back = phases.completion(rules, end, way.done)
        else:
            end, back = Ending.EARLIER, None
        # What was paid for stays as it is.
        can_undo = phase.can_undo and rules.panel is None
        update = {"ending": end, "completion": back, "can_undo": can_undo}
        return phase.model_copy(update=update)

    def _ending(self, study: Study, rater: Rater, way: phases.Way, kind: PhaseKind) -> Ending:
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            checks = facts.answers(key, rater, Purpose.GOLD)
        passed = phases.passed_checks(study.protocol, ((b.expected, v.outcome) for b, v in checks))
        limit = phases.quota(study.protocol, self.pairs)
        return phases.ending(kind, way, limit=limit, pairs=self.pairs, passed=passed)

    def _complete(self, rater: Rater, end: Ending, done: int, submission: str | None) -> bool:
        """Record once how a rater came to an end; say whether this submission is the one to pay.

        It is the one with which a rater who had answered something first came to any end.
        """
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            place = facts.visits.place(key, rater, submission)
            ends = _ends(facts, key, rater)
        if end not in [e["ending"] for e in ends]:
            with self._store.writing() as facts:
                key, _ = facts.study(self._name, lock=True)
                ends = _ends(facts, key, rater)
                if end not in [e["ending"] for e in ends]:
                    ends.append({"ending": end.value, "visit": place, "answered": done})
                    at = self._clock()
                    facts.add_event(key, phases.COMPLETE, at=at, by=rater, detail=ends[-1])
        paid = [e.get("visit") for e in ends if e.get("answered")]
        return not paid or paid[0] == place

    def _given(self, rater: Rater, purpose: Purpose, wanted: Mapping[int, Any]) -> list[Battle]:
        """Return a rater's battles on all wanted examples, opened where they are new."""
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            shown = {b.example: b for b in facts.shown_for(key, rater, purpose)}
        if not wanted.keys() <= shown.keys():
            with self._store.writing() as facts:
                key, study = facts.study(self._name, lock=True)
                shown = {b.example: b for b in facts.shown_for(key, rater, purpose)}
                for number in wanted.keys() - shown.keys():
                    opened = self._open_example(facts, key, study, rater, purpose, number)
                    shown[number] = opened
        return [shown[number] for number in wanted]

    def _open_example(
        self, facts: Facts, key: int, study: Study, rater: Rater, purpose: Purpose, number: int
    ) -> Battle:
        rng = random.Random(f"{study.seed}/{rater.id}/{purpose}/{number}/{self._clock()}")
        examples = self._dealer.examples(study.protocol, purpose.value)
        return self._record(facts, key, rater, examples.opening(number, purpose, rng))

    def _judge_training(self, facts: Facts, key: int, study: Study, rater: Rater) -> None:
        items, training = len(study.protocol.examples_for("training")), study.protocol.training
        answers = facts.answers(key, rater, Purpose.TRAINING)
        if len(answers) % items:
            return
        last = answers[-items:]
        if phases.passed_training(study.protocol, (b.expected is v.outcome for b, v in last)):
            facts.add_event(key, phases.TRAINED, at=self._clock(), by=rater)
        elif len(answers) >= items * training.attempts:
            facts.add_event(key, phases.SCREEN_OUT, at=self._clock(), by=rater)

    def _refuse_undo_of_paid(self, facts: Facts, key: int, study: Study, rater: Rater) -> None:
        if study.protocol.panel and any(e.get("answered") for e in _ends(facts, key, rater)):
            raise Refusal(Reason.NOT_NOW, "You have finished, and your answers stand.")

    # Inside, the battles

    def _mark(self, kind: str) -> None:
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            facts.add_event(key, kind, at=self._clock())

    def _enter(self, find: Callable[[Facts], Rater | None], label: str, key: str | None) -> Rater:
        with self._store.reading() as facts:
            known = find(facts)
        if known is not None:
            return known
        with self._store.writing() as facts:
            facts.study(self._name, lock=True)  # two first requests of one browser make one rater
            return find(facts) or facts.add_rater(label, key)

    def _progress(self, study: Study, done: int, *, closed: bool = False) -> Progress:
        limit = phases.quota(study.protocol, self.pairs)
        total = self.pairs if limit is None else limit
        return Progress(done=done, total=total, closed=closed, counted=limit is not None)

    def _top_up(self, facts: Facts, rater: Rater, wanted: int) -> tuple[Battle, ...]:
        key, study = facts.study(self._name, lock=True)
        self._sweep(facts, key, study, rater)
        held = facts.open_battles(key, rater)
        room, limit = wanted - len(held), phases.quota(study.protocol, self.pairs)
        if limit is not None:
            room = min(room, limit - facts.count_votes(key, rater) - len(held))
        for _ in range(room):
            drawn = self._dealer.draw(facts, key, study, rater)
            if drawn is None:
                break
            held.append(self._record(facts, key, rater, drawn))
        return tuple(held[:wanted])

    def _sweep(self, facts: Facts, key: int, study: Study, rater: Rater) -> None:
        at = self._clock() if releasing.expires(study.protocol) else ""
        if at and (not self._swept or passed(self._swept, at) >= SWEEP_SECONDS):
            releasing.sweep(facts, key, study.protocol, rater, at)
            self._swept = at

    def _record(self, facts: Facts, key: int, rater: Rater, opening: Opening) -> Battle:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        row = {
            "left_id": opening.drawn.left.id,
            "right_id": opening.drawn.right.id,
            "rater_id": rater.id,
            "ordinal": facts.count_given(key, rater),
            "opened_at": self._clock(),
            "draw_probability": opening.drawn.probability,
            "token": token,
            "redo_of": opening.redo_of,
            "criterion": opening.criterion,
            "purpose": opening.purpose.value,
            "expected": opening.expected.value if opening.expected else None,
            "repeat_of": opening.repeat_of,
            "example": opening.example,
            "protocol_id": facts.protocol(key)[0],
        }
        facts.add_battles(key, [row])
        return self._own(facts, token, rater)

    def _own(self, facts: Facts, token: str, rater: Rater) -> Battle:
        return conditions.own(facts, self._name, token, rater)

    def _pass_over(self, facts: Facts, battle: Battle, rater: Rater) -> int:
        key, _ = facts.study(self._name)
        if facts.happened("skip", battle):
            return key
        if battle.purpose not in COUNTED:
            raise Refusal(Reason.NOT_NOW, "This battle cannot be passed over.")
        if (earlier := facts.vote(battle.id)) is not None:
            raise refusals.answered(earlier.outcome)
        conditions.still_open(facts, battle)
        facts.add_event(key, "skip", at=self._clock(), of=battle, by=rater)
        return key


def _language(facts: Facts, key: int, rater: Rater) -> str | None:
    chosen = facts.path(key, rater, LANGUAGE)
    return chosen[-1].detail.get("language") if chosen else None


def _made_up(facts: Facts, key: int, rater: Rater) -> bool:
    return bool(facts.path(key, rater, MADE_UP))


def _new_label() -> str:
    """Make up a public name that says nothing of the person or of the order of arrival."""
    return f"rater-{secrets.token_hex(5)}"


def _ends(facts: Facts, key: int, rater: Rater) -> list[dict[str, Any]]:
    """Return how a rater came to an end, oldest first: with which visit, having answered what."""
    return [e.detail for e in facts.path(key, rater, phases.COMPLETE)]
