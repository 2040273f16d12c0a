# SPDX-License-Identifier: PostgreSQL
"""What the end-to-end tests are written with: real servers, real programs.

A test is a function ``test_<sentence>`` in ``tests/e2e/test_*.py``. Each runs in
a process of its own with a directory of its own; servers still running and
files still lying about at its end are cleared away. A test with a parameter
named ``major`` runs once for every PostgreSQL major::

    from walvault_test import Postgres, Repository

    def test_a_closed_segment_is_in_the_store(major):
        pg = Postgres.create(major)
        repo = Repository(pg)
        repo.enable_archiving()
        pg.start()
        repo.init()
        segment = pg.switch_wal()
        pg.wait_archived(segment)
        assert repo.object_path(segment).exists()
"""

import importlib

# Loaded when first asked for: the runner lives in this package too, and has to be
# able to say that psycopg2 is missing instead of failing for want of it.
_HOME = {
    "BaseCopy": "basecopy",
    "MAJORS": "installed",
    "Postgres": "postgres",
    "Repository": "repository",
    "Result": "programs",
    "ServerDied": "postgres",
    "Skip": "cases",
    "TimedOut": "waiting",
    "at_end": "cases",
    "format_lsn": "wal",
    "majors": "cases",
    "parse_lsn": "wal",
    "run_program": "programs",
    "seeded_random": "cases",
    "segment_name": "wal",
    "segment_start": "wal",
    "time_limit": "cases",
    "wait_until": "waiting",
    "work_directory": "cases",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
