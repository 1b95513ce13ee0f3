"""Files that are databases: SQLite, DuckDB. They are opened to be read alone, and what they hold runs nothing."""

import os
import sqlite3
import time
import urllib.parse

from .columns import table
from .formats import Unreadable

# Tables that are described, rows that are read of each, and cells of all of them.
TABLES = 40
ROWS = 20_000
CELLS = 400_000

# Seconds for one statement, and for a database.
STATEMENT = 1.0
ALL = 8.0

# The longest value that is taken out of one, in bytes.
VALUE = 1 << 20


def read_any_database(path, found):
    """A file `.db` is what its first bytes say."""
    with open(path, "rb") as file:
        head = file.read(16)
    if head.startswith(b"SQLite format 3\0"):
        read_sqlite(path, found)
    elif head[8:12] == b"DUCK":
        read_duckdb(path, found)
    else:
        raise Unreadable("neither an SQLite nor a DuckDB database")


def read_sqlite(path, found):
    """The tables of an SQLite database, with the keys that it declares."""
    with open(path, "rb") as file:
        if not file.read(16).startswith(b"SQLite format 3\0"):
            raise Unreadable("no SQLite database")
    if os.path.exists(path + "-wal") and os.path.getsize(path + "-wal"):
        found["notes"].append("what stands in its write-ahead log was not read")
    # Immutable: nothing is written beside it, not even a lock.
    uri = f"file:{urllib.parse.quote(os.path.abspath(path))}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    # A file can define what runs when it is read.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    if hasattr(connection, "setlimit"):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE)
    query = _Query(connection)
    entries = query.rows("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')")
    names = [name for name, kind in entries if kind == "table" and not name.startswith("sqlite_")]
    for name in names[:TABLES]:
        try:
            found["tables"].append(_sqlite_table(query, name))
        except sqlite3.Error as error:
            found["notes"].append(f"table {name[:40]} cannot be read: {error}")
    _note_rest(found, len(names), [name for name, kind in entries if kind == "view"])


def _sqlite_table(query, name):
    quoted = '"' + name.replace('"', '""') + '"'
    columns = query.rows(f"PRAGMA table_info({quoted})")
    names = [column[1] for column in columns]
    keys = [column[1] for column in columns if column[5]]
    # A key of several columns makes none of them unique.
    keys = keys if len(keys) == 1 else []
    references = [
        (column, other, there or "")
        for _, _, other, column, there, *_ in query.rows(f"PRAGMA foreign_key_list({quoted})")
    ]
    most = min(ROWS, CELLS // max(len(names), 1))
    rows = query.rows(f"SELECT * FROM {quoted} LIMIT {most + 1}")
    is_all = len(rows) <= most
    count = None
    if not is_all:
        try:
            [(count,)] = query.rows(f"SELECT count(*) FROM {quoted}")
        except sqlite3.OperationalError:
            # So many that they cannot be counted in a second.
            pass
    return table(name, names, rows[:most], count, sample=not is_all, keys=keys, references=references)


class _Query:
    """Statements that end in time."""

    def __init__(self, connection):
        self._connection = connection
        self._end = time.monotonic() + ALL
        self._until = 0.0
        connection.set_progress_handler(lambda: time.monotonic() > self._until, 10_000)

    def rows(self, statement):
        self._until = min(self._end, time.monotonic() + STATEMENT)
        return self._connection.execute(statement).fetchall()


def read_duckdb(path, found):
    """The tables of a DuckDB database, with the keys that it declares."""
    import duckdb

    with open(path, "rb") as file:
        if file.read(12)[8:] != b"DUCK":
            raise Unreadable("no DuckDB database")
    settings = {
        # A view can name any file and any address.
        "enable_external_access": "false",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "threads": "1",
        "memory_limit": "1GB",
    }
    connection = duckdb.connect(path, read_only=True, config=settings)

    def rows(statement, *values):
        return connection.execute(statement, values).fetchall()

    tables = rows("SELECT schema_name, table_name, estimated_size FROM duckdb_tables() WHERE NOT internal ORDER BY 1, 2")
    for schema, name, count in tables[:TABLES]:
        try:
            found["tables"].append(_duckdb_table(rows, schema, name, count))
        except duckdb.Error as error:
            said = str(error).splitlines()[0][:120]
            found["notes"].append(f"table {name[:40]} cannot be read: {said}")
    views = rows("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1")
    _note_rest(found, len(tables), [name for (name,) in views])


def _duckdb_table(rows, schema, name, count):
    constraints = rows(
        "SELECT constraint_type, constraint_column_names, referenced_table, referenced_column_names "
        "FROM duckdb_constraints() WHERE schema_name = ? AND table_name = ?",
        schema,
        name,
    )
    keys, references = [], []
    for kind, columns, other, there in constraints:
        if kind in ("PRIMARY KEY", "UNIQUE") and len(columns) == 1:
            keys += columns
        if kind == "FOREIGN KEY" and len(columns) == 1:
            references.append((columns[0], other, there[0]))
    columns = rows(
        "SELECT column_name FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
        schema,
        name,
    )
    columns = [column for (column,) in columns]
    most = min(ROWS, CELLS // max(len(columns), 1))
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))
    read = rows(f"SELECT * FROM {quoted} LIMIT {most + 1}")
    shown = name if schema == "main" else f"{schema}.{name}"
    is_all = len(read) <= most
    return table(shown, columns, read[:most], count, sample=not is_all, keys=keys, references=references)


def _note_rest(found, n_tables, views):
    if not found["tables"] and not found["notes"]:
        found["notes"].append("it has no tables")
    if n_tables > TABLES:
        found["notes"].append(f"only {TABLES} of {n_tables} tables were read")
    if views:
        found["notes"].append("views: " + ", ".join(name[:40] for name in views[:20]))
