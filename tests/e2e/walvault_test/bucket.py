# SPDX-License-Identifier: PostgreSQL
"""Places of a test's own in the buckets of the services that run."""

import os

from .cases import new_directory
from .repository import Repository
from .s3client import Place
from .services import place
from .stopped import stopped_cluster


class Bucket:
    """A prefix of its own in a service's bucket."""

    def __init__(self, service="ceph", bucket="vault"):
        self.at = place(service)
        self.bucket = bucket
        self.prefix = f"e2e/{os.urandom(6).hex()}"
        self.own = Place(
            *(self.at["endpoint"], self.at["access_key"], self.at["secret_key"]),
            self.at.get("ca"),
        )

    def section(self, **options):
        secret = new_directory("secret") / "key"
        secret.write_text(self.at["secret_key"], encoding="ascii")
        given = {
            "url": f"s3://{self.bucket}/{self.prefix}",
            "endpoint": self.at["endpoint"],
            "ca_file": self.at.get("ca"),
            "access_key_id": self.at["access_key"],
            "secret_key_file": secret,
            **options,
        }
        return {name: value for name, value in given.items() if value is not None}

    def keys(self):
        return self.own.keys(self.bucket, f"{self.prefix}/")


def pushed(bucket, init=True, pg=None, **section):
    """A stopped cluster and its repository in the bucket."""
    pg, names = pg or stopped_cluster()
    repo = Repository(pg, timeout="30s", section=bucket.section(**section))
    if init:
        repo.init()
    return pg, repo, names
