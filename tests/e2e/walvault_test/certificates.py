# SPDX-License-Identifier: PostgreSQL
"""An authority of the tests' own, and certificates that it gave out."""

import subprocess
from pathlib import Path


def _openssl(*words):
    subprocess.run(["openssl", *words], check=True, stderr=subprocess.DEVNULL)


class Authority:
    """A certificate authority in a directory; ``ca`` is what clients trust."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca = self.directory / "ca.pem"
        self._key = self.directory / "ca.key"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "3650", "-subj", "/CN=tests of walvault"),
            *("-addext", "basicConstraints=critical,CA:TRUE"),
            *("-keyout", str(self._key), "-out", str(self.ca)),
        )

    def issue(self, name="server", hosts=("DNS:localhost", "DNS:*.localhost", "IP:127.0.0.1")):
        """A certificate for these hosts with its key, in one file."""
        base = self.directory / name
        _openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", f"{base}.key", "-out", f"{base}.csr"),
        )
        Path(f"{base}.ext").write_text(f"subjectAltName={','.join(hosts)}\n", encoding="ascii")
        _openssl(
            *("x509", "-req", "-in", f"{base}.csr", "-days", "365"),
            *("-CA", str(self.ca), "-CAkey", str(self._key), "-CAcreateserial"),
            *("-extfile", f"{base}.ext", "-out", f"{base}.crt"),
        )
        whole = Path(f"{base}.pem")
        whole.write_bytes(Path(f"{base}.crt").read_bytes() + Path(f"{base}.key").read_bytes())
        whole.chmod(0o600)
        return whole
