"""Where studies are kept: optuna's tables, in a SQLite file of the user's or on a PostgreSQL server. No torch.

The setting DIMAP_STUDIES says where: postgresql://USER@HOST:PORT/BASE, or sqlite:///FILE.
Next door: `ledger` reads and writes.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ...types import HOME_SET, PruningError, home, told

GRACE = 4  # heartbeats that may be missed
_SETTING = "the setting DIMAP_STUDIES"
_TRIES = 10
_WAIT = 120  # seconds that a process waits for others to let a SQLite file go


def place() -> URL:
    """Where studies are kept; raises PruningError for a setting that names no place."""
    named = os.environ.get("DIMAP_STUDIES")
    try:
        url = make_url(named) if named else URL.create("sqlite", database=str(home() / "studies.sqlite"))
    except ArgumentError as error:
        raise PruningError(f"{_SETTING} is no address; write postgresql://USER@HOST/BASE there.") from error
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise PruningError(f"Studies are not kept in '{url.drivername[:40]}'; name PostgreSQL or SQLite in {_SETTING}.")
    # Which driver a plain "postgresql" means differs between versions of SQLAlchemy.
    return url.set(drivername="postgresql+psycopg2") if url.drivername == "postgresql" else url


def shown(url: URL) -> str:
    """A place as it can be printed, without its password."""
    return url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


@contextmanager
def usable(url: URL) -> Iterator[None]:
    """Raises PruningError where what is kept there cannot be reached."""
    try:
        yield
    except ImportError as error:
        raise PruningError("PostgreSQL needs the library psycopg2; pip install 'dimap-explorer[cluster]'.") from error
    except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise PruningError(f"Studies cannot be kept in '{shown(url)}' ({reason}); check {_SETTING}.") from error


def opened(url: URL) -> RDBStorage:
    """The place, with its tables; raises PruningError where it cannot be used."""
    file = url.get_backend_name() == "sqlite"
    if file:
        with told(url.database or "", PruningError, HOME_SET):
            Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with usable(url), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = _with_tables(url.render_as_string(hide_password=False), _engine_settings(file))
        if file:
            _one_writer(storage)
    return storage


def _with_tables(url: str, settings: dict[str, Any]) -> RDBStorage:
    for left in reversed(range(_TRIES)):
        try:
            return RDBStorage(url, settings, heartbeat_interval=1, grace_period=1)
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            if not left or not any(word in str(error) for word in ("already exists", "duplicate key", "UNIQUE")):
                raise
        time.sleep(0.2)  # another process makes the same tables
    raise AssertionError


def set_heartbeat(storage: RDBStorage, seconds: int) -> None:
    """How often a worker says that it lives, which its study knows."""
    storage.heartbeat_interval, storage.grace_period = seconds, GRACE * seconds


def _engine_settings(file: bool) -> dict[str, Any]:
    if file:
        return {"connect_args": {"timeout": _WAIT, "isolation_level": None}}
    # A server that was restarted is connected to anew, and one that is gone is noticed.
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10, "keepalives_idle": 30}}


def _one_writer(storage: RDBStorage) -> None:
    """Let each transaction lock the file from its beginning.

    SQLite has no row locks, and Python's driver begins a transaction at the first write only: between reading that a
    trial waits and writing that it runs, a second process can read the same, and both would do it.
    """
    event.listen(storage.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    connection = storage.engine.raw_connection()
    connection.cursor().execute("PRAGMA journal_mode=WAL")
    connection.close()
