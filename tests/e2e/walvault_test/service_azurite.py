# SPDX-License-Identifier: PostgreSQL
"""Azurite: Azure's blob storage in memory, over HTTPS and, beside it, HTTP."""

import base64
import os
import subprocess

from .azureclient import Container
from .certificates import Authority
from .installed import azurite
from .ports import free_ports, is_open
from .services import wait_for

ACCOUNT = "walvault"


def start(home):
    https, http = free_ports(2)
    authority = Authority(home / "tls")
    authority.issue()
    key = base64.b64encode(os.urandom(64)).decode()

    def server(port, *words):
        command = ["node", azurite(), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
        command += ["--inMemoryPersistence", "--disableTelemetry", "--silent", *words]
        environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
        subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, cwd=home)

    tls = home / "tls/server"
    # Tokens are taken only over TLS, and then a wrong key is told otherwise.
    server(https, "--oauth", "basic", "--cert", f"{tls}.crt", "--key", f"{tls}.key")
    server(http)
    wait_for(lambda: is_open(https) and is_open(http), "Azurite")
    at = {
        "endpoint": f"https://127.0.0.1:{https}/{ACCOUNT}",
        "plain_endpoint": f"http://127.0.0.1:{http}/{ACCOUNT}",
        "ca": str(authority.ca),
        "account": ACCOUNT,
        "secret_key": key,
    }
    for endpoint in (at["endpoint"], at["plain_endpoint"]):
        Container(endpoint, ACCOUNT, key, "vault", at["ca"]).make()
    return at
