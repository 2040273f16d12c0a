# SPDX-License-Identifier: PostgreSQL
"""A look into a bucket that shares nothing with walvault's own client."""

import datetime
import hashlib
import hmac
import http.client
import ssl
import urllib.parse
import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A service and the key to it."""

    endpoint: str
    access_key: str
    secret_key: str
    ca: str = None

    def request(self, method, path, query="", body=b"", headers=None):
        """One signed request; (status, headers, body). ``query`` is sorted and encoded."""
        url = urllib.parse.urlsplit(self.endpoint)
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path = urllib.parse.quote(path, safe="/-._~")
        digest = hashlib.sha256(body).hexdigest()
        signed = {
            **(headers or {}),
            "host": url.netloc,
            "x-amz-date": now,
            "x-amz-content-sha256": digest,
        }
        signed["Authorization"] = self._sign(method, path, query, dict(signed), now, digest)
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca)
            connection = http.client.HTTPSConnection(url.netloc, context=context, timeout=60)
        else:
            connection = http.client.HTTPConnection(url.netloc, timeout=60)
        try:
            connection.request(method, path + (f"?{query}" if query else ""), body, signed)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _sign(self, method, path, query, headers, now, digest):
        names = sorted(headers)
        lines = [f"{name}:{headers[name]}" for name in names]
        request = "\n".join([method, path, query, *lines, "", ";".join(names), digest])
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        to_sign = "\n".join(
            ["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()]
        )
        key = f"AWS4{self.secret_key}".encode()
        for part in (now[:8], "us-east-1", "s3", "aws4_request", to_sign):
            digest_of = hmac.new(key, part.encode(), hashlib.sha256)
            key = digest_of.digest()
        return (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={digest_of.hexdigest()}"
        )

    def make_bucket(self, bucket, **headers):
        status, _, body = self.request("PUT", f"/{bucket}", headers=headers)
        assert status == 200, (status, body)

    def get(self, bucket, key):
        status, _, body = self.request("GET", f"/{bucket}/{key}")
        assert status == 200, (key, status, body)
        return body

    def put(self, bucket, key, body):
        status, _, answer = self.request("PUT", f"/{bucket}/{key}", body=body)
        assert status == 200, (key, status, answer)

    def head(self, bucket, key):
        status, headers, _ = self.request("HEAD", f"/{bucket}/{key}")
        assert status == 200, (key, status)
        return {name.lower(): value for name, value in headers.items()}

    def keys(self, bucket, prefix=""):
        """All keys that begin with the prefix."""
        found, after = [], ""
        while True:
            quoted = urllib.parse.quote(prefix, safe="-._~")
            begin = urllib.parse.quote(after, safe="-._~")
            query = f"list-type=2&prefix={quoted}&start-after={begin}"
            status, _, body = self.request("GET", f"/{bucket}", query)
            assert status == 200, (status, body)
            page = [e.text for e in ET.fromstring(body).iter() if e.tag.endswith("}Key")]
            if not page:
                return found
            found += page
            after = page[-1]

    def uploads(self, bucket):
        """Keys of multipart uploads that were begun and not ended."""
        status, _, body = self.request("GET", f"/{bucket}", "uploads=")
        assert status == 200, (status, body)
        return [e.text for e in ET.fromstring(body).iter() if e.tag.endswith("}Key")]
