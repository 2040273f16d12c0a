# SPDX-License-Identifier: PostgreSQL
"""The tests' own Google Cloud Storage (see google.py), over TLS."""

import json

from .certificates import Authority
from .google import GoogleStorage
from .google_accounts import CREATE, DELETE, GET, LIST, RETAIN

EVERYTHING = (GET, LIST, CREATE, DELETE, RETAIN)


def start(directory):
    authority = Authority(directory / "tls")
    storage = GoogleStorage(authority.issue(), ["vault", "locked"])
    storage.buckets["locked"].retention = True
    keys = {}
    for name, permissions in (("admin", EVERYTHING), ("host", (GET, LIST, CREATE))):
        account = storage.accounts.add(name, permissions)
        path = directory / f"{name}.json"
        path.write_text(json.dumps(storage.accounts.key_file(account)), encoding="ascii")
        keys[name] = str(path)
    own = storage.accounts.add("tests", EVERYTHING)
    token = storage.accounts.new_token(
        own, ["https://www.googleapis.com/auth/devstorage.full_control"], 10**6
    )
    return {
        "endpoint": storage.endpoint,
        "ca": str(authority.ca),
        "keys": keys,
        "token": token,
    }
