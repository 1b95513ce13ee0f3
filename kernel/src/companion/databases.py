"""Databases that the user named, as SQLAlchemy engines.

What is here holds no password: a driver connects to a socket of the kernel's, which authenticates.
"""

import importlib
import json
import os
import socket

# Drivers for each dialect, the quickest first, with how SQLAlchemy calls them and the argument that names a socket.
DRIVERS = {
    "postgresql": (
        ("psycopg", "postgresql+psycopg", None),
        ("psycopg2", "postgresql+psycopg2", None),
        ("pg8000", "postgresql+pg8000", "unix_sock"),
    ),
    "mysql": (
        ("MySQLdb", "mysql+mysqldb", "unix_socket"),
        ("pymysql", "mysql+pymysql", "unix_socket"),
    ),
}

# What is to be installed where there is no driver.
PACKAGES = {"postgresql": "sqlalchemy pg8000", "mysql": "sqlalchemy pymysql"}


class Missing(Exception):
    """What is to be installed, as a sentence."""


def listed():
    """What the kernel says of the databases: name, dialect, whether they may be written, socket."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "databases.json"), encoding="utf-8") as file:
        return json.load(file)


def open_in(namespace):
    """Puts an engine for each database into `namespace`, and returns the names. Nothing is connected yet.

    Where a package is missing, what stands there says so when it is used.
    """
    names = []
    for database in listed():
        try:
            engine = make_engine(database)
        except Missing as missing:
            engine = Unopened(str(missing))
        if not _may_connect():
            engine = Unopened(
                f"the database `{database['name']}` cannot be reached: this sandbox forbids all connections; install "
                "bubblewrap, or start with `--network on`"
            )
        namespace[database["name"]] = engine
        names.append(database["name"])
    return names


class Unopened:
    """Stands for an engine that cannot be made."""

    def __init__(self, reason):
        self._reason = reason

    def __repr__(self):
        return self._reason

    def __getattr__(self, name):
        # What only looks, as displays do, is told that there is nothing.
        if name.startswith("_"):
            raise AttributeError(name)
        raise ModuleNotFoundError(self._reason)


def make_engine(database):
    """An engine for a database; raises `Missing` where a package is not there."""
    dialect, name = database["dialect"], database["name"]
    try:
        import sqlalchemy
    except ImportError:
        raise Missing(_wanted(dialect, name)) from None
    for module, driver, argument in DRIVERS[dialect]:
        try:
            importlib.import_module(module)
        except ImportError:
            continue
        if argument is None:
            # libpq makes the name of the socket of a folder and a port.
            arguments = {"host": os.path.dirname(database["socket"]), "port": database["port"]}
        else:
            arguments = {argument: database["socket"]}
        # The kernel puts the real user and database in their place.
        url = sqlalchemy.URL.create(driver, username="datarus", database=name)
        return sqlalchemy.create_engine(url, connect_args=arguments, pool_pre_ping=True)
    raise Missing(_wanted(dialect, name))


def _may_connect():
    """Whether a socket may be connected: the filter of a sandbox without namespaces forbids it."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(os.path.join(os.path.dirname(os.path.abspath(__file__)), "none"))
        except PermissionError:
            return False
        except OSError:
            # Nothing is there.
            return True


def _wanted(dialect, name):
    packages = PACKAGES[dialect]
    return f"the database `{name}` needs packages: `%pip install {packages}`, then restart the kernel"
