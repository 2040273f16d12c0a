# SPDX-License-Identifier: PostgreSQL
"""Uploads to the tests' own Google Cloud Storage: see google.py."""

import json
import re
import secrets
import urllib.parse
from dataclasses import dataclass, field

from .google_errors import precondition_failed, refuse
from .scripted import Answer

UNIT = 256 * 1024


@dataclass
class Session:
    """A resumable upload: its address is all that it asks for."""

    start: object  # the request that began it
    bucket: str
    given: dict
    data: bytearray = field(default_factory=bytearray)
    done: dict = None
    cancelled: bool = False


class Uploads:
    """Objects that come: media, multipart and resumable."""

    def __init__(self, storage):
        self.storage = storage
        self.sessions = {}

    def open_sessions(self):
        return [s for s in self.sessions.values() if not s.done and not s.cancelled]

    def answer(self, request, bucket):
        if "upload_id" in request.query:
            return self._resume(request)
        kind = request.query.get("uploadType")
        do = {"multipart": self._multipart, "resumable": self._begin, "media": self._media}
        if request.method != "POST" or kind not in do:
            refuse(400, "invalid", f"Invalid upload: {request.method} {kind}")
        if "content-length" not in request.headers:
            refuse(411, "contentLengthRequired", "You must provide a Content-Length.")
        known = {"uploadType", "name", "ifGenerationMatch", "fields", "upload_id", "projection"}
        if set(request.query) - known:
            refuse(400, "invalidParameter", f"Unknown parameters: {sorted(request.query)}")
        return do[kind](request, bucket)

    def _make(self, request, bucket, given, data):
        storage = self.storage
        given.setdefault("name", request.query.get("name", ""))
        storage.check_resource(request, bucket, given)
        storage.check_replacement(request, bucket, given["name"])
        return storage.describe(storage.store(bucket, given, data))

    def _media(self, request, bucket):
        return self._make(request, bucket, {}, request.body)

    def _multipart(self, request, bucket):
        match = re.fullmatch(
            r'multipart/related; *boundary="?([^";]+)"?', request.headers.get("content-type", "")
        )
        if not match:
            refuse(400, "badContent", "Multipart body is multipart/related, with a boundary")
        sign = b"--" + match[1].encode()
        body = b"\r\n" + request.body
        pieces = body.split(b"\r\n" + sign)
        if len(pieces) != 4 or pieces[0] != b"" or pieces[3].strip() != b"--":
            refuse(400, "badContent", "Missing multipart boundary, or not two parts")
        heads, bodies = zip(*(piece.split(b"\r\n\r\n", 1) for piece in pieces[1:3]))
        if b"application/json" not in heads[0] or b"Content-Type:" not in heads[1]:
            refuse(400, "badContent", "The first part is JSON, and both say what they are")
        return self._make(request, bucket, self._document(bodies[0]), bodies[1])

    def _document(self, text):
        try:
            given = json.loads(text)
        except ValueError:
            refuse(400, "parseError", "Parse Error")
        if not isinstance(given, dict):
            refuse(400, "parseError", "Parse Error")
        return given

    def _begin(self, request, bucket):
        storage = self.storage
        given = self._document(request.body or b"{}")
        given.setdefault("name", request.query.get("name", ""))
        if request.body and "application/json" not in request.headers.get("content-type", ""):
            refuse(400, "badContent", "Metadata are application/json")
        storage.check_resource(request, bucket, given)
        storage.check_replacement(request, bucket, given["name"])
        upload_id = secrets.token_urlsafe(24)
        self.sessions[upload_id] = Session(request, bucket, given)
        query = urllib.parse.urlencode({"uploadType": "resumable", "upload_id": upload_id})
        address = f"{storage.endpoint}{request.raw_path}?{query}"
        return Answer(200, b"", {"Location": address, "X-GUploader-UploadID": upload_id})

    def _resume(self, request):
        session = self.sessions.get(request.query["upload_id"])
        if session is None:
            return Answer(404, b"Not Found", {"Content-Type": "text/plain; charset=utf-8"})
        if request.method == "DELETE":
            session.cancelled = True
            return Answer(499)
        if session.cancelled:
            return Answer(410, b"Gone", {"Content-Type": "text/plain; charset=utf-8"})
        if request.method != "PUT" or "content-length" not in request.headers:
            refuse(411, "contentLengthRequired", "A PUT with a Content-Length")
        if session.done:
            return self.storage.describe(session.done)
        return self._take(session, request)

    def _take(self, session, request):
        said = request.headers.get("content-range", "")
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", said)
        if not match:
            refuse(400, "invalid", f"Invalid Content-Range: {said}")
        total = None if match[3] == "*" else int(match[3])
        if match[1] is None:
            if request.body:
                refuse(400, "invalid", "A question has no body")
        else:
            self._take_bytes(session, request.body, int(match[1]), int(match[2]), total)
        if total is not None and len(session.data) == total:
            return self._finish(session, request)
        return self.progress(session)

    @staticmethod
    def progress(session):
        has = len(session.data)
        return Answer(308, b"", {"Range": f"bytes=0-{has - 1}"} if has else {})

    def _take_bytes(self, session, body, first, last, total):
        if len(body) != last - first + 1:
            refuse(400, "invalid", "Content-Range is not of as many bytes as were sent")
        if first > len(session.data):
            refuse(400, "invalid", "Bytes are missing before these")
        if total is None and (last + 1) % UNIT != 0:
            refuse(400, "invalid", "All requests but the last have a multiple of 256 KiB")
        if total is not None and last + 1 > total:
            refuse(400, "invalid", "More than the total")
        # What it has already it does not take again.
        session.data += body[len(session.data) - first :] if first < len(session.data) else body

    def _finish(self, session, request):
        storage, given = self.storage, dict(session.given)
        for one in request.headers.get("x-goog-hash", "").split(","):
            name, _, value = one.strip().partition("=")
            if name:
                given[{"crc32c": "crc32c", "md5": "md5Hash"}[name]] = value
        place = storage.buckets[session.bucket]
        stored = place.objects.get(given["name"])
        match = session.start.query.get("ifGenerationMatch")
        if match is not None and int(match) != (stored.generation if stored else 0):
            session.cancelled = True
            precondition_failed()
        session.done = storage.store(session.bucket, given, bytes(session.data))
        session.data = bytearray()
        return storage.describe(session.done)
