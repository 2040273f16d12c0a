# SPDX-License-Identifier: PostgreSQL
"""A look into an Azure container that shares nothing with walvault's own client."""

import base64
import email.utils
import hashlib
import hmac
import http.client
import json
import ssl
import time
import urllib.parse
import xml.etree.ElementTree as ET
from dataclasses import dataclass

VERSION = "2021-12-02"
SIGNED = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type"),
    *("date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)


def _hmac(key, text):
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def sas(account, key, container, permissions, **fields):
    """A service's shared access signature for a container; ``fields`` such as se, st."""
    given = {"st": "", "se": _moment(3600), "si": "", "sip": "", "spr": "", **fields}
    to_sign = [
        *(permissions, given["st"], given["se"], f"/blob/{account}/{container}", given["si"]),
        *(given["sip"], given["spr"], VERSION, "c", "", "", "", "", "", "", ""),
    ]
    query = {"sv": VERSION, "sr": "c", "sp": permissions, **given}
    query["sig"] = _hmac(key, "\n".join(to_sign))
    return urllib.parse.urlencode({name: value for name, value in query.items() if value})


def _moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def moment(seconds):
    """So many seconds from now, as a signature writes it."""
    return _moment(seconds)


def token(seconds=3600, **claims):
    """A token as Azurite takes it, which looks at everything but its signature."""
    now = int(time.time())
    body = {
        **{"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/tests/"},
        **{"nbf": now - 60, "iat": now - 60, "exp": now + seconds, **claims},
    }
    parts = [{"typ": "JWT", "alg": "RS256", "kid": "x"}, body]
    text = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join([*text, base64.urlsafe_b64encode(b"signature").decode().rstrip("=")])


@dataclass(frozen=True)
class Container:
    """A container and the key to its account; ``endpoint`` ends with the account."""

    endpoint: str
    account: str
    key: str
    name: str
    ca: str = None

    def request(self, method, blob="", query="", body=b"", headers=None):
        """One signed request; (status, headers in lower case, body)."""
        url = urllib.parse.urlsplit(self.endpoint)
        path = f"{url.path}/{self.name}" + (f"/{blob}" if blob else "")
        path = urllib.parse.quote(path, safe="/-._~")
        sent = {
            "x-ms-date": email.utils.formatdate(usegmt=True),
            "x-ms-version": VERSION,
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        if body:
            sent["content-length"] = str(len(body))
        sent["Authorization"] = self._sign(method, path, query, sent)
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca)
            connection = http.client.HTTPSConnection(url.netloc, context=context, timeout=60)
        else:
            connection = http.client.HTTPConnection(url.netloc, timeout=60)
        try:
            connection.request(method, path + (f"?{query}" if query else ""), body, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def _sign(self, method, path, query, headers):
        lines = [method, *(headers.get(name, "") for name in SIGNED)]
        lines += [f"{n}:{v}" for n, v in sorted(headers.items()) if n.startswith("x-ms-")]
        lines.append(f"/{self.account}{path}")
        lines += [f"{n}:{v}" for n, v in sorted(urllib.parse.parse_qsl(query))]
        return f"SharedKey {self.account}:{_hmac(self.key, chr(10).join(lines))}"

    def make(self):
        status, _, body = self.request("PUT", query="restype=container")
        assert status == 201, (status, body)

    def put(self, blob, body):
        headers = {"x-ms-blob-type": "BlockBlob"}
        status, _, answer = self.request("PUT", blob, body=body, headers=headers)
        assert status == 201, (blob, status, answer)

    def get(self, blob):
        status, _, body = self.request("GET", blob)
        assert status == 200, (blob, status, body)
        return body

    def head(self, blob):
        status, headers, _ = self.request("HEAD", blob)
        assert status == 200, (blob, status)
        return headers

    def keys(self, prefix="", uncommitted=False):
        """All blobs that begin with the prefix, also those that are not yet any."""
        found, marker = [], ""
        while True:
            query = {"comp": "list", "prefix": prefix, "restype": "container"}
            query |= {"marker": marker} if marker else {}
            query |= {"include": "uncommittedblobs"} if uncommitted else {}
            status, _, body = self.request("GET", query=urllib.parse.urlencode(query))
            assert status == 200, (status, body)
            root = ET.fromstring(body)
            found += [e.text for e in root.iterfind("./Blobs/Blob/Name")]
            marker = root.findtext("NextMarker") or ""
            if not marker:
                return found
