# SPDX-License-Identifier: PostgreSQL
"""Where the PostgreSQL majors are on this machine."""

import os
from functools import cache
from pathlib import Path

from .cases import Skip

MAJORS = (13, 14, 15, 16, 17, 18)
DEBIAN = Path("/usr/lib/postgresql")


def _caches():
    """Where tests/deps puts the servers that Debian does not carry."""
    chosen = os.environ.get("WALVAULT_TEST_CACHE")
    if chosen:
        yield Path(chosen)
    yield Path.home() / ".cache/walvault-tests"
    yield Path("/var/cache/walvault-tests")


@cache
def server_programs(major):
    """The directory with initdb and postgres of that major; skips the test without it."""
    candidates = [DEBIAN / str(major) / "bin"]
    for directory in _caches():
        candidates += sorted(directory.glob(f"postgresql-{major}.*/bin"), reverse=True)
    for candidate in candidates:
        if os.access(candidate / "postgres", os.X_OK):
            return candidate
    raise Skip(f"PostgreSQL {major} is not installed")


def client_program(name):
    """psql, pgbench, pg_basebackup, pg_waldump: Debian's 15 speaks to every major."""
    path = DEBIAN / "15/bin" / name
    if not os.access(path, os.X_OK):
        raise Skip(f"{name} 15 is not installed")
    return path


def azurite():
    """The program of the Azurite that tests/deps has installed."""
    for directory in _caches():
        for found in sorted(directory.glob("azurite-*/node_modules/azurite/dist/src/blob/main.js")):
            return found
    raise FileNotFoundError(2, "azurite is not there", "azurite")
