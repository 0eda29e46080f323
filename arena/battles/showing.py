"""Where a rater is, and all that the page may show there."""

from __future__ import annotations

from arena import phases
from arena.battles.ends import Ends
from arena.battles.opening import Openings
from arena.battles.training import Training
from arena.records import Battle, Ending, Phase, PhaseKind, Rater, Study

_BEFORE_BATTLES = (PhaseKind.CONSENT, PhaseKind.INSTRUCTIONS, PhaseKind.TRAINING)


class Phases(Openings, Training, Ends):
    """The phases of a study being held."""

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
