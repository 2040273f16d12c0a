# SPDX-License-Identifier: PostgreSQL
"""A look into a bucket of Google's that shares nothing with walvault's own client."""

import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass


@dataclass(frozen=True)
class GooglePlace:
    """The service, and a token that may do everything."""

    endpoint: str
    token: str
    ca: str = None

    def request(self, method, path, body=b"", **query):
        url = urllib.parse.urlsplit(self.endpoint)
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca)
            connection = http.client.HTTPSConnection(url.netloc, context=context, timeout=60)
        else:
            connection = http.client.HTTPConnection(url.netloc, timeout=60)
        try:
            path += "?" + urllib.parse.urlencode(query) if query else ""
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    @staticmethod
    def _path(bucket, name):
        return f"/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}"

    def resource(self, bucket, name):
        status, _, body = self.request("GET", self._path(bucket, name))
        assert status == 200, (name, status, body)
        return json.loads(body)

    def get(self, bucket, name):
        status, _, body = self.request("GET", self._path(bucket, name), alt="media")
        assert status == 200, (name, status, body)
        return body

    def put(self, bucket, name, body):
        path = f"/upload/storage/v1/b/{bucket}/o"
        status, _, answer = self.request("POST", path, body, uploadType="media", name=name)
        assert status == 200, (name, status, answer)

    def delete(self, bucket, name):
        status, _, answer = self.request("DELETE", self._path(bucket, name))
        assert status == 204, (name, status, answer)

    def keys(self, bucket, prefix=""):
        """All names that begin with the prefix."""
        found, token = [], {}
        while True:
            path = f"/storage/v1/b/{bucket}/o"
            status, _, body = self.request("GET", path, prefix=prefix, **token)
            assert status == 200, (status, body)
            page = json.loads(body)
            found += [item["name"] for item in page.get("items", [])]
            if "nextPageToken" not in page:
                return found
            token = {"pageToken": page["nextPageToken"]}
