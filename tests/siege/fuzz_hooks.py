"""What schemathesis must know of this house: who calls, what is left alone, and which findings are accepted.

Each rule of ACCEPTED is argued in docs/fuzz.md under its name.
"""

import json
import os
import random
import re
import threading
import time
import urllib.request

import schemathesis

URL = os.environ["FUZZ_URL"]
PEOPLE = json.loads(os.environ["FUZZ_PEOPLE"])
# What the document says of headers, by their names in lower case.
PATTERNS = {
    "x-on-behalf-of": "user_[0-7][0-9a-hjkmnp-tv-z]{25}",
    "if-match": r'(\*|"[0-9]{1,18}(\.[0-9]{1,18})?"(, *"[0-9]{1,18}(\.[0-9]{1,18})?")*)',
    "idempotency-key": "[!-~]{1,255}",
}
# Ids of records.
ID = "[a-z]+_[0-7][0-9a-hjkmnp-tv-z]{25}"
# Operations that end the session by which they are called: the spare user's sessions may end.
ENDS_SESSION = ("/v1/auth/logout", "/v1/auth/password")


def post(path, body, token=None):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


class Session:
    """An access token that is renewed long before its 15 minutes are over."""

    def __init__(self):
        self.lock, self.token, self.until = threading.Lock(), None, 0

    def current(self):
        with self.lock:
            if time.monotonic() > self.until:
                self.token, self.until = self.begin()["access_token"], time.monotonic() + 300
            return self.token

    def is_over(self):
        self.until = 0


class Admin(Session):
    """The admin of the set-up, by its refresh tokens."""

    refresh = PEOPLE["refresh"]

    def begin(self):
        tokens = post("/v1/auth/refresh", {"refresh_token": self.refresh})
        self.refresh = tokens["refresh_token"]
        return tokens


class Spare(Session):
    """Somebody else each time; no example of the document is the password."""

    def begin(self):
        email, password = f"spare{time.time_ns()}@example.com", f"a word of {time.time_ns()}"
        user = {"email": email, "name": "Spare", "role": "viewer", "password": password}
        post("/v1/users", user, ADMIN.current())
        return post("/v1/auth/login", {"email": email, "password": password})


ADMIN, SPARE = Admin(), Spare()


@schemathesis.auth(refresh_interval=None)
class Caller:
    def get(self, case, context):
        session = SPARE if context.operation.path in ENDS_SESSION else ADMIN
        return session.current()

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context, case, kwargs):
    """The admin in whose name everything is tried stays what it is: another user is changed in its place."""
    path = case.path_parameters or {}
    if case.method.upper() != "GET" and path.get("user_id") == PEOPLE["admin"]:
        path["user_id"] = PEOPLE["target"]
    # A publishable key that exists is never drawn by chance, nor is a page that may use it.
    if str(path.get("form_key", "")).startswith("fk_") and random.random() < 0.7:
        path["form_key"] = PEOPLE["form"]
    for name, known in PEOPLE["records"].items():
        if re.fullmatch(ID, str(path.get(name, ""))) and random.random() < 0.5:
            path[name] = known
    if case.operation.path == "/v1/collect" and "key" in (case.query or {}) and random.random() < 0.7:
        case.query["key"] = PEOPLE["site"]
        case.headers["Origin"] = "https://shop.example.com"


@schemathesis.hook
def after_call(context, case, response):
    if case.operation.path in ENDS_SESSION and response.status_code in (200, 204):
        SPARE.is_over()


def code(response):
    try:
        return response.json().get("code", "")
    except (ValueError, AttributeError):
        return ""


def places(response):
    """Where the violations of a problem are: `parameter cursor`, `header X-On-Behalf-Of`, `pointer #/email`."""
    try:
        errors = response.json().get("errors", [])
    except (ValueError, AttributeError):
        errors = []
    names = ("pointer", "parameter", "header")
    return sorted(
        {f"{name} {error[name]} {error['code']}" for error in errors for name in names if name in error}
    )


def is_refused(failure, response, status, codes):
    return (
        type(failure).__name__ == "RejectedPositiveData"
        and response.status_code == status
        and code(response) in codes
    )


def as_list(value):
    return value if isinstance(value, list) else [value]


# Of query parameters: a period that ends before it begins, `me` or `none` beside the ids of users, rows that tell what
# was, a report by one thing twice, and nothing else.
STATED = {
    "parameter to out_of_range",
    "parameter owner_id invalid_format",
    "parameter mode not_allowed",
    "parameter by not_allowed",
} | {
    f"parameter {at}_at_{bound} invalid_format"
    for at in ("created", "updated", "opened", "closed", "occurred")
    for bound in ("gte", "lt")
}


