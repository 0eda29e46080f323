"""The laws of one vote: how likely each outcome is, given two strengths and a tie parameter.

With l and r the log-strengths of what stood left and right (plus and minus half the side effect),
x = l - r, and outcomes in the order left, right, tie, both bad:

- ``Logit``: exp(l) : exp(r) : nu exp((l + r) / 2), and : 1 where the law is grounded. Ungrounded
  it is Davidson (1970, JASA 65(329):317-328) with the order effect of Davidson and Beaver (1977,
  Biometrics 33(4):693-702), and nu = 0 with a tie as half a win each is Bradley-Terry. Grounded,
  "both bad" is an alternative of strength 0 that each picture must beat: whoever meets, a picture
  is preferred exp(l) times as often as both are called bad. Exponential families, hence concave.
- ``Threshold``: P(left) = s(x - eta), P(right) = s(-x - eta), the rest is a tie; s is the
  logistic function and eta = log kappa >= 0. Rao and Kupper (1967, JASA 62(317):194-204).
  P(tie) = (1 - exp(-2 eta)) s(x + eta) s(eta - x), so every log-probability is concave in
  (l, r, eta).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from arena.tally import Floats

ABSENT = -1e5
"""The tie parameter where no vote is a tie: exp of it is exactly zero, times it no NaN."""
OUTSIDE = -1e200
"""A log-probability outside a law's domain: no step leads there, and no NaN comes of it."""
DOMAIN = (1e-150, 300.0)
"""Where the threshold's derivatives neither divide by zero nor overflow."""


class Law(Protocol):
    """What a fit needs of a law.

    Strengths are B x pairs, the tie parameter B x 1; outcomes come first, so that sums over them
    run along whole tables. Derivatives are to (left strength, right strength, tie parameter),
    second ones in the order ll, rr, lr, lt, rt, tt.
    """

    def log_chances(self, left: Floats, right: Floats, tie: Floats) -> Floats:
        """Return n x B x pairs log-probabilities, ``OUTSIDE`` where the law is not defined."""
        ...

    def pull(self, counts: Floats, chance: Floats, tie: Floats) -> Floats:
        """Return the first derivatives of these votes' log-likelihood, 3 x B x pairs."""
        ...

    def curvature(self, counts: Floats, chance: Floats, tie: Floats) -> Floats:
        """Return minus the second derivatives, 6 x B x pairs."""
        ...

    def start(self, share: Floats) -> Floats:
        """Return the tie parameter at which equal models tie in this share of their votes."""
        ...


class Logit:
    """Davidson, Bradley-Terry, and both with "both bad" as an outcome of its own (grounded)."""

    def __init__(self, *, ground: bool) -> None:
        weights = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 1], [0, 0, 0]])[: 3 + ground]
        self._outcomes = len(weights)
        self._one, self._other = np.triu_indices(len(weights), 1)
        # Derivatives are sums over pairs of outcomes, with nothing subtracted from one, so that a
        # saturated vote keeps its direction.
        self._apart = (weights[self._one] - weights[self._other]).T
        self._squared = self._apart[[0, 1, 0, 0, 1, 2]] * self._apart[[0, 1, 1, 2, 2, 2]]

    def log_chances(self, left: Floats, right: Floats, tie: Floats) -> Floats:
        """Normalise the logits."""
        logits = np.zeros((self._outcomes, *left.shape))
        logits[0], logits[1] = left, right
        logits[2] = (left + right) / 2 + tie
        logits -= logits.max(axis=0)
        logits -= np.log(np.exp(logits).sum(axis=0))
        return logits

    def pull(self, counts: Floats, chance: Floats, tie: Floats) -> Floats:  # noqa: ARG002
        """Return the first derivatives, which do not ask for the tie parameter itself."""
        one, other = self._one, self._other
        return _mixed(self._apart, counts[one] * chance[other] - counts[other] * chance[one])

    def curvature(self, counts: Floats, chance: Floats, tie: Floats) -> Floats:  # noqa: ARG002
        """Return minus the second derivatives, the same whatever the outcomes."""
        both = chance[self._one] * chance[self._other]
        return _mixed(self._squared, both * counts.sum(axis=0))

    def start(self, share: Floats) -> Floats:
        """Invert share = nu / (2 + nu)."""
        start: Floats = np.log(2 * share / (1 - share))
        return start


class Threshold:
    """Rao-Kupper: a difference within the threshold is a tie. Only for votes with ties.

    Without any tie eta = 0 is the maximum, as every log-chance of a win falls in eta; that is
    Bradley-Terry.
    """

    def log_chances(self, left: Floats, right: Floats, tie: Floats) -> Floats:
        """Return the wins by the logistic function, and the tie as what they leave."""
        gap = left - right
        out = np.empty((3, *gap.shape))
        out[0], out[1] = _log_logistic(gap - tie), _log_logistic(-gap - tie)
        # log s(eta - x) = log s(x - eta) + eta - x, and alike on the other side.
        out[2] = out[0] + out[1] + 2 * tie
        out[2] += np.where(tie > 0, np.log(-np.expm1(-2 * np.clip(tie, *DOMAIN))), OUTSIDE)
        return out

    def pull(self, counts: Floats, chance: Floats, tie: Floats) -> Floats:
        """Return the first derivatives, by way of the two arguments of the logistic function."""
        left, right, ties = chance
        up = counts[0] * (right + ties) - counts[2] * left
        down = counts[1] * (left + ties) - counts[2] * right
        within = 2 * counts[2] / np.expm1(2 * np.clip(tie, *DOMAIN))
        return np.stack([up - down, down - up, within - up - down])

    def curvature(self, counts: Floats, chance: Floats, tie: Floats) -> Floats:
        """Return minus the second derivatives; a tie is curved on both sides."""
        left, right, ties = chance
        up = (counts[0] + counts[2]) * left * (right + ties)
        down = (counts[1] + counts[2]) * right * (left + ties)
        both, skew = up + down, down - up
        alone = both + counts[2] / np.sinh(np.clip(tie, *DOMAIN)) ** 2
        return np.stack([both, both, -both, skew, -skew, alone])

    def start(self, share: Floats) -> Floats:
        """Invert share = tanh(eta / 2)."""
        start: Floats = np.log1p(share) - np.log1p(-share)
        return start


def _log_logistic(x: Floats) -> Floats:
    log: Floats = np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))
    return log


def _mixed(weights: Floats, tables: Floats) -> Floats:
    """Return sums of tables, one a row of weights."""
    mixed: Floats = weights @ tables.reshape(len(tables), -1)
    return mixed.reshape(len(weights), *tables.shape[1:])


DAVIDSON, GROUNDED, RAO_KUPPER = Logit(ground=False), Logit(ground=True), Threshold()
