"""A result and its task may be of a model alone, without any picture."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("results", "tasks"):
        with op.batch_alter_table(name) as table:
            table.alter_column("picture", existing_type=sa.String(64), nullable=True)
