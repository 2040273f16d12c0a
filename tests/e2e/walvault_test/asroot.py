# SPDX-License-Identifier: PostgreSQL
"""Commands that a test runs as root, though it is an unprivileged user's itself.

The process of a test marked ``with_root`` begins as root. It forks before
anything else: the child becomes the unprivileged user for good and is the test;
the parent stays what it is and runs the commands that the test sends it, one
after the other. Nobody else is root in a test.
"""

import json
import os
import signal
import socket
import sys

from .cases import Skip
from .processes import become_subreaper, end_with_parent, kill_descendants
from .programs import Result, run_program

# Set by the runner: whom the test becomes; and by serve, for the test: where root listens.
USER = "WALVAULT_TEST_USER"
ROOT = "WALVAULT_TEST_ROOT"


def with_root(test):
    """Decorator: the test may use ``run_as_root``; it is skipped if nobody is root."""
    test.with_root = True
    return test


def user_variable(options):
    """What tells the test's process whom to become, from options of subprocess."""
    ids = [options["user"], options["group"], *options["extra_groups"]]
    return {USER: " ".join(map(str, ids))}


def run_as_root(*command, **options):
    """Runs a program to its end, as run_program does, as root; its Result.

    ``options`` are those of run_program that JSON knows: cwd, env, timeout.
    """
    words = [os.fspath(word) for word in command]
    if "cwd" in options:
        options["cwd"] = os.fspath(options["cwd"])
    with socket.socket(fileno=os.dup(int(os.environ[ROOT]))) as root:
        root.sendall(json.dumps([words, options]).encode() + b"\n")
        with root.makefile(encoding="utf-8") as answers:
            answer = json.loads(answers.readline())
    assert "error" not in answer, answer["error"]
    return Result(**answer)


def _answer(line):
    words, options = json.loads(line)
    try:
        return vars(run_program(*words, **options))
    except Exception as error:
        return {"error": f"{words}: {error!r}"}


def _serve(requests, test):
    """Root's part: until the test has ended; its exit status."""
    def stop(number, _frame):
        os.kill(test, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with requests, requests.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            requests.sendall(json.dumps(_answer(line)).encode() + b"\n")
    _, status = os.waitpid(test, 0)
    kill_descendants(os.getpid())
    return os.waitstatus_to_exitcode(status)


def become_user():
    """In a test's process: returns as the unprivileged user, if there is one to become."""
    ids = [int(word) for word in os.environ.pop(USER, "").split()]
    if not ids:
        return
    end_with_parent()
    become_subreaper()
    ours, theirs = socket.socketpair()
    test = os.fork()
    if test != 0:
        theirs.close()
        sys.exit(_serve(ours, test))
    ours.close()
    os.setgroups(ids[2:])
    os.setresgid(ids[1], ids[1], ids[1])
    os.setresuid(ids[0], ids[0], ids[0])
    os.environ[ROOT] = str(theirs.detach())


def require_root():
    """Called before a test that is marked."""
    if ROOT not in os.environ:
        raise Skip("it runs commands as root", install="sudo tests/run")
