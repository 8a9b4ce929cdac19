"""Lays siege to real servers: python3 tests/siege (sqlite | postgres) SECONDS --binary PATH [--postgres-home DIR]

32 writers and the followers of the feed work while servers are killed (kill -9) and started again at random moments;
then the database goes away and comes back; then a server is told to stop. Afterwards everything that was answered is
held against what is there. Exits 0 where every promise holds.
"""

import argparse
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import stopping
from audit import Audit, examine
from caller import Caller, Lost, Refused
from follow import Follower
from load import HOT, Field, Writer
from pair import conclude, no_complaints
from service import Postgres, Service, Sqlite

WRITERS = 32
CRASHES = 5
# An answer later than this counts as a hang. Under 32 writers on a busy machine the caller itself is late; that an
# answer comes within 5 s is asked of the probes.
PATIENCE = 8
SCOPES = ["leads:read", "leads:write", "forms:read", "changes:read", "journal:read"]


def main():
    asked = arguments()
    chance = random.Random(asked.seed)
    home = Path(tempfile.mkdtemp(prefix="tandem-siege."))
    is_server = asked.database == "postgres"
    database = Postgres(asked.postgres_home, asked.postgres_url) if is_server else Sqlite(home / "one")
    services = [
        Service(asked.binary, database, home / name, name)
        for name in (["one", "two"] if is_server else ["one"])
    ]
    audit = Audit()
    try:
        print(
            f"Siege of {asked.database}: {len(services)} server(s), {WRITERS} writers, {asked.seconds} s, seed {asked.seed}"
        )
        field = prepare(services)
        besiege(audit, chance, services, field, database, asked)
    finally:
        for service in services:
            service.stop()
        shutil.rmtree(home, ignore_errors=True)
    conclude(audit)


def arguments():
    read = argparse.ArgumentParser(prog="scripts/siege")
    read.add_argument("database", choices=["sqlite", "postgres"])
    read.add_argument("seconds", type=int)
    read.add_argument("--binary", required=True)
    read.add_argument("--postgres-home")
    read.add_argument("--postgres-url")
    read.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    return read.parse_args()


def prepare(services):
    """The first admin, a key, a form, and the leads that everybody works on."""
    services[0].start()
    token = services[0].set_up()["access_token"]
    for other in services[1:]:
        other.start()
    with Caller(services[0].port, token) as admin:
        me = admin.send("GET", "/v1/me").demand(200).body
        key = (
            admin.send("POST", "/v1/api-keys", {"name": "siege", "scopes": SCOPES}).demand(201).body["secret"]
        )
        email = {"name": "email", "label": "E-mail", "type": "email", "required": True, "maps_to": "email"}
        need = {"name": "need", "label": "Need", "type": "text", "maps_to": "need"}
        form = {"name": "Siege", "fields": [email, need], "allowed_origins": []}
        form = admin.send("POST", "/v1/forms", form).demand(201).body["key"]
        hot = []
        for place in range(HOT):
            lead = {"external_id": {"system": "siege", "id": f"hot-{place}"}}
            hot.append(admin.send("POST", "/v1/leads", lead).demand(201).body["id"])
    return Field(services, key, me["user"]["id"], form, hot)


def besiege(audit, chance, services, field, database, asked):
    writers = [Writer(number, field, asked.seed) for number in range(WRITERS)]
    followers = [Follower(services, field.key, first) for first in range(len(services))]
    for thread in [*writers, *followers]:
        thread.start()

    kills = kill_at_random(chance, services, asked.seconds)
    print(f"  {len(kills)} times kill -9; ready again after {max(kills, default=0):.2f} s at most")
    if isinstance(database, Postgres):
        take_database_away(audit, database, services[0], field)
    else:
        hold_the_file(audit, database, services[0], field)
    field.stop.set()
    for writer in writers:
        writer.join(120)
    stuck = [writer.name for writer in writers if writer.is_alive()]
    seconds, slowest = field.slowest
    hung = stuck + ([slowest] if seconds > PATIENCE else [])
    audit.promise("no request hangs", hung, f"slowest {seconds:.2f} s, {slowest}")

    deeds = [deed for writer in writers for deed in writer.deeds]
    print(f"  {len(deeds)} deeds: {dict(Counter(f'{d.kind} {d.outcome}' for d in deeds))}")
    print(
        f"  {sum(deed.attempts for deed in deeds)} attempts, {sum(deed.replayed for deed in deeds)} answers replayed"
    )
    for follower in followers:
        follower.finish.set()
    for follower in followers:
        follower.join(300)
    late = [follower.name for follower in followers if follower.is_alive()]
    audit.promise("the followers reach the end of the feed", late)
    with Caller(services[0].port, field.key, field.admin) as caller:
        examine(audit, caller, followers, deeds)
    audit.promise("no answer is strange", field.strange + [line for one in followers for line in one.strange])
    stopping.finishes_what_runs(audit, services[-1], field)
    no_complaints(audit, services)


