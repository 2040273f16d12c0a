# SPDX-License-Identifier: PostgreSQL
"""The tests' own Google Cloud Storage: its JSON API, in memory, and strict.

Written from Google's documentation (the reference of the JSON API, "Resumable
uploads", "Data validation and change detection", "Request preconditions",
"HTTP status and error codes for JSON", "Object Retention Lock"); what
walvault's client wants is not looked at. What the documentation forbids is
refused here, also where the real service might let it pass.
"""

import base64
import bisect
import datetime
import hashlib
import json
import re
import time
import urllib.parse
from dataclasses import dataclass, field, replace

import crcmod.predefined

from .google_accounts import (
    CREATE,
    DELETE,
    GET,
    LIST,
    READ_SCOPES,
    RETAIN,
    STORAGE_SCOPES,
    Accounts,
)
from .google_errors import Refused, precondition_failed, refuse
from .google_uploads import Uploads
from .scripted import Answer, ScriptedServer

CLASSES = {"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"}
OBJECT_FIELDS = {
    *("kind", "id", "name", "bucket", "generation", "metageneration", "contentType", "size"),
    *("storageClass", "crc32c", "md5Hash", "etag", "timeCreated", "updated", "metadata"),
    "retention",
}
MAY_BE_SET = {
    *("name", "bucket", "contentType", "crc32c", "md5Hash", "storageClass", "metadata"),
    "retention",
}
crc32c = crcmod.predefined.mkPredefinedCrcFun("crc-32c")


def now_text():
    return datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def crc_text(data):
    return base64.b64encode(crc32c(data).to_bytes(4, "big")).decode()


