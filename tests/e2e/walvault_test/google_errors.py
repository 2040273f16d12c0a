# SPDX-License-Identifier: PostgreSQL
"""Errors as the JSON API of Google Cloud Storage tells them."""

import json

from .scripted import Answer


class Refused(Exception):
    """A request is not done; its argument is the answer."""


def error(status, reason, message, **more):
    """An error document of the JSON API."""
    one = {"message": message, "domain": "global", "reason": reason, **more}
    body = {"error": {"code": status, "message": message, "errors": [one]}}
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    return Answer(status, json.dumps(body).encode(), headers)


def refuse(status, reason, message, **more):
    raise Refused(error(status, reason, message, **more))


def precondition_failed():
    refuse(
        412,
        "conditionNotMet",
        "At least one of the pre-conditions you specified did not hold.",
        locationType="header",
        location="If-Match",
    )
