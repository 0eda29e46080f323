"""Which battle a rater gets next: a rating, or at the stated rates a check on the rater."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from arena import rules, sampling
from arena.examples import Examples, Opening, competes
from arena.facts import Facts
from arena.facts.battles import Shown
from arena.facts.counts import Count
from arena.protocol import Criterion, Outcome, Protocol
from arena.records import Battle, Entry, Purpose, Rater, Study

HEARD_EVERY = 10
"""Draws between two looks at the answers, for rules that follow them."""


class Dealer:
    """The draws of one study; it remembers what was drawn, and reads only what came since."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self.field = sampling.Field(e for e in entries if competes(e))
        self.forget()

    def forget(self) -> None:
        """Read the history anew next time, for a transaction failed that this one counted."""
        self._histories: dict[Criterion, sampling.History] = defaultdict(sampling.History)
        self._last_battle = self._last_release = 0

    def draw(self, facts: Facts, key: int, study: Study, rater: Rater) -> Opening | None:
        """Draw the next battle of a rater; None when nothing is left to ask."""
        given = facts.given(key, rater)
        rng = random.Random(f"{study.seed}/{rater.id}/{len(given)}")
        draws, chance = study.protocol.draws, rng.random()
        if chance < draws.gold_rate:
            check = self._gold(study.protocol, given, rng)
        elif chance < draws.gold_rate + draws.repeat_rate:
            check = self._repeat(facts, key, study.protocol, rater, given, rng)
        else:
            check = None
        return check or self._rating(facts, key, study, given)

    def examples(self, protocol: Protocol, use: str) -> Examples:
        """Return the protocol's examples of one use with their pictures."""
        return Examples(protocol.examples_for(use), self._entries)

    def _gold(
        self, protocol: Protocol, given: Sequence[Shown], rng: random.Random
    ) -> Opening | None:
        known = protocol.examples_for("gold")
        seen = {s.example for s in given if s.purpose is Purpose.GOLD}
        fresh = [number for number in known if number not in seen]
        if not fresh:
            return None
        return self.examples(protocol, "gold").opening(rng.choice(fresh), Purpose.GOLD, rng)

    def _repeat(
        self,
        facts: Facts,
        key: int,
        protocol: Protocol,
        rater: Rater,
        given: Sequence[Shown],
        rng: random.Random,
    ) -> Opening | None:
        repeated = {s.repeat_of for s in given}
        latest = len(given) - protocol.draws.repeat_gap
        asked = {q.id for q in protocol.criteria}
        earlier = [
            battle
            for battle, _ in facts.answers(key, rater, Purpose.RATING)
            if battle.id not in repeated and battle.ordinal < latest and battle.criterion in asked
        ]
        return again(rng.choice(earlier), swapped=True) if earlier else None

    def _rating(
        self, facts: Facts, key: int, study: Study, given: Sequence[Shown]
    ) -> Opening | None:
        self._catch_up(facts, key)
        seen = {sampling.key(s.left_id, s.right_id) for s in given}
        drawn = sum(h.drawn for h in self._histories.values())
        rng = sampling.generator(study.seed, drawn)
        chosen = _rule(study.protocol)
        for criterion, chance in _in_turn(study.criteria, self._histories, rng):
            history = self._histories[criterion]
            full = _full(history, study.protocol.draws.votes_per_pair)
            if chosen.listens and (history.drawn % HEARD_EVERY == 0 or not history.answers):
                _listen(history, facts.counts(key, None, criterion))
            found = sampling.draw(self.field, history, seen | full, rng, chosen)
            if found is not None:
                drawn_at = sampling.Draw(found.left, found.right, found.probability * chance)
                return Opening(drawn_at, criterion)
        return None

    def _catch_up(self, facts: Facts, key: int) -> None:
        for shown in facts.battles_after(key, self._last_battle):
            self._last_battle = shown.id
            self._count(shown, 1)
        for event, shown in facts.released_after(key, self._last_release):
            self._last_release = event
            self._count(shown, -1)

    def _count(self, shown: Shown, times: int) -> None:
        pair = self.field.by_key.get(sampling.key(shown.left_id, shown.right_id))
        if pair is None:
            return
        history, first_is_left = self._histories[shown.criterion], shown.left_id == pair.first.id
        if times > 0:
            history.add(pair, first_is_left=first_is_left)
        else:
            history.take_back(pair, first_is_left=first_is_left)


def again(battle: Battle, *, swapped: bool = False) -> Opening:
    """Ask a battle again: swapped as a repetition, else in the same sides after an undo."""
    chance = battle.draw_probability or 1
    if swapped:
        drawn = sampling.Draw(battle.right, battle.left, chance)
        return Opening(drawn, battle.criterion, Purpose.REPEAT, repeat_of=battle.id)
    return Opening(
        sampling.Draw(battle.left, battle.right, chance),
        battle.criterion,
        battle.purpose,
        expected=battle.expected,
        repeat_of=battle.repeat_of,
        example=battle.example,
        redo_of=battle.id,
    )


def _in_turn(
    criteria: Sequence[Criterion],
    histories: dict[Criterion, sampling.History],
    rng: random.Random,
) -> list[tuple[Criterion, float]]:
    """Order criteria from the least asked, equals by chance, with the chance of coming first.

    A criterion whose turn comes because those before it have nothing left was certain to come.
    """
    if len(criteria) == 1:
        return [(criteria[0], 1.0)]
    asked = {c: histories[c].drawn for c in criteria}
    least = [c for c in criteria if asked[c] == min(asked.values())]
    order = sorted(criteria, key=lambda c: (asked[c], rng.random()))
    return [(c, 1 / len(least) if c in least else 1.0) for c in order]


def _rule(protocol: Protocol) -> rules.Rule:
    draws = protocol.draws
    return rules.rule(draws.rule, **({} if draws.rule == "balanced" else {"floor": draws.floor}))


def _listen(history: sampling.History, counts: Sequence[Count]) -> None:
    """Hear the answers anew, from the kept counts of the votes that stand."""
    history.answers = {}
    for count in counts:
        turned = count.left > count.right
        match = (count.right, count.left) if turned else (count.left, count.right)
        outcome = Outcome(count.outcome)
        history.hear(match, outcome, first_is_left=not turned, times=count.votes)


def _full(history: sampling.History, votes_per_pair: int | None) -> set[sampling.Key]:
    if votes_per_pair is None:
        return set()
    return {pair for pair, count in history.pairs.items() if count >= votes_per_pair}
