# SPDX-License-Identifier: PostgreSQL
"""A clock for a server that the test can set, by Debian's libfaketime."""

import os
from datetime import datetime, timezone
from pathlib import Path

from .cases import Skip, new_directory

LIBRARIES = sorted(Path("/usr/lib").glob("*-linux-gnu/faketime/libfaketime.so.1"))
DYNAMIC_LINKERS = [
    *Path("/lib64").glob("ld-linux-*.so.*"),
    *Path("/lib").glob("ld-linux-*.so.*"),
]


class FakeClock:
    """Controls a server that was given this clock by ``govern`` before it started.

    Only the server itself: the library is preloaded by the dynamic linker, called as
    a command, and not by $LD_PRELOAD, which the programs that the server runs would
    inherit, with the clock and a piece of shared memory that nobody removes.
    """

    def __init__(self):
        if not LIBRARIES:
            raise Skip("libfaketime is not installed")
        self._file = new_directory("clock") / "time"
        self.shift(0)

    def govern(self, pg):
        pg.launcher = (DYNAMIC_LINKERS[0], "--preload", LIBRARIES[0])
        pg.environment = {
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "TZ": "UTC",
        }

    def _write(self, text):
        # By rename: the server reads the file whenever it asks for the time.
        new = self._file.with_suffix(".new")
        new.write_text(text + "\n", encoding="ascii")
        os.replace(new, self._file)

    def shift(self, seconds):
        """From now on the clock goes this much ahead of the real one, or behind it."""
        self._write(f"{seconds:+d}")

    def jump_to(self, moment):
        """Moves the clock to that time, from which it goes on."""
        self.shift(int((moment - datetime.now(timezone.utc)).total_seconds()))

    def freeze(self, moment):
        """Stops the clock there."""
        self._write(moment.strftime("%Y-%m-%d %H:%M:%S"))


def program_clock(text):
    """The environment of a program whose clock is FAKETIME's ``text``."""
    if not LIBRARIES:
        raise Skip("libfaketime is not installed")
    environment = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": text,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    if "ASAN_OPTIONS" in os.environ:
        options = os.environ["ASAN_OPTIONS"]
        environment["ASAN_OPTIONS"] = f"{options}:verify_asan_link_order=0"
    return environment
