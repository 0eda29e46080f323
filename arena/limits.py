"""How much one rater, one address, and strangers from one address may ask of this process.

Each process counts for itself: with four of them, four times as much passes.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

REMEMBERED = 50_000
"""Names that one bucket keeps; the ones not heard of for longest go first."""


@dataclass(frozen=True)
class Limit:
    """So many a second over time, and so many at once; None: any number."""

    rate: float | None
    burst: float


@dataclass(frozen=True)
class Limits:
    """The limits of a page. A rater asks three times a vote: the answer and two pictures."""

    rater: Limit = Limit(10, 100)
    address: Limit = Limit(200, 2000)
    """A class or a laboratory may come from one address."""
    newcomers: Limit = Limit(1000 / 3600, 1000)
    """New raters from one address; each could vote."""
    keeper: Limit = Limit(1 / 30, 5)
    """Wrong secrets of the study's keeper."""

    @classmethod
    def of(cls, *, rater: float, address: float, newcomers: float) -> Limits:
        """Take requests a second, and newcomers an hour; 0 is any number."""
        return cls(
            rater=Limit(rater or None, 10 * rater),
            address=Limit(address or None, 10 * address),
            newcomers=Limit(newcomers / 3600 or None, max(1, newcomers)),
        )


class Buckets:
    """A bucket of tokens for each name: full at first, refilled with time, one taken a request."""

    def __init__(self, limit: Limit, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, name: str) -> float:
        """Take a token; return 0, or the seconds until there is one."""
        rate = self._limit.rate
        if rate is None:
            return 0.0
        with self._lock:
            now = self._clock()
            left, since = self._left.pop(name, (self._limit.burst, now))
            left = min(self._limit.burst, left + (now - since) * rate)
            wait = 0.0 if left >= 1 else (1 - left) / rate
            self._left[name] = (left if wait else left - 1, now)
            if len(self._left) > REMEMBERED:
                self._left.popitem(last=False)
        return wait

    def put_back(self, name: str) -> None:
        """Give back a token that was taken."""
        with self._lock:
            if name in self._left:
                left, since = self._left[name]
                self._left[name] = (min(self._limit.burst, left + 1), since)


class Gate:
    """The buckets of one page."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._raters = Buckets(limits.rater, clock)
        self._addresses = Buckets(limits.address, clock)
        self._newcomers = Buckets(limits.newcomers, clock)
        self._keepers = Buckets(limits.keeper, clock)

    def wait(self, cookie: str | None, address: str | None) -> float:
        """Return how long a request must wait; 0 lets it in."""
        of_address = self._addresses.take(address) if address else 0.0
        return max(of_address, self._raters.take(cookie) if cookie else 0.0)

    def wait_as_newcomer(self, address: str | None) -> float:
        """Return how long somebody unknown must wait to become a rater."""
        return self._newcomers.take(address) if address else 0.0

    def wait_as_keeper(self, address: str | None) -> float:
        """Return how long somebody must wait to try a secret; this machine's own counts too."""
        return self._keepers.take(address or "here")

    def was_keeper(self, address: str | None) -> None:
        """Take back what a try cost: the secret was right."""
        self._keepers.put_back(address or "here")


def address(host: str | None) -> str | None:
    """Return what counts as one address: of IPv6 the network of a household.

    None for this machine itself: a proxy that was not named, or a rehearsal, is no one's address.
    """
    try:
        found = ipaddress.ip_address(host or "")
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return address(str(found.ipv4_mapped))
        return None if found.is_loopback else str(ipaddress.ip_network((found, 64), strict=False))
    return None if found.is_loopback else str(found)
