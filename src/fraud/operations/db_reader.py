"""Let the role `fraud_reader` read the request log in PostgreSQL, and change nothing there."""

import os
from pathlib import Path

import psycopg

from fraud.errors import Problem, run
from fraud.loop.log_database import PATIENCE, Address, address

ROLE = "fraud_reader"
VARIABLE = "READER_DB_PASSWORD"
GRANTS = Path("ops/postgres/grants/reader.sql")


def admit(log: Address, password: str) -> None:
    """Make the role or change its password, if one is given, and let it read; all of it or nothing."""
    words = log.url.get_dialect()().create_connect_args(log.url)[1]
    try:
        with psycopg.connect(**{"connect_timeout": PATIENCE, **words}) as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
            if password:
                # The server and its log see a verifier, from which the password cannot be read.
                verifier = connection.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256")
                verb = "ALTER" if known else "CREATE"
                connection.execute(f"{verb} ROLE {ROLE} LOGIN PASSWORD '{verifier.decode()}'".encode())
            elif not known:
                raise Problem(f"{VARIABLE}: found nothing, expected a password for {ROLE}, which is not there yet")
            connection.execute(GRANTS.read_bytes())
    except psycopg.Error as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Problem(f"{log.setting}={log}: {said}; run it as the owner of the tables, who may make roles") from None


def main() -> None:
    """Admit the reader to what REQUEST_LOG names; the password comes from the environment."""
    log = address(os.environ)
    if log.url.get_backend_name() == "sqlite":
        raise Problem(f"{log.setting}={log}: SQLite knows no roles; whoever may read the file may read the log")
    admit(log, os.environ.get(VARIABLE, ""))
    reader = log._replace(url=log.url.set(username=ROLE)._replace(password=None))
    print(f"{log}: {ROLE} may read all tables that its owner has or will have in this database, and change none")
    print(f"for `make collect` and `make trace`: {log.setting}={reader}, its password in PGPASSWORD or PGPASSFILE")


if __name__ == "__main__":
    run(main)
