"""Connections to PostgreSQL that give up on a server which does not answer, be it stopped or unplugged."""

from typing import Any

import psycopg

ANSWER_WITHIN = 1.5  # Seconds for one statement.
# A server that was set up to lose commits (synchronous_commit = off) is asked not to.
SETTINGS = f"""
SELECT set_config('statement_timeout', '{ANSWER_WITHIN * 1000:.0f}', false),
set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), false)
"""


class Connection(psycopg.Connection[Any]):
    """A connection that breaks when it has to wait too long."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as the parent does, but not longer than ANSWER_WITHIN."""
        try:
            return super().wait(gen, interval, timeout or ANSWER_WITHIN)
        except psycopg.OperationalError as error:
            # psycopg has no public name for a wait that was too long: it is no word of the server's, which has a
            # state, and no lost connection, which is closed.
            if error.sqlstate or self.closed:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer within {ANSWER_WITHIN} s") from None


def connect(*words: Any, **named: Any) -> Connection:
    """Connect within two seconds, the least that libpq allows."""
    connection = Connection.connect(*words, **{"connect_timeout": 2, "autocommit": True, **named})
    connection.execute(SETTINGS)
    return connection
