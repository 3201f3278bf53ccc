"""The database as far as it can be reached: once it fails it is away for everybody, until it is seen back."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from fraud.errors import Problem
from serve.journal.database import Database
from serve.journal.spool import Spool

logger = logging.getLogger("fraud.serve")


class Away(Exception):
    """The database cannot be asked or told now; nothing is lost by asking again."""


class Reach:
    """What all threads of a process know of the database, and of the rows that wait for it in the spool."""

    def __init__(self, database: Database, spool: Spool) -> None:
        """Take the database to be there."""
        self._database = database
        self.away = ""  # Or why it is.
        self._spool = spool

    def meet(self, met: Path) -> None:
        """Open the database once; while it is away only a worker starts that replaces another one, which left `met`."""
        try:
            self._database.check()
            met.touch()
        except Problem:
            raise
        except Exception as error:
            if not met.exists():
                raise Problem(f"REQUEST_LOG {self._database.url!r}: {reason(error)}; start or mend it") from None
            self.away = reason(error)
        finally:
            self._database.drop()  # Each process opens its own, after the fork.

    @contextmanager
    def turn(self) -> Iterator[Database]:
        """Let who is alone in this process use the writing connection; whatever fails there drops it."""
        if self.away:
            raise Away(self.away)
        try:
            with self._database.turn():
                yield self._database
        except Exception as error:
            self._database.drop()
            if _rows_at_fault(error):
                raise
            raise self._fall(error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection that reads, beside those who write."""
        if self.away:
            raise Away(self.away)
        try:
            with self._database.engine.connect() as connection:
                yield connection
        except Exception as error:
            raise self._fall(error) from error

    def look_again(self) -> None:
        """Take the database to be back once it takes rows; raise until then."""
        try:
            self._database.check()
            self._database.prove()
        except Exception as error:
            self._database.drop()
            raise self._fall(error) from error
        self.away = ""
        logger.info("request log: the database is back")

    def refuse_while_rows_wait(self) -> None:
        """Raise where what was not found may be in the spool."""
        if waiting := self._spool.pending():
            raise Away(f"{waiting} predictions wait to be written to the database")

    def _fall(self, error: Exception) -> Away:
        if not self.away:
            logger.error("request log: the database is away: %s; rows go to %s", reason(error), self._spool.folder)
        self.away = reason(error)
        return Away(self.away)


def _rows_at_fault(error: Exception) -> bool:
    """Tell text that the database cannot hold or a number out of range from a database that is away."""
    names = {kind.__name__ for kind in type(error).__mro__}  # Each driver has classes of its own.
    return bool(names & {"DataError", "IntegrityError", "ValueError", "OverflowError", "TypeError"})


def reason(error: Exception) -> str:
    """Return the first line of what a driver says, without the statement that SQLAlchemy adds, as it holds values."""
    error = getattr(error, "orig", None) or error
    return (str(error).splitlines() or [type(error).__name__])[0]
