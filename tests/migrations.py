"""Request logs of the stack's tests: the next migration, and the command that goes up and down."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from examples import ROOT
from servers import PYTHON

NEXT = '''"""Notes, and a channel: a migration as one may come."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("requests", sa.Column("channel", sa.String, server_default="web"))
    op.create_table("notes", sa.Column("number", sa.Integer, primary_key=True), sa.Column("words", sa.String))


def downgrade() -> None:
    op.drop_table("notes")
    op.drop_column("requests", "channel")
'''


def later(folder: Path) -> Path:
    """Return a copy of the server that has one migration more."""
    for name in "serve", "src":
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (folder / "serve/journal/migrations/versions/0002_next.py").write_text(NEXT)
    return folder


def schema(folder: Path, url: str, verb: str, *arguments: str) -> tuple[int, str]:
    """Do what `make db-upgrade` and `make db-downgrade` do; return the exit code and what was said."""
    python = PYTHON if PYTHON.exists() else Path(sys.executable)
    done = subprocess.run(
        [python, "-m", "serve.journal", verb, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "REQUEST_LOG": url},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
