"""Plain words say what the records say, with the right numbers and no more."""

from __future__ import annotations

from evalkit import plain
from evalkit.evidence import Circles, Fit, LeftOut, Removal, Share, Without
from tests import boards


def told(**more):
    return " ".join(plain.steadiness(boards.fragility(("a", "b"), **more)))


def test_the_fewest_votes_are_told_first():
    said = plain.lead(boards.fragility(("a", "b")))
    assert said == (
        "a is first, 12 Elo above b, and statistically tied with b. "
        "Removing 7 of 1,800 votes (0.4 %) would change who is first."
    )
    none = (Removal(what="votes", number=None, of=9, searched=0.25),)
    assert plain.easiest(boards.fragility(("a", "b"), removals=none)).startswith("No small part")
    assert plain.easiest(boards.fragility(("a", "b"), removals=())).startswith("No small part")


def test_a_removal_that_was_not_found_has_no_number():
    one = Removal(what="raters", number=None, of=24, searched=0.25)
    assert plain.removal(one) == ("Leave out whole raters", "more than 6 of 24, if any", "–")


def test_what_decides_is_never_nought_percent():
    one = Removal(what="answers", number=1, of=3439, votes=1, first="b", searched=0.25)
    assert plain.removal(one)[1] == "1 of 3,439 (under 0.1 %)"
    assert plain.part(2, 3439) == "0.1 %"
    assert plain.part(0, 9) == "0.0 %"


def test_one_rater_who_decides_is_named():
    one = LeftOut(
        what="rater", of=9, name="r", votes=3, model="a", moved=5, others_first=("r", "s")
    )
    assert "without r and s another model is first" in told(left_out=(one,))
    assert "no single rater decides who is first" in told()
    assert "b by −4 Elo, without r-1 (75 votes)" in told()


def test_rules_say_who_is_first_then_and_alarm():
    gone = Without(
        rule="too-fast", votes_excluded=9, raters_excluded=2, share_of_votes=0.3, first="b",
        ratings={},
    )  # fmt: skip
    said = told(without=(gone,))
    assert "(2 raters, 30.0 % of the votes): b is first; so much is left out" in said
    assert "Nobody breaks the rules one-sided." in said


def test_circles_and_fit():
    assert "never go round in a circle, in 35 triples" in told()
    seen = Circles(triples=35, observed=2, surviving=1, examples=(("a", "b", "c"),))
    assert "2 of 35 triples (a over b over c over a); one is more than chance" in told(cycles=seen)
    assert "no three models all met" in told(cycles=Circles(triples=0, observed=0, surviving=0))
    assert "more than one number a model can tell (p = 0.001)" in told(
        goodness=Fit(p=0.001, status="tested")
    )
    assert "was not tested: too few." in told(goodness=Fit(p=None, status="too few"))


def test_agreement_is_set_beside_people_where_these_are_known():
    said = plain.agreement(boards.concordance())
    assert said.endswith(
        "70 % [65, 75] of the votes for one picture, another rater in 74 % [69, 79]."
    )
    assert "is not known" in plain.agreement(boards.concordance(repeated=False))
    lines = list(plain.ceiling(boards.concordance()))
    assert "the best score there can be would reach 74 to 85 %" in lines[1]
    assert next(plain.ceiling(boards.concordance(repeated=False))).startswith(
        "How far two raters agree is unknown"
    )


def test_what_is_unknown_is_a_dash():
    assert plain.share(None) == plain.share(Share(value=None, votes=0, total=1)) == "–"


def test_help_and_line():
    found = boards.evidence(("a", "b"))
    assert "by 12 %, as 30 % more votes would" in plain.help_of_scores(found.assisted)
    no_help = found.assisted.model_copy(update={"gain": 0.9})
    assert "take the ratings from votes alone" in plain.help_of_scores(no_help)
    assert plain.good_enough(found.line).startswith("0 of 1 models stand surely above the line")
