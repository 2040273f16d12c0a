# SPDX-License-Identifier: PostgreSQL
"""Servers that do what real ones will not, when they are told to.

``on(match, fault)`` says what becomes of requests before a server would do what
they ask. ScriptedS3 is a small S3 in memory: it knows objects, conditional
creation, ranges, listings and uploads in parts, and checks no signature.
"""

import base64
import email.utils
import hashlib
import http.server
import re
import socket
import ssl
import struct
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from .cases import at_end

ALWAYS = 10**9


@dataclass
class Request:
    """What was asked: path decoded, query as a dictionary, headers in lower case."""

    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    raw_path: str = ""  # as it was sent

    @property
    def key(self):
        return self.path.split("/", 2)[2] if self.path.count("/") > 1 else ""

    def __str__(self):
        return f"{self.method} {self.path} {'&'.join(sorted(self.query))}".rstrip()


@dataclass
class Answer:
    """``cut`` bytes of the body are sent, then the connection is cut or (``reset``) reset."""

    status: int
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    cut: int = None
    reset: bool = False
    drip: float = 0


def error(status, code, message="", headers=None, **elements):
    """An error document of S3."""
    more = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(message)}</Message>"
    headers = {"Content-Type": "application/xml", **(headers or {})}
    return Answer(status, (body + more + "</Error>").encode(), headers)


def html(status, text="<html><body>Please log in</body></html>", **headers):
    """What a captive portal or a proxy says."""
    return Answer(status, text.encode(), {"Content-Type": "text/html", **headers})


# -- faults: given the server and a request, an Answer, or None to go on --


def says(answer):
    return lambda server, request: answer


def hangs(server, request):
    server.stopping.wait(600)
    return Answer(500, cut=0)


def resets(server, request):
    return Answer(200, cut=0, reset=True)


def does_it_and_hangs_up(server, request):
    """The request has its effect; its answer is lost."""
    server.answer(request)
    return Answer(200, cut=0, reset=True)


def breaks_off(after, reset=False, drip=0):
    """The right answer, up to its byte ``after``."""

    def fault(server, request):
        answer = server.answer(request)
        answer.cut, answer.reset, answer.drip = after, reset, drip
        return answer

    return fault


def changes_a_byte(at):
    def fault(server, request):
        answer = server.answer(request)
        body = bytearray(answer.body)
        body[at] ^= 1
        answer.body = bytes(body)
        return answer

    return fault


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self):
        split = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            self.command,
            urllib.parse.unquote(split.path),
            dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
            split.path,
        )
        answer = self.server.scripted.take(request)
        try:
            self._send(answer)
        except OSError:
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any

    def _send(self, answer):
        if answer.cut == 0:
            self._end(answer)
            return
        if "Date" in answer.headers:
            self.send_response_only(answer.status)
        else:
            self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        body = answer.body if answer.cut is None else answer.body[: answer.cut]
        step = len(body) if not answer.drip else 1
        for at in range(0, len(body), max(step, 1)):
            self.wfile.write(body[at : at + step])
            if answer.drip:
                self.wfile.flush()
                if self.server.scripted.stopping.wait(answer.drip):
                    break
        if answer.cut is not None:
            self._end(answer)

    def _end(self, answer):
        self.wfile.flush()
        if answer.reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.rfile.close()
        self.connection.close()
        self.close_connection = True

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + self.server.scripted.ahead)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class ScriptedServer:
    """A server; ``requests`` are those it has seen, ``answer`` is what it does in good health."""

    def __init__(self, certificate=None):
        self.requests = []
        self.ahead = 0  # its clock, in seconds
        self.stopping = threading.Event()
        self._faults = []
        self._lock = threading.RLock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.scripted = self
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            scheme = "https"
        self.port = self._server.server_port
        self.endpoint = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        at_end(self.stop)

    def stop(self):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def on(self, pattern, fault, times=1):
        """The next ``times`` requests whose "METHOD /path query" has the pattern."""
        with self._lock:
            self._faults.append([re.compile(pattern), fault, times])

    def calm(self):
        """Forgets faults and requests."""
        with self._lock:
            self._faults.clear()
            self.requests.clear()

    def asked(self, pattern=""):
        with self._lock:
            return [str(r) for r in self.requests if re.search(pattern, str(r))]

    def take(self, request):
        with self._lock:
            self.requests.append(request)
            fault = None
            for known in self._faults:
                if known[2] > 0 and known[0].search(str(request)):
                    known[2] -= 1
                    fault = known[1]
                    break
        answer = fault(self, request) if fault else None
        return answer if answer is not None else self.answer(request)

    def answer(self, request):
        raise NotImplementedError


