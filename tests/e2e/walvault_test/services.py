# SPDX-License-Identifier: PostgreSQL
"""Real object stores, started once for a whole run of the tests.

    python3 -m walvault_test.services NAME DIRECTORY

starts one and stays; when it is up, DIRECTORY/ready holds what its users need
to know, or DIRECTORY/failed why it is not. The runner starts those that the
selected tests want, side by side, and ends them with itself. All of it runs as
an unprivileged user, on free ports of the loopback.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .cases import Skip
from .waiting import wait_until

NAMES = ("azurite", "ceph", "gcs", "sshd", "swift")
START_SECONDS = 240


def place(name):
    """The running service ``name``: a dictionary; waits until it is up."""
    home = Path(os.environ.get("WALVAULT_TEST_SERVICES", "/nonexistent")) / name
    if not home.exists():
        raise Skip(f"no {name} was started for this run")

    def answered():
        return (home / "ready").exists() or (home / "failed").exists()

    wait_until(answered, f"{name} to be up", timeout=START_SECONDS)
    if not (home / "ready").exists():
        raise Skip((home / "failed").read_text(encoding="utf-8"))
    return json.loads((home / "ready").read_text(encoding="utf-8"))


class Services:
    """Those that the runner has started; their directory, and their end."""

    def __init__(self, sandbox):
        # Swift needs extended attributes, which not every /tmp has.
        self.path = Path(tempfile.mkdtemp(prefix="walvault-services-", dir="/var/tmp"))
        self.path.chmod(0o755)
        self._sandbox = sandbox

    def start(self, command, names):
        for name in names:
            directory = self.path / name
            directory.mkdir(mode=0o700)
            if self._sandbox.user:
                os.chown(directory, self._sandbox.user.pw_uid, self._sandbox.user.pw_gid)
            with open(self.path / f"{name}.log", "wb") as log:
                subprocess.Popen(
                    [*command, name, directory],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._sandbox.environment(),
                    cwd=directory,
                    start_new_session=True,
                    **self._sandbox.options,
                )

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def main(name, directory):
    directory = Path(directory)
    module = __import__(f"walvault_test.service_{name}", fromlist=["start"])
    try:
        what = module.start(directory)
        found, text = "ready", json.dumps(what)
    except FileNotFoundError as error:
        found, text = "failed", f"{name} is not installed: {error.filename}"
    except Exception as error:  # whatever it is, the tests are to be told
        found, text = "failed", f"{name} did not start: {error!r}"
    unfinished = directory / "answer"
    unfinished.write_text(text, encoding="utf-8")
    unfinished.rename(directory / found)
    signal.pause()


def wait_for(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"timed out waiting for {what}")
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
