"""Connections to PostgreSQL that give up on a server which does not answer, be it stopped or unplugged."""

from typing import Any

import psycopg
from psycopg.errors import _WaitTimeout

PATIENCE = 1.5  # Seconds for one statement.
# A server that was set up to lose commits (synchronous_commit = off) is asked not to.
SETTINGS = f"""
SELECT set_config('statement_timeout', '{PATIENCE * 1000:.0f}', false),
set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), false)
"""


class Connection(psycopg.Connection[Any]):
    """A connection that breaks when it has to wait too long."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as the parent does, but not longer than PATIENCE."""
        try:
            return super().wait(gen, interval, timeout or PATIENCE)
        except _WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer within {PATIENCE} s") from None


def connect(*words: Any, **named: Any) -> Connection:
    """Connect within two seconds, the least that libpq allows."""
    connection = Connection.connect(*words, **{"connect_timeout": 2, "autocommit": True, **named})
    connection.execute(SETTINGS)
    return connection
