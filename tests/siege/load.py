"""The writers: each does one deed after another, and remembers what it was told about it.

A deed bears a name. It is the note of a move, the need of a lead, the answer to a form, the Idempotency-Key; and with
the number of the attempt it is the X-Request-Id, so that the journal says which attempt did something.
"""

import random
import threading
import time
from dataclasses import dataclass, field

from caller import Caller, Lost, Refused

HOT = 24
# A way round the stages that never ends, for leads that many writers push on.
ROUND = {
    "lead": ("mql", None),
    "mql": ("nurture", "not_ready"),
    "nurture": ("mql", None),
}
PATH = {"lead": "mql", "mql": "sal", "sal": "sql", "sql": "opportunity", "opportunity": "customer"}


@dataclass
class Deed:
    """One thing that a writer wanted done.

    `outcome` is `done`, `refused` (a final 4xx), `not processed` (the server said so each time) or `unknown`.
    """

    name: str
    kind: str
    outcome: str = "unknown"
    attempts: int = 0
    status: int = 0
    replayed: bool = False
    facts: dict = field(default_factory=dict)


@dataclass
class Field:
    """What all writers share."""

    services: list
    key: str
    admin: str
    form: str
    hot: list
    stop: threading.Event = field(default_factory=threading.Event)
    # Set while the database is away: then a commit may be cut, and 500 is the honest answer to it.
    database_is_away: threading.Event = field(default_factory=threading.Event)
    strange: list = field(default_factory=list)
    slowest: tuple = (0.0, "none")


