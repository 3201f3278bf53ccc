"""Requests and feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "requests",
        sa.Column("number", _number, primary_key=True),
        sa.Column("ts", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("transaction_id", sa.String),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("label", sa.Integer, nullable=False),
        sa.Column("features", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.BigInteger, nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
    )
    known = sa.column("transaction_id").is_not(None)
    op.create_index("requests_id", "requests", ["id"], unique=True)
    op.create_index(
        "requests_transaction_id",
        "requests",
        ["transaction_id"],
        unique=True,
        sqlite_where=known,
        postgresql_where=known,
    )
    op.create_index("requests_ts", "requests", ["ts"])
    op.create_index("requests_fingerprint", "requests", ["fingerprint"])
    op.create_table(
        "feedback",
        sa.Column("number", _number, primary_key=True),
        sa.Column("ts", sa.String, nullable=False),
        sa.Column("request_id", sa.String, nullable=False),
        sa.Column("actual", sa.Integer, nullable=False),
        sa.Column("source", sa.String, nullable=False),
    )
    op.create_index("feedback_request_id", "feedback", ["request_id", "number"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("feedback")
    op.drop_table("requests")
