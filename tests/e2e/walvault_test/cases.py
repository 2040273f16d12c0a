# SPDX-License-Identifier: PostgreSQL
"""What a test function may say about itself, and what it is given."""

import atexit
import contextlib
import os
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path

DEFAULT_TIME_LIMIT = 300

_cleanup = contextlib.ExitStack()


class Skip(Exception):
    """Raised when a test cannot run here; ``install`` is the command that would help."""

    def __init__(self, reason, install="tests/deps test"):
        super().__init__(reason)
        self.reason = reason
        self.install = install


def majors(*wanted):
    """Decorator: run the test for these PostgreSQL majors instead of all."""

    def mark(test):
        test.majors = wanted
        return test

    return mark


def time_limit(seconds):
    """Decorator: the test may take this long instead of the default 300 s."""

    def mark(test):
        test.time_limit = seconds
        return test

    return mark


@cache
def work_directory():
    """This test's own directory, removed after it."""
    given = os.environ.get("WALVAULT_TEST_DIR")
    if given:
        return Path(given)
    own = tempfile.mkdtemp(prefix="walvault-")
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return Path(own)


def new_directory(prefix):
    """A fresh directory inside the test's own."""
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=work_directory()))


def at_end(function, *arguments):
    """Calls ``function`` when the test has ended, however it ended; last one first."""
    _cleanup.callback(function, *arguments)


def clean_up():
    """Runs everything that ``at_end`` was given."""
    _cleanup.close()


def in_ci():
    return os.environ.get("CI", "") not in ("", "0", "false")


def seeded_random():
    """A random generator whose seed is printed, and taken from $WALVAULT_TEST_SEED.

    In CI it is always the same: what fails there has come with the change at hand.
    Everywhere else each run tries something new.
    """
    given = os.environ.get("WALVAULT_TEST_SEED") or ("1" if in_ci() else None)
    seed = int(given) if given else random.SystemRandom().getrandbits(32)
    print(f"WALVAULT_TEST_SEED={seed}", flush=True)
    return random.Random(seed)
