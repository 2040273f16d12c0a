# SPDX-License-Identifier: PostgreSQL
"""Finding and ending the processes that are ours, by pid and by nothing else.

PostgreSQL's children lead sessions of their own and programs started by a dead
server are orphans, so process groups do not hold a test together. A test
process therefore declares itself *subreaper*: whatever its descendants leave
behind becomes its own child instead of init's, and the tree below it is
complete at any moment.
"""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

from .waiting import wait_until

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 30  # for a process's own clean-up before it is killed


def _prctl(option, argument):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "prctl")


def become_subreaper():
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent():
    """SIGTERM for this process when the one that started it dies."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def raise_on_signals():
    """Makes SIGINT and SIGTERM a KeyboardInterrupt, so that everything is cleaned up."""

    def interrupt(number, _frame):
        # Once is enough: cleaning up takes a moment and must not be interrupted.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


def _parents():
    """Maps every living process to its parent; zombies are not alive."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "stat").read_text(errors="replace")
        except OSError:
            continue  # ended while we looked
        # The command's name, in parentheses, may contain anything.
        state, parent = status.rpartition(")")[2].split()[:2]
        if state not in "ZX":
            parents[int(entry.name)] = int(parent)
    return parents


def descendants(pid):
    """The living processes below ``pid``, parents before their children."""
    children = {}
    for process, parent in _parents().items():
        children.setdefault(parent, []).append(process)
    found = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(0), [])
        found += below
        queue += below
    return found


def command_line(pid):
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "(ended)"
    return b" ".join(words).decode(errors="replace").strip()


def any_alive(pids):
    return not _parents().keys().isdisjoint(pids)


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def kill_descendants(pid, timeout=10):
    """SIGKILL for everything below ``pid``, until nothing is left there."""

    def gone():
        left = descendants(pid)
        kill_all(left)
        return not left

    wait_until(gone, f"the descendants of process {pid} to end", timeout)


def end_own_descendants():
    """Kills whatever is left below this process and collects the dead.

    A container's init may never collect the zombies of others.
    """
    kill_descendants(os.getpid())
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def end(process):
    """Ends a Popen: asked first, so that it cleans up, then killed with all below it."""
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        kill_descendants(process.pid)
        process.kill()
        process.wait()