class Writer(threading.Thread):
    """One of many."""

    def __init__(self, number, shared, seed):
        super().__init__(name=f"writer-{number}", daemon=True)
        self.number, self.shared = number, shared
        self.random = random.Random(seed * 1000 + number)
        self.deeds, self.own = [], []
        self.callers = [Caller(service.port, shared.key, shared.admin) for service in shared.services]
        self.strangers = [Caller(service.port) for service in shared.services]
        self.turn = number

    def run(self):
        kinds = [self.create, self.move_hot, self.move_own, self.say, self.patch, self.batch, self.capture, self.plain]
        weights = [20, 15, 12, 8, 10, 5, 20, 10]
        while not self.shared.stop.is_set():
            try:
                self.random.choices(kinds, weights)[0]()
            except Exception as error:  # a writer that dies in silence would look like success
                self.shared.strange.append(f"{self.name}: {error!r}")
        for caller in self.callers + self.strangers:
            caller.close()

    def create(self):
        deed = self.deed("create")
        lead = {
            "external_id": {"system": "siege", "id": deed.name},
            "email": f"{deed.name}@siege.example",
            "first_name": self.random.choice(["Ada", "Zoë", "Björn", "李", "نور"]),
            "first_touch": {"source": self.random.choice(["organic_search", "email", "social"])},
        }
        answer = self.until_known(deed, "/v1/leads", lead)
        if answer:
            deed.facts["lead"] = answer.body["id"]
            self.own.append([answer.body["id"], "lead"])

    def batch(self):
        deed = self.deed("batch")
        names = [f"{deed.name}-{index}" for index in range(5)]
        leads = [{"external_id": {"system": "siege", "id": name}, "last_name": name} for name in names]
        answer = self.until_known(deed, "/v1/leads/batch", {"leads": leads})
        if answer:
            deed.facts["leads"] = {name: item.get("id") for name, item in zip(names, answer.body["items"])}

    def move_own(self):
        if not self.own:
            return
        place = self.random.randrange(len(self.own))
        lead, stage = self.own[place]
        to = PATH.get(stage)
        if to is None:
            self.own.pop(place)
            return
        deed = self.deed("move")
        deed.facts["lead"] = lead
        if self.until_known(deed, f"/v1/leads/{lead}/transitions", {"to": to, "note": deed.name}):
            self.own[place][1] = to
        elif deed.outcome != "not processed":
            self.own.pop(place)

    def move_hot(self):
        lead = self.random.choice(self.shared.hot)
        seen = self.read(f"/v1/leads/{lead}")
        if seen is None:
            return
        to, reason = ROUND[seen.body["stage"]]
        deed = self.deed("move")
        deed.facts["lead"] = lead
        asked = {"to": to, "note": deed.name, **({"reason": reason} if reason else {})}
        self.until_known(deed, f"/v1/leads/{lead}/transitions", asked)

    def say(self):
        place = self.random.randrange(len(self.shared.hot))
        deed = self.deed("say")
        deed.facts["lead"] = self.shared.hot[place]
        said = {"external_id": {"system": "siege", "id": f"hot-{place}"}, "need": deed.name}
        self.until_known(deed, "/v1/leads", said)

    def patch(self):
        lead = self.random.choice(self.shared.hot)
        seen = self.read(f"/v1/leads/{lead}")
        if seen is None:
            return
        deed = self.deed("patch")
        deed.facts["lead"] = lead
        tag = seen.headers["etag"]
        answer = self.attempt(deed, "PATCH", f"/v1/leads/{lead}", {"need": deed.name}, {"If-Match": tag})
        if answer is not None and answer.status in (429, 503):
            deed.outcome = "not processed"
        elif answer is not None and answer.status < 500:
            self.settle(deed, answer)
            deed.facts["version"] = version(answer) if answer.status == 200 else None

    def capture(self):
        deed = self.deed("capture")
        fields = {"email": f"{self.random.randrange(400)}@visitors.example", "need": deed.name}
        answer = self.until_known(deed, f"/v1/capture/{self.shared.form}", {"fields": fields}, self.strangers)
        if answer:
            deed.facts["submission"] = answer.body["submission_id"]

    def plain(self):
        """A form sent without an Idempotency-Key: for a minute the same answers are the same submission."""
        deed = self.deed("capture")
        fields = {"email": f"{self.random.randrange(400)}@visitors.example", "need": deed.name}
        path = f"/v1/capture/{self.shared.form}"
        answer = self.until_known(deed, path, {"fields": fields}, self.strangers, keyed=False, patience=45)
        if answer:
            deed.facts["submission"] = answer.body["submission_id"]

    def deed(self, kind):
        deed = Deed(f"w{self.number}-{len(self.deeds)}", kind)
        self.deeds.append(deed)
        return deed

    def read(self, path):
        """An answer 200, or nothing this time."""
        try:
            answer = self.callers[self.turn % len(self.callers)].send("GET", path)
        except (Lost, Refused):
            self.turn += 1
            time.sleep(0.02)
            return None
        self.judge(answer)
        return answer if answer.status == 200 else None

    def until_known(self, deed, path, body, callers=None, keyed=True, patience=90):
        """Repeat a POST with its Idempotency-Key until its outcome is known; the answer where it was done."""
        may_be_done = False
        headers = {"Idempotency-Key": deed.name} if keyed else {}
        begun = time.monotonic()
        while time.monotonic() - begun < patience:
            answer = self.attempt(deed, "POST", path, body, headers, callers)
            if answer is None:
                may_be_done = may_be_done or deed.facts.pop("sent")
            elif answer.status in (429, 503):
                # Not processed, says the rule: a part of them is left at that, and must leave no trace.
                if not may_be_done and self.random.random() < 0.3:
                    deed.outcome = "not processed"
                    return None
                time.sleep(min(float(answer.headers.get("retry-after", 1)), 1) * self.random.random())
            elif answer.status >= 500:
                may_be_done = True
            elif answer.code != "request_in_progress":
                self.settle(deed, answer)
                return answer if answer.status < 300 else None
            if self.shared.stop.is_set() and time.monotonic() - begun > 20:
                return None
        if keyed:
            self.shared.strange.append(f"{deed.name}: no known outcome in {patience} s")
        return None

    def attempt(self, deed, method, path, body, headers, callers=None):
        callers = callers or self.callers
        sent = {**headers, "X-Request-Id": f"{deed.name}.{deed.attempts}"}
        deed.attempts += 1
        try:
            answer = callers[self.turn % len(callers)].send(method, path, body, sent)
        except (Lost, Refused) as failure:
            deed.facts["sent"] = isinstance(failure, Lost)
            self.turn += 1
            time.sleep(0.02 + 0.1 * self.random.random())
            return None
        self.judge(answer)
        return answer

    def judge(self, answer):
        self.shared.slowest = max(self.shared.slowest, (answer.seconds, f"{answer.of} {answer.status}"))
        may_be_cut = answer.status == 500 and self.shared.database_is_away.is_set()
        if answer.status >= 500 and answer.status != 503 and not may_be_cut:
            self.shared.strange.append(f"{answer.of}: {answer.status} {answer.body}")

    def settle(self, deed, answer):
        deed.outcome = "done" if answer.status < 300 else "refused"
        deed.status = answer.status
        deed.replayed = answer.headers.get("idempotent-replayed") == "true"
        if answer.status >= 400 and answer.status not in (409, 412):
            self.shared.strange.append(f"{answer.of}: {answer.status} {answer.body}")


def version(answer):
    """The part of the entity tag that counts commands."""
    return int(answer.headers["etag"].strip('"').split(".")[0])
