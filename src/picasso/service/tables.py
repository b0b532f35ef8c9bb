"""The tables. A change here needs a migration beside it; a test compares the two."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, false

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

models = Table(
    "models",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("specification", JSON, nullable=False),
    Column("added", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("card", JSON(none_as_null=True)),
    Column("opened", String(32)),
)

pictures = Table(
    "pictures",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("notes", JSON, nullable=False),
    Column("file", String(64), nullable=False),
    Column("file_type", String(32), nullable=False),
    Column("thumbnail", String(64), nullable=False),
    Column("created", String(32), nullable=False, index=True),
    # An audit took it in by itself, to show it.
    Column("adopted", Boolean, nullable=False, server_default=false()),
)

masks = Table(
    "masks",
    metadata,
    Column("picture", ForeignKey("pictures.digest"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("area", Float, nullable=False),
    Column("created", String(32), nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("model", String(100), nullable=False),
    Column("visualization", String(100), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("target", JSON(none_as_null=True)),
    Column("top", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("error", JSON(none_as_null=True)),
    Column("attempts", Integer, nullable=False),
    Column("cancel", Boolean, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("process", Integer),
    # Counts the job's events. It lives here so that one row is locked while a number is given out.
    Column("events", Integer, nullable=False),
    Column("created", String(32), nullable=False, index=True),
    Column("started", String(32)),
    Column("finished", String(32)),
    Column("at", Text),
    # Of a job that compares methods: these with their settings, and in the end what came out.
    Column("methods", JSON(none_as_null=True)),
    Column("comparison", String(64)),
    # Of a job that audits: the data set, and in the end what came out.
    Column("dataset", String(100)),
    Column("audit", String(64)),
    # Of a job that lays maps over a video: what was sent, and in the end what came out.
    Column("video", JSON(none_as_null=True)),
    Column("film", JSON(none_as_null=True)),
)

datasets = Table(
    "datasets",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("added", Boolean, nullable=False),
)

audits = Table(
    "audits",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("job", ForeignKey("jobs.id", ondelete="SET NULL")),
    Column("model", String(100), nullable=False),
    Column("dataset", String(100), nullable=False),
    Column("asked", JSON, nullable=False),
    Column("document", JSON, nullable=False),
    Column("pairs", JSON, nullable=False),
    Column("pictures", JSON, nullable=False),
    Column("files", JSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created", String(32), nullable=False, index=True),
    # What a list shows of the document, which may be megabytes.
    Column("summary", JSON),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("job", ForeignKey("jobs.id", ondelete="SET NULL")),
    Column("model", String(100), nullable=False),
    Column("pictures", JSON, nullable=False),
    Column("document", JSON, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("page", String(64), nullable=False),
    Column("arrays", String(64), nullable=False),
    Column("created", String(32), nullable=False, index=True),
    # For each picture that of its object, where there were some.
    Column("masks", JSON(none_as_null=True)),
)

results = Table(
    "results",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("job", ForeignKey("jobs.id", ondelete="SET NULL")),
    Column("model", String(100), nullable=False),
    Column("visualization", String(100), nullable=False),
    Column("picture", ForeignKey("pictures.digest")),
    Column("document", JSON, nullable=False),
    Column("panels", JSON, nullable=False),
    Column("arrays", String(64), nullable=False),
    Column("created", String(32), nullable=False, index=True),
    Index("ix_results_job", "job"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("picture", ForeignKey("pictures.digest")),
    Column("name", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("result", ForeignKey("results.key", ondelete="SET NULL")),
    Column("error", JSON(none_as_null=True)),
    # Of a job that compares methods: where the picture's object is.
    Column("mask", String(64)),
    Index("ix_tasks_result", "result"),
)

events = Table(
    "events",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("data", JSON, nullable=False),
)