class ScriptedS3(ScriptedServer):
    """``objects`` is what it keeps."""

    def __init__(self, certificate=None, conditional=True):
        self.objects = {}
        self.uploads = {}
        self.undeletable = set()
        self.conditional = conditional
        super().__init__(certificate)

    def answer(self, request):
        """What a service in good health does."""
        with self._lock:
            if "delete" in request.query:
                return self._delete_many(request)
            if request.key == "":
                return self._list(request)
            return getattr(self, f"_{request.method.lower()}")(request)

    # -- objects --

    @staticmethod
    def _object_headers(data):
        return {
            "ETag": f'"{hashlib.md5(data).hexdigest()}"',
            "Content-Type": "application/octet-stream",
            "Last-Modified": email.utils.formatdate(usegmt=True),
        }

    def _head(self, request):
        if request.path not in self.objects:
            return Answer(404)
        data = self.objects[request.path]
        return Answer(
            200, b"", {**self._object_headers(data), "Content-Length": str(len(data))}
        )

    def _get(self, request):
        if request.path not in self.objects:
            return error(404, "NoSuchKey", "there is no such key")
        data = self.objects[request.path]
        headers = self._object_headers(data)
        if request.headers.get("if-match", headers["ETag"]) != headers["ETag"]:
            return error(412, "PreconditionFailed")
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not match:
            return Answer(200, data, headers)
        first = int(match[1])
        last = min(int(match[2] or len(data) - 1), len(data) - 1)
        if first >= len(data):
            return error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return Answer(206, data[first : last + 1], headers)

    def _put(self, request):
        said = request.headers.get("x-amz-content-sha256")
        if hashlib.sha256(request.body).hexdigest() != said:
            return error(400, "XAmzContentSHA256Mismatch")
        if "partNumber" in request.query:
            upload = self.uploads.get(request.query["uploadId"])
            if upload is None:
                return error(404, "NoSuchUpload")
            upload[int(request.query["partNumber"])] = request.body
            return Answer(200, b"", self._object_headers(request.body))
        if self._exists(request):
            return error(412, "PreconditionFailed", "it exists")
        data, document = request.body, b""
        if "x-amz-copy-source" in request.headers:
            data = self.objects[urllib.parse.unquote(request.headers["x-amz-copy-source"])]
            document = b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>"
        self.objects[request.path] = data
        return Answer(200, document, self._object_headers(data))

    def _exists(self, request):
        conditional = request.headers.get("if-none-match") == "*" and self.conditional
        return conditional and request.path in self.objects

    def _delete(self, request):
        if "uploadId" in request.query:
            self.uploads.pop(request.query["uploadId"], None)
        elif request.path in self.undeletable:
            return error(403, "AccessDenied")
        else:
            self.objects.pop(request.path, None)
        return Answer(204)

    def _delete_many(self, request):
        """DeleteObjects; keys in ``undeletable`` are refused."""
        md5 = base64.b64encode(hashlib.md5(request.body).digest()).decode()
        if request.headers.get("content-md5") != md5:
            return error(400, "InvalidDigest")
        keys = [e.text for e in ET.fromstring(request.body).iter("Key")]
        if len(keys) > 1000:
            return error(400, "MalformedXML")
        refused = ""
        for key in keys:
            path = f"{request.path.rstrip('/')}/{key}"
            if path in self.undeletable:
                code = "<Code>AccessDenied</Code><Message>no</Message>"
                refused += f"<Error><Key>{escape(key)}</Key>{code}</Error>"
            else:
                self.objects.pop(path, None)
        return Answer(200, f"<DeleteResult>{refused}</DeleteResult>".encode())

    def _post(self, request):
        if "uploads" in request.query:
            name = f"upload+{len(self.requests)}/="
            self.uploads[name] = {}
            root = "InitiateMultipartUploadResult"
            return Answer(200, f"<{root}><UploadId>{name}</UploadId></{root}>".encode())
        parts = self.uploads.pop(request.query["uploadId"], None)
        if parts is None:
            return error(404, "NoSuchUpload")
        if self._exists(request):
            return error(412, "PreconditionFailed")
        self.objects[request.path] = b"".join(parts[n] for n in sorted(parts))
        root = "CompleteMultipartUploadResult"
        return Answer(200, f'<{root}><ETag>"x-{len(parts)}"</ETag></{root}>'.encode())

    # -- listings --

    def _list(self, request):
        bucket = request.path.rstrip("/") + "/"
        prefix = request.query.get("prefix", "")
        after = request.query.get("continuation-token") or request.query.get("start-after", "")
        delimiter = request.query.get("delimiter")
        keys, prefixes = [], set()
        for path in sorted(self.objects):
            key = path[len(bucket) :]
            if not path.startswith(bucket) or not key.startswith(prefix) or key <= after:
                continue
            behind = key[len(prefix) :]
            if delimiter and delimiter in behind:
                prefixes.add(prefix + behind.split(delimiter)[0] + delimiter)
            else:
                keys.append(key)
        page = keys[:1000]
        more = len(keys) > len(page)
        lines = [
            f"<Contents><Key>{escape(urllib.parse.quote(key))}</Key>"
            f"<LastModified>2026-11-20T02:00:00.000Z</LastModified>"
            f"<Size>{len(self.objects[bucket + key])}</Size></Contents>"
            for key in page
        ]
        lines += [
            f"<CommonPrefixes><Prefix>{escape(urllib.parse.quote(p))}</Prefix></CommonPrefixes>"
            for p in sorted(prefixes)
        ]
        lines.append(f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>")
        if more:
            token = escape(page[-1])
            lines.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
        body = f"<ListBucketResult>{''.join(lines)}</ListBucketResult>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})
