# SPDX-License-Identifier: PostgreSQL
"""A stopped cluster whose repository is on a scripted Azure."""

import base64
import urllib.parse

from .azureclient import moment
from .cases import new_directory
from .fetching import Asker
from .repository import Repository
from .scripted_azure import ScriptedAzure
from .stopped import stopped_cluster

KEY = base64.b64encode(b"a secret of an account".ljust(64, b".")).decode()
SIGNATURE = "averysecretsignature"


def secret_file(text):
    path = new_directory("secret") / "secret"
    path.write_text(f"{text}\n", encoding="ascii")
    return path


def sas(se=None, sp="rcwl"):
    end = urllib.parse.quote(se or moment(3600))
    return f"sv=2021-12-02&sr=c&sp={sp}&se={end}&sig={SIGNATURE}%3D"


class Scripted:
    """A stopped cluster, its repository on a scripted service, and both in one place."""

    def __init__(self, server=None, init=True, cluster=None, env=None, **section):
        self.server = server or ScriptedAzure()
        self.pg, self.names = cluster or stopped_cluster()
        self.env = env or {}
        given = {
            **{"url": "azure://vault/some/prefix", "endpoint": self.server.endpoint},
            **{"account": "acc", "secret_key_file": secret_file(KEY)},
            **section,
        }
        section = {name: value for name, value in given.items() if value is not None}
        self.repo = Repository(self.pg, timeout="20s", section=section)
        if init:
            self.repo.walvault("init", env=self.env).expect(0)
            self.server.calm()

    def push(self, n=0, status=0):
        result = self.repo.walpush(f"pg_wal/{self.names[n]}", env=self.env)
        assert KEY not in result.err and SIGNATURE not in result.err, result
        return result.expect(status)

    def fetch(self, n=0, status=0):
        """As a server in recovery asks."""
        asker = Asker(self.repo, "recovery")
        result = asker.fetch(self.names[n])
        assert KEY not in result.err and SIGNATURE not in result.err, result
        result.expect(status)
        if status == 0:
            there = asker.destination.read_bytes()
            assert there == (self.pg.data / "pg_wal" / self.names[n]).read_bytes()
        return result

    def wal(self, method):
        return self.server.asked(f"^{method}.*/wal/")

    def forget_wal(self):
        self.server.objects = {k: v for k, v in self.server.objects.items() if "/wal/" not in k}
