# SPDX-License-Identifier: PostgreSQL
"""Who may do what at the tests' own Google, and how they prove that they are it.

Written from Google's documentation ("Using OAuth 2.0 for Server to Server
Applications", "Security Token Service API", "Create short-lived credentials
for a service account", "Access Compute Engine metadata") and RFC 7515, 7523,
8693. Signatures are checked with nothing but Python's own arithmetic.
"""

import base64
import binascii
import hashlib
import json
import subprocess
import time
import urllib.parse
from dataclasses import dataclass, field

from .scripted import Answer

SCOPES = "https://www.googleapis.com/auth/"
READ_WRITE = f"{SCOPES}devstorage.read_write"
# What a storage request needs one of, and a request for another's token.
STORAGE_SCOPES = {READ_WRITE, f"{SCOPES}devstorage.full_control", f"{SCOPES}cloud-platform"}
READ_SCOPES = STORAGE_SCOPES | {f"{SCOPES}devstorage.read_only"}
IAM_SCOPES = {f"{SCOPES}cloud-platform", f"{SCOPES}iam"}

GET, LIST, CREATE, DELETE = (f"storage.objects.{what}" for what in ("get", "list", "create", "delete"))
RETAIN = "storage.objects.setRetention"
HOST_ROLE = frozenset({GET, LIST, CREATE})

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
# ASN.1 of "SHA-256" in front of the digest (RFC 8017, 9.2).
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def unbase64url(text):
    if "=" in text or "+" in text or "/" in text:
        raise ValueError("not base64url without padding")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def is_rs256(text, signature, modulus, exponent=65537):
    """RSASSA-PKCS1-v1_5 with SHA-256."""
    size = (modulus.bit_length() + 7) // 8
    if len(signature) != size:
        return False
    found = pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(size, "big")
    end = SHA256_PREFIX + hashlib.sha256(text).digest()
    return found == b"\0\1" + b"\xff" * (size - len(end) - 3) + b"\0" + end


def new_key():
    """(PEM, modulus) of a new RSA key."""
    words = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    pem = subprocess.run(words, check=True, capture_output=True).stdout
    words = ["openssl", "rsa", "-noout", "-modulus"]
    shown = subprocess.run(words, input=pem, check=True, capture_output=True).stdout
    return pem.decode(), int(shown.split(b"=")[1], 16)


@dataclass
class Account:
    email: str
    permissions: frozenset = HOST_ROLE
    keys: dict = field(default_factory=dict)  # key id -> modulus


@dataclass
class Token:
    account: Account
    scopes: set
    expires: float


def refuse(status, error, description):
    body = json.dumps({"error": error, "error_description": description})
    return Answer(status, body.encode(), {"Content-Type": "application/json; charset=utf-8"})


def give(**members):
    return Answer(200, json.dumps(members).encode(), {"Content-Type": "application/json"})


