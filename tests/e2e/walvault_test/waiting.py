# SPDX-License-Identifier: PostgreSQL
"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import time

POLL_SECONDS = 0.02


class TimedOut(AssertionError):
    """The awaited condition did not come true in time."""


def wait_until(condition, what, timeout=60):
    """Polls until ``condition()`` is true and returns its value.

    ``what`` completes the sentence "timed out waiting for …"; it may be a
    function, called only on a timeout, to say how far things had come.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            what = what() if callable(what) else what
            raise TimedOut(f"timed out after {timeout} s waiting for {what}")
        time.sleep(POLL_SECONDS)