def domain_rule(failure, case, response):
    if is_refused(failure, response, 422, ("validation_failed", "reason_mismatch")):
        return True
    return is_refused(failure, response, 400, ("invalid_parameter",)) and set(places(response)) <= STATED


def opaque_cursor(failure, case, response):
    return is_refused(failure, response, 400, ("invalid_cursor", "cursor_mismatch"))


def forbidden_character(failure, case, response):
    has_nul = "\0" in "".join(str(text) for values in (case.query or {}).values() for text in as_list(values))
    return is_refused(failure, response, 400, ("forbidden_character",)) or (
        has_nul and is_refused(failure, response, 400, ("invalid_parameter",))
    )


def misread_pattern(failure, case, response):
    """A header that was called valid is not: it misses the pattern that the document gives for it."""
    sent = {name.lower(): value for name, value in (case.headers or {}).items()}
    wrong = [
        name for name, pattern in PATTERNS.items() if name in sent and not re.fullmatch(pattern, sent[name])
    ]
    return bool(wrong) and response.status_code == 400


def moved_on(failure, case, response):
    # What a browser's own form sent is answered by a page, which bears no code.
    pages = ("/v1/capture/{form_key}", "/v1/consents/confirm")
    is_page = case.operation.path in pages and b"<h1>Idempotency-Key used before</h1>" in response.content
    return (
        is_refused(failure, response, 412, ("stale",))
        or is_refused(failure, response, 422, ("idempotency_key_reused",))
        or is_page
        and is_refused(failure, response, 422, ("",))
    )


# The HTTP library has no request of a longer address.
LONGEST_ADDRESS = 65_534


def too_large(failure, case, response):
    is_bare = not response.content
    is_long = is_bare and response.status_code == 400 and len(response.request.url) > LONGEST_ADDRESS
    return is_long or response.status_code in (413, 431)


def vain_condition(failure, case, response):
    is_about = "If-None-Match" in failure.message
    return type(failure).__name__ == "AcceptedNegativeData" and is_about and response.status_code == 200


def batch(failure, case, response):
    is_batch = case.operation.path == "/v1/leads/batch" and response.status_code == 207
    return type(failure).__name__ == "AcceptedNegativeData" and is_batch


# What the fuzzer says of a body in which an event is wrong, and nothing else.
WITHIN_EVENTS = re.compile(r"Invalid component: (in body - )?(events -> Array with invalid items|.*/properties/events/items\b)")

# Where it says that several things are wrong, one line for each.
VIOLATED = re.compile(r"^\s*- violates .* at (/\S+)", re.MULTILINE)


def event_by_event(failure, case, response):
    is_told = (case.operation.path, response.status_code) in (("/v1/events", 200), ("/v1/collect", 204))
    is_accepted = is_told and type(failure).__name__ == "AcceptedNegativeData"
    places = VIOLATED.findall(failure.message)
    is_within = bool(places) and all(place.startswith("/properties/events/items/") for place in places)
    return is_accepted and (is_within or WITHIN_EVENTS.search(failure.message) is not None)


def json_in_a_text(failure, case, response):
    """JSON where the document can only say text: what a beacon sends, and a mapping in a query."""
    is_text = (case.media_type or "").startswith("text/plain")
    if case.operation.path == "/v1/collect":
        return is_text and is_refused(failure, response, 400, ("malformed_json", "forbidden_character"))
    is_mapping = places(response) == ["parameter mapping invalid_format"]
    is_import = case.operation.label == "POST /v1/imports"
    return is_import and is_mapping and is_refused(failure, response, 400, ("invalid_parameter",))


def waits(failure, case, response):
    return type(failure).__name__ == "ResponseTimeExceeded" and case.operation.path == "/v1/changes"


# Name, and whether it applies to a finding.
ACCEPTED = [
    ("rules that no schema can state", domain_rule),
    ("cursors are opaque", opaque_cursor),
    ("characters that are refused everywhere", forbidden_character),
    ("headers that miss their pattern", misread_pattern),
    ("records that have moved on", moved_on),
    ("requests that are too large", too_large),
    ("conditions that match nothing", vain_condition),
    ("each lead of a batch by itself", batch),
    ("each event by itself", event_by_event),
    ("JSON in a text", json_in_a_text),
    ("the feed waits", waits),
]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    rule = next((rule for rule, applies in ACCEPTED if applies(failure, case, response)), None)
    told = {
        "rule": rule,
        "operation": case.operation.label,
        "failure": type(failure).__name__,
        "status": response.status_code,
        "code": code(response),
        "places": places(response),
        "query": repr(case.query)[:300],
        "message": failure.message[-300:],
    }
    with open(os.environ["FUZZ_FOUND"], "a") as file:
        file.write(json.dumps(told) + "\n")
    return rule is None
