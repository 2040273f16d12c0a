# SPDX-License-Identifier: PostgreSQL
"""Commands of the user's never outlive the program that has started them."""

import os
import signal
import subprocess
from pathlib import Path

from walvault_test import Repository, wait_until
from walvault_test.cases import new_directory
from walvault_test.processes import any_alive, descendants
from walvault_test.programs import clean_environment, program
from walvault_test.stopped import stopped_cluster

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


class Hanging:
    """A command that starts others, and waits; ``first`` may end it before that."""

    def __init__(self, first=""):
        self.path = new_directory("command") / "command"
        self.told = self.path.with_name("told")
        # One of its children hides from signals that are asked nicely.
        self.path.write_text(
            f"#!/bin/sh\n{first}\n"
            "(trap '' TERM HUP INT; sleep 1000; sleep 1000) & one=$!\n"
            "sleep 1000 & two=$!\n"
            f"echo $$ $one $two > {self.told}.new; mv {self.told}.new {self.told}\n"
            "wait\n",
            encoding="ascii",
        )
        self.path.chmod(0o755)

    def pids(self):
        wait_until(self.told.exists, "the command to run")
        found = [int(pid) for pid in self.told.read_text(encoding="ascii").split()]
        self.told.unlink()
        assert any_alive(found)
        return found


def start(repo, name, *words):
    return subprocess.Popen(
        [program(name), *words],
        cwd=repo.pg.data,
        env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def assert_nothing_is_left(repo, hanging, name, *words):
    for number in SIGNALS:
        process = start(repo, name, *words)
        pids = hanging.pids()
        os.kill(process.pid, number)
        process.wait()
        wait_until(lambda: not any_alive(pids), f"what {name} started to be gone", timeout=30)
        wait_until(lambda: not descendants(os.getpid()), "nothing else to be left", timeout=30)


def test_a_killed_program_leaves_nothing_of_an_exec_stores_command():
    hanging = Hanging()
    pg, names = stopped_cluster()
    repo = Repository(pg, section={"url": f"exec:{hanging.path}"})
    assert_nothing_is_left(repo, hanging, "walpush", f"pg_wal/{names[0]}")
    assert_nothing_is_left(repo, hanging, "walfetch", names[0], repo.directory / "wal")
    assert_nothing_is_left(repo, hanging, "walvault", "info")


def test_a_push_killed_in_the_middle_of_its_put_leaves_nothing_of_it():
    example = f"{CONTRIB}/exec-directory {new_directory('kept') / 'store'}"
    hanging = Hanging(f'case "$1 $2" in "put "*/wal/*) ;; *) exec {example} "$@";; esac')
    pg, names = stopped_cluster()
    repo = Repository(pg, section={"url": f"exec:{hanging.path}"})
    repo.init()
    assert_nothing_is_left(repo, hanging, "walpush", f"pg_wal/{names[0]}")
    assert not any(names[0] in key for key in repo.walvault("ls").expect(0).out.split())


def test_a_killed_worker_leaves_nothing_either():
    hanging = Hanging()
    pg, names = stopped_cluster()
    repo = Repository(pg, section={"url": f"exec:{hanging.path}"})
    process = start(repo, "walpush", f"pg_wal/{names[0]}")
    pids = hanging.pids()
    worker = descendants(process.pid)[0]
    os.kill(worker, signal.SIGKILL)
    assert process.wait() == 1
    wait_until(lambda: not any_alive(pids), "what it started to be gone", timeout=30)


def test_a_killed_program_leaves_nothing_of_a_command_for_credentials():
    hanging = Hanging()
    pg, names = stopped_cluster()
    section = {
        **{"url": "s3://bucket/prefix", "endpoint": "http://127.0.0.1:1", "region": "here"},
        "credential_command": hanging.path,
    }
    repo = Repository(pg, section=section)
    assert_nothing_is_left(repo, hanging, "walpush", f"pg_wal/{names[0]}")
    assert_nothing_is_left(repo, hanging, "walvault", "info")


def test_one_that_closes_its_output_and_stays_is_ended_by_the_deadline():
    pg, names = stopped_cluster()
    section = {
        **{"url": "s3://bucket/prefix", "endpoint": "http://127.0.0.1:1", "region": "here"},
        "credential_command": "echo '{}'; exec >&-; exec sleep 1000",
    }
    repo = Repository(pg, section=section, timeout="10s")
    result = repo.walpush(f"pg_wal/{names[0]}").expect(1)
    assert "did not end in time" in result.err, result
