# SPDX-License-Identifier: PostgreSQL
"""A small Azure Blob Storage in memory that fails when it is told to.

It answers as Microsoft's documentation says: conditions, ranges, blocks,
listings, the codes of errors. Who asks is not looked at, but for a token if
any is known. ``locks`` says whether immutability policies are kept.
"""

import base64
import email.utils
import hashlib
import re
import time
from xml.sax.saxutils import escape
from xml.etree import ElementTree

from .scripted import Answer, ScriptedS3

VERSION = "2021-12-02"
POLICY = ("x-ms-immutability-policy-mode", "x-ms-immutability-policy-until-date")
KEPT = ("x-ms-meta-walvault", "x-ms-access-tier")


def azure_error(status, code, message="", headers=None):
    """An error of Azure: the code is in a header, too."""
    body = f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code>"
    body += f"<Message>{escape(message)}\nRequestId:1\nTime:now</Message></Error>"
    given = {"Content-Type": "application/xml", "x-ms-error-code": code, "x-ms-request-id": "1"}
    return Answer(status, body.encode(), {**given, **(headers or {})})


class ScriptedAzure(ScriptedS3):
    """The server; ``objects`` are by path, "/account/container/name"."""

    def __init__(self, certificate=None, conditional=True, locks=True):
        super().__init__(certificate, conditional)
        self.locks = locks
        self.tokens = set()
        self.kept = {}
        self.blocks = {}

    def answer(self, request):
        with self._lock:
            answer = self._refusal(request)
            if answer is None and request.query.get("comp") == "list":
                answer = self._list(request)
            if answer is None:
                answer = getattr(self, f"_{request.method.lower()}")(request)
            answer.headers.setdefault("x-ms-request-id", "1")
            answer.headers.setdefault("x-ms-version", VERSION)
            return answer

    def _refusal(self, request):
        given = request.headers
        assert given.get("x-ms-version") == VERSION, given
        assert email.utils.parsedate(given["x-ms-date"]), given
        bearer = given.get("authorization", "").removeprefix("Bearer ")
        if self.tokens and bearer not in self.tokens:
            return azure_error(401, "InvalidAuthenticationInfo", "the token has expired")
        if request.method == "PUT":
            said = base64.b64encode(hashlib.md5(request.body).digest()).decode()
            assert "content-md5" in given, given
            if given["content-md5"] != said:
                return azure_error(400, "Md5Mismatch", "it is other")
        return None

    # -- blobs --

    def _blob_headers(self, path):
        data = self.objects[path]
        digest = hashlib.md5(data).digest()
        return {
            "ETag": f'"0x{digest.hex()[:16].upper()}"',
            "Last-Modified": email.utils.formatdate(time.time(), usegmt=True),
            "Accept-Ranges": "bytes",
            **self.kept.get(path, {}),
        }

    def _head(self, request):
        if request.path not in self.objects:
            return azure_error(404, "BlobNotFound", "The specified blob does not exist.")
        headers = self._blob_headers(request.path)
        headers["Content-Length"] = str(len(self.objects[request.path]))
        return Answer(200, b"", headers)

    def _get(self, request):
        if request.path not in self.objects:
            return azure_error(404, "BlobNotFound", "The specified blob does not exist.")
        data, headers = self.objects[request.path], self._blob_headers(request.path)
        if request.headers.get("if-match", headers["ETag"]) != headers["ETag"]:
            return azure_error(412, "ConditionNotMet")
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not match:
            return Answer(200, data, headers)
        first = int(match[1])
        last = min(int(match[2] or len(data) - 1), len(data) - 1)
        if first >= len(data):
            return azure_error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return Answer(206, data[first : last + 1], headers)

    def _condition(self, request):
        """What the conditions of a PUT refuse, or None."""
        there = request.path in self.objects
        if request.headers.get("if-none-match") == "*" and self.conditional and there:
            return azure_error(409, "BlobAlreadyExists", "The specified blob already exists.")
        tag = request.headers.get("if-match")
        if tag and (not there or tag != self._blob_headers(request.path)["ETag"]):
            return azure_error(412, "ConditionNotMet")
        return None

    def _put(self, request):
        if request.query.get("comp") == "block":
            staged = self.blocks.setdefault(request.path, {})
            staged[request.query["blockid"]] = request.body
            return Answer(201)
        refused = self._condition(request)
        if refused:
            return refused
        data = request.body
        if request.query.get("comp") == "blocklist":
            staged = self.blocks.pop(request.path, {})
            names = [e.text for e in ElementTree.fromstring(data).iter("Uncommitted")]
            if any(name not in staged for name in names):
                return azure_error(400, "InvalidBlockList")
            data = b"".join(staged[name] for name in names)
        else:
            assert request.headers["x-ms-blob-type"] == "BlockBlob", request.headers
        self.objects[request.path] = data
        names = KEPT + (POLICY if self.locks else ())
        given = request.headers
        self.kept[request.path] = {name: given[name] for name in names if name in given}
        return Answer(201, b"", self._blob_headers(request.path))

    def _delete(self, request):
        if self.objects.pop(request.path, None) is None:
            return azure_error(404, "BlobNotFound")
        return Answer(202)

    # -- listings --

    def _list(self, request):
        assert request.query["restype"] == "container", request
        container = request.path + "/"
        prefix, after = request.query.get("prefix", ""), request.query.get("marker", "")
        delimiter = request.query.get("delimiter")
        found = {}
        for path in sorted(self.objects):
            key = path[len(container) :]
            if not path.startswith(container + prefix) or key <= after:
                continue
            behind = key[len(prefix) :]
            if delimiter and delimiter in behind:
                found.setdefault(prefix + behind.split(delimiter)[0] + delimiter, None)
            else:
                found[key] = len(self.objects[path])
        page = sorted(found)[:1000]
        lines = [self._entry(name, found[name]) for name in page]
        marker = escape(page[-1]) if len(page) < len(found) else ""
        body = "<?xml version='1.0' encoding='utf-8'?><EnumerationResults><Blobs>"
        body += f"{''.join(lines)}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})

    @staticmethod
    def _entry(name, size):
        if size is None:
            return f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
        return (
            f"<Blob><Name>{escape(name)}</Name><Properties>"
            "<Last-Modified>Fri, 20 Nov 2026 02:00:00 GMT</Last-Modified>"
            f"<Content-Length>{size}</Content-Length></Properties></Blob>"
        )