class Accounts:
    """The service that gives tokens; ``lifetime`` is theirs, in seconds."""

    def __init__(self, server):
        self.server = server
        self.endpoint = server.endpoint
        self.lifetime = 3600
        self.given = 0
        self.tokens = {}
        self.accounts = {}
        self.machine = None  # whose this machine is
        self.users = {}  # refresh token -> Account
        self.federated = {}  # subject token -> Account
        self.subjects = {}  # path -> (headers, answer) of another provider

    def add(self, name, permissions=HOST_ROLE):
        account = Account(f"{name}@tests.iam.gserviceaccount.com", frozenset(permissions))
        self.accounts[account.email] = account
        return account

    def key_file(self, account):
        """What the console gives for a new key: a dictionary."""
        pem, modulus = new_key()
        key_id = hashlib.sha1(pem.encode()).hexdigest()
        account.keys[key_id] = modulus
        return {
            "type": "service_account",
            "project_id": "tests",
            "private_key_id": key_id,
            "private_key": pem,
            "client_email": account.email,
            "client_id": "100000000000000000000",
            "auth_uri": "https://accounts.example.invalid/o/oauth2/auth",
            "token_uri": f"{self.endpoint}/token",
        }

    def new_token(self, account, scopes, lifetime=None):
        self.given += 1
        text = f"ya29.{self.given}-{hashlib.sha256(str(time.time_ns()).encode()).hexdigest()}"
        seconds = self.lifetime if lifetime is None else lifetime
        self.tokens[text] = Token(account, set(scopes), time.time() + seconds)
        return text

    def bearer(self, request):
        """The token of a request that is good now, or None."""
        words = request.headers.get("authorization", "").split(" ")
        token = self.tokens.get(words[1]) if len(words) == 2 and words[0] == "Bearer" else None
        return token if token and token.expires > time.time() else None

    def revoke_all(self):
        self.tokens.clear()

    def answer(self, request):
        """An answer to a request that is the tokens' affair, or None."""
        if request.raw_path == "/token":
            return self._form(request, {JWT_GRANT: self._jwt, "refresh_token": self._user})
        if request.raw_path == "/v1/token":
            return self._form(request, {EXCHANGE_GRANT: self._exchange})
        if request.raw_path.startswith("/v1/projects/-/serviceAccounts/"):
            return self._impersonate(request)
        if request.raw_path.startswith("/computeMetadata/"):
            return self._metadata(request)
        if request.raw_path in self.subjects:
            headers, answer = self.subjects[request.raw_path]
            good = all(request.headers.get(name) == value for name, value in headers.items())
            return answer if good else Answer(403)
        return None

    def _form(self, request, grants):
        kind = request.headers.get("content-type", "").split(";")[0]
        if request.method != "POST" or kind != "application/x-www-form-urlencoded":
            return refuse(400, "invalid_request", "it is a form, and POSTed")
        form = dict(urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True))
        if form.get("grant_type") not in grants:
            return refuse(400, "unsupported_grant_type", f"Invalid grant_type: {form}")
        return grants[form["grant_type"]](form)

    def _jwt(self, form):
        try:
            first, second, third = form["assertion"].split(".")
            header, claims = (json.loads(unbase64url(part)) for part in (first, second))
            signature = unbase64url(third)
        except (KeyError, ValueError, binascii.Error) as error:
            return refuse(400, "invalid_request", f"Bad Request: {error}")
        account = self.accounts.get(claims.get("iss"))
        if header.get("alg") != "RS256" or header.get("typ") != "JWT":
            return refuse(400, "invalid_grant", "Invalid JWT: unsupported header")
        if account is None:
            return refuse(400, "invalid_grant", "Invalid grant: account not found")
        keys = account.keys.values()
        if "kid" in header:
            keys = [account.keys[header["kid"]]] if header["kid"] in account.keys else []
        if not any(is_rs256(f"{first}.{second}".encode(), signature, key) for key in keys):
            return refuse(400, "invalid_grant", "Invalid JWT Signature.")
        now, begin, end = time.time() + self.server.ahead, claims.get("iat"), claims.get("exp")
        if claims.get("aud") != f"{self.endpoint}/token":
            return refuse(400, "invalid_grant", "Invalid JWT: Failed audience check.")
        if (
            not isinstance(begin, int)
            or not isinstance(end, int)
            or not (begin - 300 <= now < end <= begin + 3600)
        ):
            return refuse(
                400,
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                "timeframe. Check your iat and exp values in the JWT claim.",
            )
        if not claims.get("scope"):
            return refuse(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return self._bearer(self.new_token(account, claims["scope"].split()))

    def _bearer(self, token, **more):
        return give(access_token=token, expires_in=self.lifetime, token_type="Bearer", **more)

    def _user(self, form):
        account = self.users.get(form.get("refresh_token"))
        if (form.get("client_id"), form.get("client_secret")) != ("user-id", "user-secret"):
            return refuse(401, "invalid_client", "The OAuth client was not found.")
        if account is None:
            return refuse(400, "invalid_grant", "Token has been expired or revoked.")
        return self._bearer(self.new_token(account, [f"{SCOPES}cloud-platform"]))

    def _exchange(self, form):
        for name in ("audience", "scope", "requested_token_type", "subject_token_type"):
            if not form.get(name):
                return refuse(400, "invalid_request", f"Invalid {name}.")
        if form["requested_token_type"] != ACCESS_TOKEN:
            return refuse(400, "invalid_request", "Invalid requested_token_type.")
        account = self.federated.get(form.get("subject_token"))
        if account is None or "/workloadIdentityPools/" not in form["audience"]:
            return refuse(400, "invalid_grant", "The given credential is rejected.")
        token = self.new_token(account, form["scope"].split())
        return self._bearer(token, issued_token_type=ACCESS_TOKEN)

    def _impersonate(self, request):
        email, _, verb = request.path.rsplit("/", 1)[1].partition(":")
        token, asked = self.bearer(request), json.loads(request.body)
        account = self.accounts.get(email)
        if verb != "generateAccessToken" or request.method != "POST" or "scope" not in asked:
            return Answer(404)
        may = token and f"impersonate {email}" in token.account.permissions
        if not may or not token.scopes & IAM_SCOPES or account is None:
            message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource."
            error = {"code": 403, "message": message, "status": "PERMISSION_DENIED"}
            return Answer(403, json.dumps({"error": error}).encode())
        seconds = int(asked.get("lifetime", "3600s").rstrip("s"))
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        return give(accessToken=self.new_token(account, asked["scope"], seconds), expireTime=until)

    def _metadata(self, request):
        own = {"Metadata-Flavor": "Google", "Content-Type": "application/text"}
        if request.headers.get("metadata-flavor") != "Google":
            return Answer(403, b"Missing required header: Metadata-Flavor", own)
        begin = "/computeMetadata/v1/instance/service-accounts/default/"
        if self.machine is None or not request.raw_path.startswith(begin):
            return Answer(404, b"Not Found", own)
        what = request.raw_path[len(begin) :]
        if what == "email":
            return Answer(200, self.machine.email.encode(), own)
        if what != "token":
            return Answer(404, b"Not Found", own)
        answer = self._bearer(self.new_token(self.machine, [READ_WRITE]))
        answer.headers["Metadata-Flavor"] = "Google"
        return answer
