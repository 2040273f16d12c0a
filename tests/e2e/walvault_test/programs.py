# SPDX-License-Identifier: PostgreSQL
"""Running walvault's programs, and noticing when a sanitizer spoke."""

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:")


def program(name):
    """The absolute path of walpush, walfetch or walvault."""
    directory = os.environ.get("WALVAULT_BIN", "build/bin")
    return Path(directory).resolve() / name


def helpers():
    """Where the tests' own compiled helpers are (preloaded libraries and so on)."""
    return Path(os.environ.get("WALVAULT_TEST_HELPERS", "build/tests")).resolve()


def source_tree():
    """A readable copy of tests/, contrib/, conf.d/ and man/."""
    default = Path(__file__).resolve().parents[3]
    return Path(os.environ.get("WALVAULT_SOURCE", default))


def clean_environment(**additions):
    """The environment for servers and programs, without what is the harness's own.

    walvault takes WALVAULT_* for options and warns of those it does not know;
    libpq and postgres take PG*.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WALVAULT_", "PG"))
    }
    return {**kept, **additions}


def sanitizer_complaint(text):
    """The line in which a sanitizer reports a defect, or None."""
    for line in text.splitlines():
        if SANITIZER.search(line):
            return line
    return None


@dataclass(frozen=True)
class Result:
    """What a finished program left: its exit status and what it wrote."""

    command: str
    status: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)

    def expect(self, status=0):
        """Itself, if it ended with that status (or one of several); else a failure."""
        expected = (status,) if isinstance(status, int) else tuple(status)
        assert self.status in expected, f"expected exit {status}: {self}"
        return self

    def without_hint(self):
        """The errors it told without saying what to do next."""
        return [
            line for line in self.err.splitlines() if " error: " in line and "(hint: " not in line
        ]

    def __str__(self):
        return f"$ {self.command}\nexit {self.status}\n{self.out}{self.err}"


def run_program(*command, timeout=120, input=None, env=None, **options):
    """Runs a program to its end; ``options`` go to subprocess.run (cwd, …).

    ``env`` holds variables to add to the clean environment.

    Output that is not UTF-8 survives as surrogates; use subprocess directly for
    binary output. Whatever a sanitizer reports is a failure at once, whatever
    exit status the caller expects.
    """
    words = [os.fspath(word) for word in command]
    done = subprocess.run(
        words,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=timeout,
        check=False,
        env=clean_environment(**env or {}),
        **options,
    )
    result = Result(shlex.join(words), done.returncode, done.stdout, done.stderr)
    assert not sanitizer_complaint(result.err), result
    return result
