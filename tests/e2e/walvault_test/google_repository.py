# SPDX-License-Identifier: PostgreSQL
"""A repository on a Google Cloud Storage of a test's own, which does what it is told to."""

import json

from .cases import new_directory
from .fetching import Asker
from .google import GoogleStorage
from .google_accounts import HOST_ROLE
from .repository import Repository
from .stopped import stopped_cluster

# Nobody is asked outside of this host.
NOWHERE = {"GCE_METADATA_HOST": "127.0.0.1:1"}


class OnGoogle:
    """A cluster, by default a stopped one, its repository and its service in one place."""

    def __init__(self, init=True, permissions=HOST_ROLE, pg=None, timeout="20s", **section):
        self.server = GoogleStorage(section.pop("certificate", None), ["bucket"])
        self.account = self.server.accounts.add("host", permissions)
        self.key = self.server.accounts.key_file(self.account)
        self.key_file = new_directory("secret") / "key.json"
        self.key_file.write_text(json.dumps(self.key), encoding="ascii")
        self.pg, self.names = (pg, []) if pg else stopped_cluster()
        given = {
            "url": "gs://bucket/some/prefix",
            "endpoint": self.server.endpoint,
            "credentials_file": self.key_file,
            **section,
        }
        self.repo = Repository(
            self.pg,
            timeout=timeout,
            section={name: value for name, value in given.items() if value is not None},
        )
        if init:
            self.repo.init()
            self.server.calm()

    @property
    def objects(self):
        """What the service keeps: name -> Stored."""
        return self.server.buckets["bucket"].objects

    def stored(self, name):
        return next(stored for key, stored in self.objects.items() if key.endswith(name))

    def forget(self, name):
        """The object is gone, as if it had never been put."""
        bucket = self.server.buckets["bucket"]
        for key in [key for key in bucket.names if key.endswith(name)]:
            del bucket.objects[key]
            bucket.names.remove(key)

    def secrets(self):
        """What nobody is to read, whatever happens."""
        sessions = list(self.server.uploads.sessions)
        return ["ya29.", self.key["private_key"][40:80], *sessions]

    def check_silence(self, result):
        for secret in self.secrets():
            assert secret not in result.err + result.out, result

    def push(self, n=0, status=0, env=None, options=()):
        result = self.repo.walpush(
            *options, f"pg_wal/{self.names[n]}", env={**NOWHERE, **(env or {})}
        )
        self.check_silence(result)
        return result.expect(status)

    def fetch(self, n=0, status=0):
        """As a server in recovery asks."""
        asker = Asker(self.repo, "recovery")
        result = asker.fetch(self.names[n])
        self.check_silence(result)
        result.expect(status)
        if status == 0:
            there = asker.destination.read_bytes()
            assert there == (self.pg.data / "pg_wal" / self.names[n]).read_bytes()
        return result

    def uploads(self):
        """The requests that put WAL: their name is in what they send."""
        return [
            request
            for request in self.server.requests
            if request.method == "POST"
            and request.path.startswith("/upload/")
            and b"/wal/" in request.body[:2000]
        ]

    def wal(self, method):
        return self.server.asked(f"^{method or '[A-Z]+'} /storage/.*/wal/")
