"""A follower of the change feed: keeps every entry in the order in which it came."""

import threading
import time
from dataclasses import dataclass
from urllib.parse import quote

from caller import Caller, Lost, Refused


@dataclass(frozen=True)
class Entry:
    id: str
    type: str
    subject: tuple
    version: int
    lead: str
    request: str
    note: str


class Follower(threading.Thread):
    """Goes on at its cursor, at whichever server answers, until it is told to stop and has seen the end."""

    def __init__(self, services, key, first=0):
        super().__init__(name=f"follower-{first}", daemon=True)
        self.callers = [Caller(service.port, key, timeout=60) for service in services]
        self.turn, self.cursor, self.entries = first, None, []
        self.finish = threading.Event()
        self.failures, self.answers, self.strange = 0, 0, []

    def run(self):
        while True:
            last_look = self.finish.is_set()
            answer = self.ask("0s" if last_look else "3s")
            if answer is None:
                continue
            entries = [entry(raw) for raw in answer.body["data"]]
            self.entries.extend(entries)
            self.cursor = answer.body["next_cursor"]
            if last_look and not entries and not answer.body["has_more"]:
                return

    def ask(self, wait):
        place = f"&after={quote(self.cursor)}" if self.cursor else ""
        try:
            caller = self.callers[self.turn % len(self.callers)]
            answer = caller.send("GET", f"/v1/changes?limit=200&wait={wait}{place}")
        except (Lost, Refused):
            answer = None
        if answer is not None and answer.status == 200:
            self.answers += 1
            return answer
        if answer is not None and answer.status != 503:
            self.strange.append(f"{answer.of}: {answer.status} {answer.body}")
        self.failures += 1
        self.turn += 1
        time.sleep(0.05)
        return None


def entry(raw):
    subject = raw["subject"]
    return Entry(
        raw["id"],
        raw["type"],
        (subject["type"], subject["id"]),
        subject["version"],
        raw.get("lead_id", ""),
        raw["request_id"],
        (raw["data"] or {}).get("note") or "",
    )


def crawl(caller, path, patience=30):
    """Every item of a list, page by page."""
    items, cursor = [], None
    while True:
        glue = "&" if "?" in path else "?"
        answer = caller.send("GET", f"{path}{glue}limit=200" + (f"&cursor={quote(cursor)}" if cursor else ""))
        if answer.status == 503 and patience > 0:
            patience -= 1
            time.sleep(1)
            continue
        answer.demand(200)
        items.extend(answer.body["data"])
        cursor = answer.body.get("next_cursor")
        if not answer.body["has_more"]:
            return items
