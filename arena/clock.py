"""Times as the database keeps them: UTC as text, which sorts as time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> str:
    """Return the time in UTC, ISO 8601 with microseconds, so that text sorts as time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def before(at: str, **how: float) -> str:
    """Return a time so many minutes or hours earlier."""
    return (datetime.fromisoformat(at) - timedelta(**how)).isoformat(timespec="microseconds")


def passed(since: str, at: str) -> float:
    """Return the seconds between two times."""
    return (datetime.fromisoformat(at) - datetime.fromisoformat(since)).total_seconds()
