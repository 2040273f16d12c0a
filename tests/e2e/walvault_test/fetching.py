# SPDX-License-Identifier: PostgreSQL
"""walfetch as each kind of caller runs it, and restore commands with a mishap built in."""

import shutil

from .cases import new_directory

# Who asks, and what walfetch says to each when it has no proof either way.
UNPROVEN = {"recovery": 200, "standby": 1, "promoted": 200, "person": 200}
SIGNALS = {"recovery": "recovery.signal", "standby": "standby.signal"}


class Asker:
    """A caller of walfetch: its directory, as far as walfetch looks at it.

    ``recovery`` and ``standby`` have their signal file; ``promoted`` is a server
    that has just removed it; ``person`` has no data directory at all.
    """

    def __init__(self, repo, mode):
        self.repo = repo
        self.mode = mode
        self.directory = new_directory(mode) / "data"
        self.wal = self.directory / "pg_wal"
        self.wal.mkdir(parents=True)
        self.destination = self.wal / "RECOVERYXLOG"
        if mode == "person":
            self.destination = self.directory / "fetched"
            return
        (self.directory / "global").mkdir()
        for name in ("PG_VERSION", "global/pg_control"):
            shutil.copy(repo.pg.data / name, self.directory / name)
        if mode in SIGNALS:
            (self.directory / SIGNALS[mode]).touch()

    def command(self, name, *options):
        """The arguments of walfetch, the destination relative as in %p."""
        return [*options, name, self.destination.relative_to(self.directory)]

    def fetch(self, name, *options, **settings):
        return self.repo.walfetch(*self.command(name, *options), cwd=self.directory, **settings)

    def files(self):
        """All files there, so that nothing left lying about goes unseen."""
        found = self.directory.rglob("*")
        return sorted(str(path.relative_to(self.directory)) for path in found if path.is_file())

    def fetch_fails(self, name, status, *options, **settings):
        """Fetches; fails unless it ends with ``status``, says why and leaves nothing."""
        before = self.files()
        result = self.fetch(name, *options, **settings)
        assert result.status == status, f"{self.mode}: expected exit {status}: {result}"
        assert self.files() == before, f"{self.mode}: {result}\nleft {self.files()}"
        assert result.err.strip(), f"{self.mode}: not a word of explanation: {result}"
        return result


def askers(repo, *modes):
    return [Asker(repo, mode) for mode in modes or UNPROVEN]


def nothing_is_proven(repo, name, *options, **settings):
    """Every kind of caller hears "no proof"; the results by mode."""
    return {
        asker.mode: asker.fetch_fails(name, UNPROVEN[asker.mode], *options, **settings)
        for asker in askers(repo)
    }


class WatchedRestore:
    """A restore_command that notes what is asked, and once does something first.

    ``when`` is a shell condition on $1, the name asked for; ``then`` runs the first
    time that it holds, in the server's data directory, before walfetch does.
    """

    def __init__(self, repo, when="false", then=":", options=""):
        directory = new_directory("restore")
        self._asked = directory / "asked"
        self._script = directory / "restore"
        self._happened = directory / "happened"
        words = repo.restore_command(*options.split())
        words = words.replace("%f", '"$1"').replace("%p", '"$2"')
        self._script.write_text(
            "#!/bin/sh\n"
            f'echo "$1" >> {self._asked}\n'
            f"if [ ! -e {self._happened} ] && {when}; then\n\t{then}\n"
            f"\t: > {self._happened}\nfi\n"
            f"exec {words}\n",
            encoding="utf-8",
        )
        self._script.chmod(0o755)

    @property
    def command(self):
        return f"{self._script} %f %p"

    @property
    def happened(self):
        return self._happened.exists()

    def asked(self):
        """The names asked for so far, in order."""
        if not self._asked.exists():
            return []
        return self._asked.read_text(encoding="ascii").split()
