"""Examples with a known answer: shown beside the instructions, and asked as training."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from arena import conditions, phases, refusals
from arena.battles.held import Held
from arena.battles.people import is_made_up
from arena.facts import Facts
from arena.records import (
    Battle,
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


class Training(Held):
    """What a study being held teaches before it asks."""

    def answer_training(
        self, token: str, rater: Rater, outcome: Outcome, *, simulated: bool = False
    ) -> Feedback:
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
                if not simulated:  # who is made up looks at nothing
                    conditions.unhurried(facts, key, study, battle, at)
                simulated = simulated or is_made_up(facts, key, rater)
                vote = Vote(battle_id=battle.id, outcome=outcome, cast_at=at, simulated=simulated)
                facts.add_vote(vote)
                self._judge_training(facts, key, study, rater)
            elif earlier.outcome is not outcome:
                raise refusals.answered(earlier.outcome)
            answered = len(facts.answers(key, rater, Purpose.TRAINING))
        example = study.protocol.examples[battle.example or 0]
        return Feedback(
            item=_item(study, answered - 1),
            battle=battle,
            question=study.protocol.question(battle.criterion),
            outcome=outcome,
            expected=battle.expected,
            why=example.why,
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
            training=_item(study, answered),
            outcomes=study.protocol.outcomes,
            minimum_seconds=study.protocol.raters.minimum_seconds,
        )

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


def _item(study: Study, answered: int) -> Progress:
    """Say which item of an attempt comes after so many answers."""
    items = len(study.protocol.examples_for("training"))
    return Progress(done=answered % items, total=items, counted=True)
