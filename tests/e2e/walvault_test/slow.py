# SPDX-License-Identifier: PostgreSQL
"""A store that takes its time for a put, but only when walpush asks for it."""

from pathlib import Path

from .cases import new_directory

CONTRIB = Path(__file__).resolve().parents[3] / "contrib"

SCRIPT = """#!/bin/sh
case "$1 $2" in "put "*/wal/*) ;; *) exec {example} "$@" ;; esac
pid=$$
while [ "$pid" -gt 1 ]; do
	case $(cat /proc/$pid/comm) in walpush)
		# It is still at it when walpush has answered.
		while [ -d /proc/$pid ]; do sleep 0.05; done
		exit 1 ;;
	esac
	pid=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$pid/status)
done
exec {example} "$@"
"""


class SlowStore:
    """``section`` is for the configuration; kept in ``directory``.

    While ``slow()`` is in force a put of WAL lasts longer than walpush waits.
    """

    def __init__(self):
        home = new_directory("slow")
        self.directory = home / "store"
        self._script = home / "command"
        self.section = {"url": f"exec:{self._script}"}
        self.quick()

    def _write(self, text):
        new = self._script.with_name("new")
        example = f"{CONTRIB}/exec-directory {self.directory}"
        new.write_text(text.format(example=example), encoding="utf-8")
        new.chmod(0o755)
        new.rename(self._script)

    def slow(self):
        self._write(SCRIPT)
        return self

    def quick(self):
        self._write('#!/bin/sh\nexec {example} "$@"\n')
        return self

    def holds(self, name):
        return any(path.name == name for path in self.directory.rglob("0*"))
