# SPDX-License-Identifier: PostgreSQL
"""What is in a store, byte for byte."""

import subprocess

from .programs import clean_environment, program


def stored_bytes(repo, name, *options):
    """The plain bytes of an archived WAL file, as walvault verifies and prints them."""
    done = subprocess.run(
        [program("walvault"), "cat", *map(str, options), name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
        check=False,
    )
    assert done.returncode == 0, (name, done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout


def files_below(directory):
    """Every file there, hidden ones too, as relative paths; sorted."""
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()
    )
