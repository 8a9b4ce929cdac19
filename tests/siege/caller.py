"""An HTTP caller that tells apart what was never sent from what has an unknown outcome."""

import http.client
import json
import time
from dataclasses import dataclass


class Refused(Exception):
    """Nobody listens: the request was not sent."""


class Lost(Exception):
    """The request was sent, perhaps in part, and no whole answer came: it may have been done."""


@dataclass
class Answer:
    of: str
    status: int
    headers: dict
    body: object
    seconds: float

    def demand(self, *statuses):
        if self.status not in statuses:
            raise SystemExit(f"{self.of}: {self.status} {json.dumps(self.body)[:2000]}")
        return self

    @property
    def code(self):
        return self.body.get("code", "") if isinstance(self.body, dict) else ""


class Caller:
    """One keep-alive connection; not for several threads."""

    def __init__(self, port, credential=None, on_behalf_of=None, timeout=20):
        self.port, self.timeout, self.connection = port, timeout, None
        self.standing = {"Authorization": f"Bearer {credential}"} if credential else {}
        if on_behalf_of:
            self.standing["X-On-Behalf-Of"] = on_behalf_of

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def send(self, method, path, body=None, headers=None):
        sent = {**self.standing, **(headers or {})}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            sent.setdefault("Content-Type", kind)
        begun = time.monotonic()
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
            try:
                self.connection.connect()
            except OSError as error:
                self.close()
                raise Refused(str(error)) from error
        try:
            self.connection.request(method, path, data, sent)
            response = self.connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost(f"{method} {path}: {error!r}") from error
        if response.will_close:
            self.close()
        names = {name.lower(): value for name, value in response.getheaders()}
        is_json = "json" in names.get("content-type", "")
        parsed = json.loads(raw) if raw and is_json else raw.decode("utf-8", "replace")
        return Answer(f"{method} {path}", response.status, names, parsed, time.monotonic() - begun)
