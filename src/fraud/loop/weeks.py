"""ISO weeks in UTC, named as their batches are, and where one begins in the words of the request log."""

import re
from datetime import UTC, date, datetime, timedelta

from fraud.errors import Problem

NAME = re.compile(r"(\d{4})-W(\d{2})")


def week_of(day: date) -> str:
    """Return the name of the week that a day lies in."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def start(week: str) -> datetime:
    """Return the first moment of a week."""
    found = NAME.fullmatch(week)
    try:
        if not found:
            raise ValueError
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        raise Problem(f"WEEK={week}: expected an ISO week like 2026-W08") from None
    return datetime(monday.year, monday.month, monday.day, tzinfo=UTC)


def end(week: str) -> datetime:
    """Return the first moment after a week."""
    return start(week) + timedelta(weeks=1)


def written(moment: datetime) -> str:
    """Return a moment as the request log writes it; these texts are in the order of time."""
    return moment.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def bounds(week: str) -> tuple[str, str]:
    """Return the first moment of a week and that of the next one, as the request log writes them."""
    return written(start(week)), written(end(week))
