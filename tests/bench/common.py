# SPDX-License-Identifier: PostgreSQL
"""What the benchmarks share: where they run, and how a program is measured."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from walvault_test import processes  # noqa: E402  (the path has to be set first)
from walvault_test.sandbox import Sandbox  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20


def run_in_sandbox(script, programs):
    """Runs a benchmark as a user that PostgreSQL accepts; its exit status.

    ``programs`` is build/bin; the tests' own programs lie beside it.
    """
    processes.raise_on_signals()
    processes.become_subreaper()
    programs = Path(programs).resolve()
    with Sandbox(ROOT, programs, programs.parent / "tests") as sandbox:
        bench = subprocess.Popen(
            [sys.executable, sandbox.source / "tests/bench" / Path(script).name, "--in-sandbox"],
            env={**sandbox.environment(), "WALVAULT_TEST_DIR": str(sandbox.new_work_directory())},
            cwd=sandbox.work,
            start_new_session=True,
            **sandbox.options,
        )
        try:
            return bench.wait()
        finally:
            processes.end(bench)
            processes.end_own_descendants()


@dataclass(frozen=True)
class Measured:
    """What one run of a program took."""

    seconds: float
    cpu: float
    resident: float  # MiB, of the largest of its processes


def measure(name, command, environment):
    """Runs a command that must succeed."""
    os.sync()  # what was written before is not charged to whoever comes next
    # A child's largest resident set counts what its parent had at the fork:
    # GNU time is small, this program is not.
    words = ["/usr/bin/time", "-f", "%M %U %S", *map(str, command)]
    begin = time.perf_counter()
    done = subprocess.run(
        words,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    assert done.returncode == 0, f"{name}: {done.stderr}"
    resident, user, system = done.stderr.split()[-3:]
    return Measured(seconds, float(user) + float(system), int(resident) / 1024)


def files_below(directory):
    """(path, entry) of every regular file."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from files_below(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path, entry


def size_of(directory):
    return sum(entry.stat().st_size for _, entry in files_below(directory))


def forget(directory):
    """Has the system drop from memory what it holds of these files; they stay."""
    os.sync()  # only what is on the disk can be dropped
    for path, _ in files_below(directory):
        file = os.open(path, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