def kill_at_random(chance, services, seconds):
    """Until the time is over: kill -9 of one server, and start it again. Answers how long each start took."""
    end = time.monotonic() + seconds
    starts = []
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.5, 4))
        victim = chance.choice(services)
        victim.kill()
        time.sleep(chance.uniform(0, 1))
        starts.append(victim.start())
    time.sleep(2)
    return starts


def take_database_away(audit, database, service, field):
    """The immediate shutdown of PostgreSQL under load; it comes back by itself, and so must the service."""
    field.database_is_away.set()
    for _ in range(CRASHES):
        time.sleep(2)
        database.crash()
        database.start()
    time.sleep(4)
    probe = Probe(service, field)
    time.sleep(1)
    database.crash()
    away = time.monotonic()
    time.sleep(8)
    database.start()
    back = time.monotonic()
    time.sleep(12)
    probe.finish()
    field.database_is_away.clear()
    during = [seen for seen in probe.seen if away + 0.5 < seen.at and seen.at + seen.seconds < back]
    honest = [str(seen) for seen in during if seen.status != 503 or not seen.retry_after]
    audit.promise("a database that is gone is an honest 503", honest, f"{len(during)} answers")
    slow = [str(seen) for seen in probe.seen if seen.seconds > 5]
    slowest = max((seen.seconds for seen in during), default=0)
    audit.promise(
        "each within 5 s", slow + ([] if during else ["no answer at all"]), f"slowest {slowest:.2f} s"
    )
    for what in ("GET /v1/leads", "POST /v1/leads", "GET /readyz"):
        healed = [
            seen.at - back
            for seen in probe.seen
            if seen.of.startswith(what) and seen.at > back and seen.status < 300
        ]
        bad = [] if healed and healed[0] < 8 else [f"{what}: {healed[:1] or 'never'}"]
        audit.promise(f"{what} heals by itself", bad, f"after {healed[0]:.2f} s" if healed else "")


def hold_the_file(audit, database, service, field):
    """Another process holds the writer's lock of the SQLite file: writes are refused in time, reads go on."""
    probe = Probe(service, field)
    other = sqlite3.connect(database.file, isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    held = time.monotonic()
    time.sleep(7)
    other.execute("ROLLBACK")
    other.close()
    released = time.monotonic()
    time.sleep(4)
    probe.finish()
    during = [seen for seen in probe.seen if held < seen.at and seen.at + seen.seconds < released]
    writes = [seen for seen in during if seen.of.startswith("POST")]
    reads = [seen for seen in during if seen.of.startswith("GET")]
    dishonest = [str(seen) for seen in writes if seen.status != 503 or not seen.retry_after]
    audit.promise(
        "a writer's lock that is not to be had is an honest 503", dishonest, f"{len(writes)} answers"
    )
    slow = [str(seen) for seen in probe.seen if seen.seconds > 5]
    slowest = max((seen.seconds for seen in during), default=0)
    audit.promise(
        "each within 5 s", slow + ([] if writes else ["no answer at all"]), f"slowest {slowest:.2f} s"
    )
    audit.promise(
        "reads go on meanwhile", [str(seen) for seen in reads if seen.status != 200], f"{len(reads)} answers"
    )
    healed = [
        seen.at - released
        for seen in probe.seen
        if seen.at > released and seen.of.startswith("POST") and seen.status < 300
    ]
    audit.promise(
        "POST /v1/leads heals by itself",
        [] if healed and healed[0] < 8 else ["never"],
        f"after {healed[0]:.2f} s" if healed else "",
    )


class Seen:
    """One answer to a probe."""

    def __init__(self, of, at, seconds, status, retry_after):
        self.of, self.at, self.seconds, self.status, self.retry_after = of, at, seconds, status, retry_after

    def __str__(self):
        return f"{self.of}: {self.status} after {self.seconds:.2f} s, Retry-After {self.retry_after}"


class Probe:
    """Asks the same three things again and again, each in its own thread and on a fresh connection."""

    def __init__(self, service, field):
        self.service, self.field, self.seen, self.over = service, field, [], threading.Event()
        lead = {"external_id": {"system": "siege", "id": "hot-0"}}
        asked = [("GET", "/v1/leads?limit=1", None), ("POST", "/v1/leads", lead), ("GET", "/readyz", None)]
        self.threads = [threading.Thread(target=self.ask, args=one, daemon=True) for one in asked]
        for thread in self.threads:
            thread.start()

    def ask(self, method, path, body):
        while not self.over.is_set():
            at = time.monotonic()
            with Caller(self.service.port, self.field.key, self.field.admin, timeout=30) as caller:
                try:
                    answer = caller.send(method, path, body)
                    status, retry_after = answer.status, answer.headers.get("retry-after")
                except (Lost, Refused) as failure:
                    status, retry_after = 599, repr(failure)
            self.seen.append(Seen(f"{method} {path}", at, time.monotonic() - at, status, retry_after))
            time.sleep(0.25)

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join(40)
        self.seen.sort(key=lambda seen: seen.at)


if __name__ == "__main__":
    main()