def md5_text(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@dataclass
class Stored:
    data: bytes
    resource: dict

    @property
    def generation(self):
        return int(self.resource["generation"])

    def is_locked(self):
        until = self.resource.get("retention", {}).get("retainUntilTime", "")
        return until[:19] > now_text()[:19]


@dataclass
class Bucket:
    retention: bool = False
    objects: dict = field(default_factory=dict)
    names: list = field(default_factory=list)  # in order


def split_fields(text):
    """{"a": None, "items": {"name": None}} of "a,items(name)"."""
    found, at, name = {}, 0, ""
    while at < len(text):
        if text[at] == "(":
            end = text.index(")", at)
            found[name], name, at = split_fields(text[at + 1 : end]), "", end
        elif text[at] == ",":
            if name:
                found[name] = None
            name = ""
        else:
            name += text[at]
        at += 1
    if name:
        found[name] = None
    return found


def chosen(document, fields, known):
    if fields is None:
        return document
    for name in fields:
        if name not in known:
            refuse(400, "invalidParameter", f"Invalid field selection {name}")
    return {
        name: [chosen(one, fields[name], OBJECT_FIELDS) for one in document[name]]
        if fields[name]
        else document[name]
        for name in fields
        if name in document
    }


class GoogleStorage(ScriptedServer):
    """Buckets, objects and tokens; ``permissions_first`` says which of two refusals comes."""

    def __init__(self, certificate=None, buckets=("vault",)):
        self.buckets = {name: Bucket() for name in buckets}
        self.permissions_first = False
        self.ignore_retention = False
        self.rewrite_steps = 2
        self._generation = int(time.time() * 1e6)
        self._rewrites = {}
        super().__init__(certificate)
        self.accounts = Accounts(self)
        self.uploads = Uploads(self)

    def answer(self, request):
        answer = self.accounts.answer(request)
        if answer is not None:
            return answer
        try:
            with self._lock:
                return self._storage(request)
        except Refused as refused:
            return self._without_document(request, refused.args[0])

    @staticmethod
    def _without_document(request, answer):
        """Where an object's bytes were asked for, an error is words alone."""
        if request.query.get("alt") != "media":
            return answer
        message = json.loads(answer.body)["error"]["message"]
        return Answer(answer.status, message.encode(), {"Content-Type": "text/html; charset=UTF-8"})

    def _storage(self, request):
        match = re.fullmatch(
            r"(?P<upload>/upload)?/storage/v1/b/(?P<bucket>[^/]+)/o(?:/(?P<name>[^/]+))?"
            r"(?:/rewriteTo/b/(?P<to_bucket>[^/]+)/o/(?P<to_name>[^/]+))?",
            request.raw_path,
        )
        if not match:
            return Answer(404, b"Not Found", {"Content-Type": "text/html; charset=UTF-8"})
        part = {k: v and urllib.parse.unquote(v) for k, v in match.groupdict().items()}
        if match["upload"]:
            return self.uploads.answer(request, part["bucket"])
        if part["to_name"]:
            return self._rewrite(request, part)
        if part["name"] is None:
            if request.method != "GET":
                refuse(405, "methodNotAllowed", "Method Not Allowed")
            return self._list(request, part["bucket"])
        do = {"GET": self._get, "DELETE": self._delete}.get(request.method)
        if do is None:
            refuse(405, "methodNotAllowed", "Method Not Allowed")
        return do(request, part["bucket"], part["name"])

    # -- who may --

    def need(self, request, permission, bucket, name=None):
        """The bucket, if whoever asks may do that in it."""
        token = self.accounts.bearer(request)
        if "authorization" not in request.headers:
            email = "Anonymous caller"
            refuse(
                401,
                "required",
                f"{email} does not have {permission} access to the Google Cloud Storage object.",
                locationType="header",
                location="Authorization",
            )
        if token is None:
            refuse(
                401,
                "authError",
                "Invalid Credentials",
                locationType="header",
                location="Authorization",
            )
        scopes = READ_SCOPES if permission in (GET, LIST) else STORAGE_SCOPES
        if not token.scopes & scopes:
            refuse(
                403,
                "insufficientPermissions",
                "Request had insufficient authentication scopes.",
            )
        if bucket not in self.buckets:
            refuse(404, "notFound", "The specified bucket does not exist.")
        if permission not in token.account.permissions:
            what = "object" if name else "bucket"
            refuse(
                403,
                "forbidden",
                f"{token.account.email} does not have {permission} access to the Google Cloud "
                f"Storage {what}. Permission '{permission}' denied on resource (or it may not "
                "exist).",
            )
        return self.buckets[bucket]

    def may(self, request, permission):
        return permission in self.accounts.bearer(request).account.permissions

    # -- objects --

    def find(self, request, bucket, name):
        """An object that is there, under the conditions of the request."""
        place = self.need(request, GET, bucket, name)
        stored = place.objects.get(name)
        if stored is None:
            # Nobody learns from a refusal what there is.
            self.need(request, LIST, bucket, name)
            refuse(404, "notFound", f"No such object: {bucket}/{name}")
        match = request.query.get("ifGenerationMatch")
        if match is not None and int(match) != stored.generation:
            precondition_failed()
        tag = request.headers.get("if-match")
        if tag is not None and tag not in ("*", stored.resource["etag"]):
            precondition_failed()
        return stored

    def _get(self, request, bucket, name):
        stored = self.find(request, bucket, name)
        if request.query.get("alt", "json") == "json":
            fields = request.query.get("fields")
            return self.describe(stored.resource, fields and split_fields(fields))
        data, resource = stored.data, stored.resource
        headers = {
            "Content-Type": resource["contentType"],
            "ETag": resource["etag"],
            "X-Goog-Generation": resource["generation"],
            "X-Goog-Metageneration": resource["metageneration"],
            "X-Goog-Hash": f"crc32c={resource['crc32c']},md5={resource['md5Hash']}",
            "X-Goog-Storage-Class": resource["storageClass"],
            "X-Goog-Stored-Content-Encoding": "identity",
            "X-Goog-Stored-Content-Length": str(len(data)),
        }
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not match:
            return Answer(200, data, headers)
        first = int(match[1])
        last = min(int(match[2] or len(data) - 1), len(data) - 1)
        if first >= len(data):
            return Answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return Answer(206, data[first : last + 1], headers)

    @staticmethod
    def describe(resource, fields=None, known=frozenset(OBJECT_FIELDS)):
        body = json.dumps(chosen(resource, fields, known)).encode()
        return Answer(200, body, {"Content-Type": "application/json; charset=UTF-8"})

    def check_replacement(self, request, bucket, name):
        """May an object be made under this name?"""
        place = self.need(request, CREATE, bucket, name)
        stored = place.objects.get(name)
        if self.permissions_first and stored:
            self.need(request, DELETE, bucket, name)
        match = request.query.get("ifGenerationMatch")
        if match is not None and int(match) != (stored.generation if stored else 0):
            precondition_failed()
        if stored:
            self.need(request, DELETE, bucket, name)
            self._check_unlocked(stored, bucket, name)
        return place

    @staticmethod
    def _check_unlocked(stored, bucket, name):
        if stored.is_locked():
            until = stored.resource["retention"]["retainUntilTime"]
            refuse(
                403,
                "retentionPolicyNotMet",
                f"Object '{bucket}/{name}' is subject to object retention and cannot be deleted or "
                f"overwritten until {until}",
            )

    def check_resource(self, request, bucket, given):
        """Is that what an object may be made as?"""
        name = given.get("name", "")
        unknown = set(given) - MAY_BE_SET
        if unknown:
            refuse(400, "invalid", f"Unknown members: {sorted(unknown)}")
        if not 1 <= len(name.encode()) <= 1024 or "\n" in name or "\r" in name or name in (".", ".."):
            refuse(400, "invalid", f"Invalid object name: {name!r}")
        if given.get("storageClass", "STANDARD") not in CLASSES:
            refuse(400, "invalid", f"Invalid storage class: {given['storageClass']}")
        if not all(isinstance(v, str) for v in given.get("metadata", {}).values()):
            refuse(400, "invalid", "Metadata are texts")
        retention = given.get("retention")
        if retention is None:
            return
        self.need(request, RETAIN, bucket, name)
        if retention["mode"] not in ("Locked", "Unlocked"):
            refuse(400, "invalid", f"Invalid retention mode: {retention['mode']}")
        if not retention["retainUntilTime"][:19] > now_text()[:19]:
            refuse(400, "invalid", "retainUntilTime must be in the future")
        if not self.buckets[bucket].retention and not self.ignore_retention:
            refuse(
                400,
                "invalid",
                "Object retention cannot be set: the bucket does not have object retention enabled.",
            )

    def store(self, bucket, given, data):
        """Make the object; all is checked."""
        sums = {"crc32c": crc_text(data), "md5Hash": md5_text(data)}
        for name, right in sums.items():
            if given.get(name, right) != right:
                shown = {"crc32c": "CRC32C", "md5Hash": "MD5 hash"}[name]
                refuse(
                    400,
                    "invalid",
                    f'Provided {shown} "{given[name]}" doesn\'t match calculated {shown} "{right}".',
                )
        self._generation += 1
        now = now_text()
        resource = {
            "kind": "storage#object",
            "contentType": "application/octet-stream",
            "storageClass": "STANDARD",
            **given,
            **sums,
            "id": f"{bucket}/{given['name']}/{self._generation}",
            "bucket": bucket,
            "generation": str(self._generation),
            "metageneration": "1",
            "size": str(len(data)),
            "etag": base64.b64encode(str(self._generation).encode()).decode(),
            "timeCreated": now,
            "updated": now,
        }
        if self.ignore_retention:
            resource.pop("retention", None)
        place = self.buckets[bucket]
        if given["name"] not in place.objects:
            bisect.insort(place.names, given["name"])
        place.objects[given["name"]] = Stored(data, resource)
        return resource

    def _delete(self, request, bucket, name):
        place = self.need(request, DELETE, bucket, name)
        stored = place.objects.get(name)
        if stored is None:
            refuse(404, "notFound", f"No such object: {bucket}/{name}")
        self._check_unlocked(stored, bucket, name)
        del place.objects[name]
        place.names.remove(name)
        return Answer(204)

    def _rewrite(self, request, part):
        bucket, name, to_name = part["bucket"], part["name"], part["to_name"]
        if request.method != "POST" or part["to_bucket"] != bucket:
            refuse(405, "methodNotAllowed", "Method Not Allowed")
        stored = self.find(replace(request, query={}), bucket, name)
        wanted = request.query.get("sourceGeneration")
        if wanted is not None and int(wanted) != stored.generation:
            refuse(404, "notFound", f"No such object: {bucket}/{name}#{wanted}")
        self.check_replacement(request, bucket, to_name)
        steps = self._rewrites.get(request.query.get("rewriteToken"), 0)
        if "rewriteToken" in request.query and not steps:
            refuse(400, "invalid", "Invalid rewriteToken")
        fields = request.query.get("fields")
        document = {"kind": "storage#rewriteResponse", "objectSize": str(len(stored.data))}
        if steps + 1 < self.rewrite_steps:
            token = f"rewrite/{len(self._rewrites)}+="
            self._rewrites[token] = steps + 1
            document |= {"done": False, "rewriteToken": token}
        else:
            given = {k: v for k, v in stored.resource.items() if k in MAY_BE_SET - {"retention"}}
            resource = self.store(bucket, {**given, "name": to_name}, stored.data)
            document |= {"done": True, "resource": resource}
        known = {"kind", "objectSize", "done", "rewriteToken", "resource"}
        return self.describe(document, fields and split_fields(fields), known)

    # -- listings --

    def _list(self, request, bucket):
        place = self.need(request, LIST, bucket)
        query = request.query
        known = {"prefix", "delimiter", "startOffset", "pageToken", "maxResults", "fields"}
        if set(query) - known:
            refuse(400, "invalidParameter", f"Unknown parameters: {sorted(set(query) - known)}")
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        limit = min(int(query.get("maxResults", 1000)), 1000)
        asked = json.dumps([prefix, delimiter, query.get("startOffset")])
        behind = ""
        if "pageToken" in query:
            said, behind = json.loads(base64.b64decode(query["pageToken"]))
            if said != asked:
                refuse(400, "invalid", "Invalid pageToken: it is of another listing")
        items, prefixes, more = [], [], False
        begin = max(prefix, query.get("startOffset", ""), behind)
        for name in place.names[bisect.bisect_left(place.names, begin) :]:
            if not name.startswith(prefix):
                break
            if behind and (name <= behind or (behind.endswith("\0") and name.startswith(behind[:-1]))):
                continue
            below, sign, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            folder = prefix + below + sign
            if sign and prefixes and prefixes[-1] == folder:
                continue
            if len(items) + len(prefixes) == limit:
                more = True
                break
            if sign:
                prefixes.append(folder)
            else:
                items.append(place.objects[name].resource)
            last = folder + "\0" if sign else name
        document = {"kind": "storage#objects"}
        if items:
            document["items"] = items
        if prefixes:
            document["prefixes"] = prefixes
        if more:
            token = base64.b64encode(json.dumps([asked, last]).encode()).decode()
            document["nextPageToken"] = token
        fields = query.get("fields")
        return self.describe(
            document,
            fields and split_fields(fields),
            {"kind", "items", "prefixes", "nextPageToken"},
        )
