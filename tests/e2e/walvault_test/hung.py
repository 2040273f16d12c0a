# SPDX-License-Identifier: PostgreSQL
"""A store that stops answering, and answers again when the test says so."""

import os

from .cases import new_directory
from .programs import helpers
from .waiting import wait_until


class HungStore:
    """Programs with its ``environment`` hang when they open a repository's marker.

    Only while ``hang()`` is in force; with ``below``, only that of the store in that
    directory; with ``name``, a pattern, at objects of that name instead, and with
    ``call`` only in openat, fstatat or linkat. A server hands its environment on:
    ``pg.environment = hung.environment`` before its start.
    """

    def __init__(self, below=None, name=None, call=None):
        self._switch = new_directory("hung") / "switch"
        self._reached = self._switch.with_name("switch.reached")
        preload = helpers() / "hang.so"
        assert preload.exists(), f"there is no {preload}: run make tests"
        asan = os.environ.get("ASAN_OPTIONS")
        self.environment = {"LD_PRELOAD": str(preload), "HUNG_STORE": str(self._switch)}
        if below:
            self.environment["HUNG_BELOW"] = str(below)
        if name:
            self.environment["HUNG_NAME"] = name
        if call:
            self.environment["HUNG_CALL"] = call
        if asan:
            self.environment["ASAN_OPTIONS"] = f"{asan}:verify_asan_link_order=0"

    def hang(self):
        self._reached.unlink(missing_ok=True)
        self._switch.touch()
        return self

    def heal(self):
        self._switch.unlink()

    def wait_reached(self):
        """Waits until a program hangs."""
        wait_until(self._reached.exists, "a program to wait for the store")

    def reached(self):
        """Has a program hung since ``hang()`` or ``forget_reached()``?"""
        return self._reached.exists()

    def forget_reached(self):
        self._reached.unlink(missing_ok=True)

    @property
    def switch(self):
        """The file that makes the store hang by being there."""
        return self._switch
