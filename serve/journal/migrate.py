"""Bring the schema of the request log up to date: once, whoever starts at the same time."""

from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, create_engine, inspect, text

from fraud.errors import Problem
from serve.journal.tables import HEAD

FOLDER = Path(__file__).parent / "migrations"
BASE = "base"  # What alembic calls a database without any migration.
LOCK = 0x66726175  # "frau": the number of PostgreSQL's advisory lock.


def version(connection: Connection) -> str | None:
    """Return the revision of the database's schema, None where there are no tables yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def migrate(url: URL, revision: str = HEAD) -> None:
    """Bring the schema up or down to a revision, all of it or nothing; others wait until it is done."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA busy_timeout = 60000")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        try:
            _run(connection, revision)
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise


def _run(connection: Connection, revision: str) -> None:
    # As a rule the schema is there, and alembic is not needed.
    from alembic import command  # noqa: PLC0415  # alembic takes 0.2 s to import
    from alembic.config import Config  # noqa: PLC0415  # as above

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    known, now = revisions(), version(connection) or BASE
    if now not in known:
        raise Problem(f"the request log has schema {now}, this server knows {known[-1]}; serve it with a newer commit")
    up = known.index(revision) >= known.index(now)
    (command.upgrade if up else command.downgrade)(config, revision)


def revisions() -> list[str]:
    """Return what a schema can be, from none to the newest migration."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # as above

    return [BASE, *reversed([script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()])]
