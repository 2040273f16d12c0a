# SPDX-License-Identifier: PostgreSQL
"""The process in which one test runs, and the one that lists them all.

    python3 -m walvault_test.child list MODULE.py …
    python3 -m walvault_test.child run MODULE.py FUNCTION [MAJOR]

The runner gives each test process $WALVAULT_TEST_DIR and learns what became of
the test from the file ``outcome`` there. A process that dies leaves no such
file, so nothing but a test that really came to its end can count as passed.
"""

import contextlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
from pathlib import Path

from . import asroot, cases, processes
from .cases import DEFAULT_TIME_LIMIT, Skip
from .waiting import TimedOut, wait_until

GRACE_SECONDS = 3

LOG_LINES = 60


def _load(path):
    path = Path(path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _tests_of(module):
    """The module's own test functions, in the order of the source."""
    functions = [
        function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("test_") and function.__module__ == module.__name__
    ]
    return sorted(functions, key=lambda function: function.__code__.co_firstlineno)


def _instances(path):
    """One dictionary for each test, or for each (test, major)."""
    from .installed import MAJORS

    for function in _tests_of(_load(path)):
        wanted = [None]
        if "major" in inspect.signature(function).parameters:
            wanted = getattr(function, "majors", MAJORS)
        for major in wanted:
            yield {
                "module": str(path),
                "function": function.__name__,
                "major": major,
                "time_limit": getattr(function, "time_limit", DEFAULT_TIME_LIMIT),
                "with_root": getattr(function, "with_root", False),
            }


def list_tests(paths):
    """Prints one line of JSON for each test; a module that cannot be loaded is one too."""
    for path in paths:
        try:
            found = list(_instances(path))
        except Exception as error:
            found = [{"module": path, "error": traceback.format_exc()}]
            if getattr(error, "name", None) == "psycopg2":
                found = [{"module": path, "skip": "python3-psycopg2 is not installed"}]
        for instance in found:
            print(json.dumps(instance))


def _report(outcome, **facts):
    path = Path(os.environ["WALVAULT_TEST_DIR"]) / "outcome"
    path.write_text(json.dumps({"outcome": outcome, **facts}), encoding="utf-8")


def _print_server_logs():
    for log in sorted(cases.work_directory().glob("*/*.log")):
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        print(f"--- the end of {log}:", *tail, sep="\n", file=sys.stderr)


def _left_behind():
    """Ends the processes that outlived the test; what they were.

    What a server was just running when it was killed may come to its own end first.
    """
    with contextlib.suppress(TimedOut):
        wait_until(lambda: not processes.descendants(os.getpid()), "their end", GRACE_SECONDS)
    commands = [processes.command_line(pid) for pid in processes.descendants(os.getpid())]
    processes.end_own_descendants()
    return commands


def _call(path, name, major):
    """Runs the test and all clean-up it asked for; raises what either raised."""
    try:
        function = getattr(_load(path), name)
        if getattr(function, "with_root", False):
            asroot.require_root()
        function(*([] if major is None else [int(major)]))
    finally:
        cases.clean_up()


def run_test(path, name, major=None):
    """Runs one test and reports it; the exit status is for the eye only."""
    asroot.become_user()
    processes.end_with_parent()
    processes.become_subreaper()
    processes.raise_on_signals()
    outcome = {"outcome": "failed"}
    try:
        _call(path, name, major)
        outcome = {"outcome": "passed"}
    except Skip as skip:
        outcome = {"outcome": "skipped", "reason": skip.reason, "install": skip.install}
    except BaseException:
        traceback.print_exc()
        _print_server_logs()
    left = _left_behind()
    if left:
        print("processes outlived the test:", *left, sep="\n  ", file=sys.stderr)
        outcome = {"outcome": "failed"}
    _report(**outcome)
    return 0 if outcome["outcome"] != "failed" else 1


def main(arguments):
    verb, *rest = arguments
    if verb == "list":
        list_tests(rest)
        return 0
    return run_test(*rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
