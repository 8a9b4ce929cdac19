"""What the sieges of two servers on one PostgreSQL share: their arguments, the servers, and the verdict."""

import argparse
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from service import Postgres, Service


def parser(siege, amount):
    """Reads the arguments of a siege; `amount` names its first one, a number."""
    read = argparse.ArgumentParser(prog=f"scripts/siege {siege}")
    read.add_argument(amount, type=int)
    read.add_argument("--binary", required=True)
    read.add_argument("--postgres-home", required=True)
    read.add_argument("--postgres-url", required=True)
    return read


@contextmanager
def servers(asked):
    """Two servers that are not started yet, and their database. Afterwards they are stopped and their files deleted."""
    home = Path(tempfile.mkdtemp(prefix="tandem-siege."))
    database = Postgres(asked.postgres_home, asked.postgres_url)
    services = [Service(asked.binary, database, home / name, name) for name in ("one", "two")]
    try:
        yield services, database
    finally:
        for service in services:
            service.stop()
        shutil.rmtree(home, ignore_errors=True)


def no_complaints(audit, services):
    complaints = [line for service in services for line in service.complaints()]
    audit.promise("no log speaks of a panic or an internal error", complaints)


def conclude(audit):
    """Ends the process: with 0 where every promise holds."""
    print("every promise holds" if audit.holds else "A PROMISE IS BROKEN")
    raise SystemExit(0 if audit.holds else 1)
