"""Databases on servers, that the user named. They are asked in sessions that only read, and for few rows."""

import decimal
import hashlib
import json
import time
import uuid

from ..databases import Missing, listed, make_engine
from .columns import table

# How a database is asked for, in place of a path.
PREFIX = "database:"

# Tables that are described, rows that are read of each, and cells of all of them.
TABLES = 40
ROWS = 2_000
CELLS = 100_000

# Milliseconds for one statement, and seconds for a database.
STATEMENT = 2_000
ALL = 12.0

# What a session is told first; what a server does not know is left out.
LIMITS = {
    "postgresql": [f"SET statement_timeout = {STATEMENT}"],
    "mysql": [
        f"SET SESSION max_execution_time = {STATEMENT}",
        f"SET SESSION max_statement_time = {STATEMENT // 1000}",
        "SET SESSION information_schema_stats_expiry = 0",
    ],
}

# Columns, and what changes with the rows: numbers that servers keep themselves.
CONTENT = {
    "postgresql": (
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, 3",
        "SELECT relid, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables ORDER BY 1",
    ),
    "mysql": (
        "SELECT table_schema, table_name, column_name, column_type FROM information_schema.columns"
        " WHERE table_schema = DATABASE() ORDER BY 1, 2, 3",
        "SELECT table_name, table_rows, create_time, update_time FROM information_schema.tables"
        " WHERE table_schema = DATABASE() ORDER BY 1",
    ),
}


def read(path, known):
    """What the database holds, as `formats.read` says it of a file; only that it is the same if that is `known`."""
    name = path[len(PREFIX) :]
    found = {"path": path, "content": None, "tables": [], "texts": [], "notes": []}
    try:
        database = next(database for database in listed() if database["name"] == name)
        engine = make_engine(database)
        with engine.connect() as connection:
            server = _Server(connection, database["dialect"])
            found["content"] = server.content(name)
            if found["content"] not in known:
                server.describe(found)
    except Missing as missing:
        found["notes"].append(str(missing))
    except Exception as error:
        found["notes"].append("cannot be read: " + _said(error))
    return found


def _said(error):
    """What a driver says, in one line and without the statement."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())[:160]
    return f"{type(error).__name__}: {said}"


class _Server:
    """A connection that is asked for little."""

    def __init__(self, connection, dialect):
        self._connection = connection
        self._dialect = dialect
        self._until = time.monotonic() + ALL
        for statement in LIMITS[dialect]:
            self._try(statement)

    def _try(self, statement):
        """Rows; None where the server does not do it. What fails ends the transaction, so each has its own."""
        import sqlalchemy

        try:
            result = self._connection.execute(sqlalchemy.text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
            self._connection.commit()
            return rows
        except sqlalchemy.exc.DBAPIError:
            self._connection.rollback()
            return None

    def content(self, name):
        """What tells that nothing has changed; None where the server does not say."""
        parts = [self._try(statement) for statement in CONTENT[self._dialect]]
        if None in parts:
            return None
        said = json.dumps([name, parts], default=str)
        return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest() + ".database"

    def describe(self, found):
        """The tables, the keys that they declare, and names of views."""
        import sqlalchemy

        inspector = sqlalchemy.inspect(self._connection)
        usual = inspector.default_schema_name
        schemas = [usual]
        if self._dialect == "postgresql":
            others = inspector.get_schema_names()
            schemas += [schema for schema in others if schema not in (usual, "information_schema")]
        names = [(schema, name) for schema in schemas for name in sorted(inspector.get_table_names(schema))]
        views = [name for schema in schemas for name in sorted(inspector.get_view_names(schema))]
        self._connection.rollback()
        for at, (schema, name) in enumerate(names[:TABLES]):
            if time.monotonic() > self._until:
                found["notes"].append(f"{len(names) - at} of {len(names)} tables were not read: it took too long")
                break
            shown = name if schema == usual else f"{schema}.{name}"
            try:
                found["tables"].append(self._table(inspector, schema, name, shown))
            except sqlalchemy.exc.SQLAlchemyError as error:
                self._connection.rollback()
                found["notes"].append(f"table {shown[:40]} cannot be read: {_said(error)}")
        if len(names) > TABLES:
            found["notes"].append(f"only {TABLES} of {len(names)} tables were read")
        if views:
            found["notes"].append("views: " + ", ".join(name[:40] for name in views[:20]))
        if not found["tables"] and not found["notes"]:
            found["notes"].append("it has no tables")

    def _table(self, inspector, schema, name, shown):
        import sqlalchemy

        columns = [column["name"] for column in inspector.get_columns(name, schema)]
        keys = inspector.get_pk_constraint(name, schema)["constrained_columns"]
        # A key of several columns makes none of them unique.
        keys = keys if len(keys) == 1 else []
        references = []
        for key in inspector.get_foreign_keys(name, schema):
            if len(key["constrained_columns"]) == 1:
                there = key["referred_schema"]
                other = f"{there}.{key['referred_table']}" if there and there != schema else key["referred_table"]
                references.append((key["constrained_columns"][0], other, key["referred_columns"][0]))
        self._connection.rollback()
        most = min(ROWS, CELLS // max(len(columns), 1))
        source = sqlalchemy.table(name, *map(sqlalchemy.column, columns), schema=schema)
        read = self._connection.execute(sqlalchemy.select(source).limit(most + 1))
        rows = [tuple(map(_plain, row)) for row in read]
        self._connection.rollback()
        is_all = len(rows) <= most
        count = None
        if not is_all:
            quoted = self._connection.dialect.identifier_preparer.format_table(source)
            counted = self._try(f"SELECT count(*) FROM {quoted}")
            # None, where they cannot be counted in time.
            count = counted and counted[0][0]
        return table(shown, columns, rows[:most], count, sample=not is_all, keys=keys, references=references)


def _plain(value):
    """A value as files have it."""
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, memoryview):
        return bytes(value)
    return value
