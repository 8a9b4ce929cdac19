"""Kills servers under load and looks whether rules were asked exactly once a cause:
python3 tests/siege/causes.py (sqlite | postgres) KILLS --binary target/debug/program [--postgres-home DIR] [--postgres-url URL]

The binary is the program of the tests (`cargo build -p tandem-test-program`), whose servers count the firings of a
rule in rows of the transaction of its cause. The causes are counted from the other rows: submissions that found or made a
lead, events of leads, leads that were created or updated through the interface (an entry of the journal each).
"""

import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from caller import Caller, Lost, Refused
from service import Postgres, Service, Sqlite

WRITERS = 8
SCOPES = ["leads:read", "leads:write", "forms:write", "events:write"]
FIRED = "SELECT count(*) FROM field_values WHERE field = 'custom.fired'"
CAUSES = (
    "SELECT (SELECT count(*) FROM submissions WHERE status = 'accepted' AND lead_id IS NOT NULL)"
    " + (SELECT count(*) FROM events WHERE type = 'email_open')"
    " + (SELECT count(*) FROM journal WHERE type IN ('lead.created', 'lead.updated') AND actor_kind = 'key')"
)


def main():
    read = argparse.ArgumentParser()
    read.add_argument("database", choices=["sqlite", "postgres"])
    read.add_argument("kills", type=int)
    read.add_argument("--binary", required=True)
    read.add_argument("--postgres-home")
    read.add_argument("--postgres-url")
    asked = read.parse_args()
    os.environ["COUNT_CAUSES"] = "1"
    home = Path(tempfile.mkdtemp(prefix="tandem-causes."))
    is_server = asked.database == "postgres"
    database = Postgres(asked.postgres_home, asked.postgres_url) if is_server else Sqlite(home / "one")
    counting = {**database.environment(), "COUNT_CAUSES": "1"}
    database.environment = lambda: counting
    names = ["one", "two"] if is_server else ["one"]
    services = [Service(str(Path(asked.binary).resolve()), database, home / name, name) for name in names]
    try:
        key, form = prepare(services)
        stop = threading.Event()
        writers = [threading.Thread(target=write, args=(n, services, key, form, stop)) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        for _ in range(asked.kills):
            time.sleep(random.uniform(0.1, 0.6))
            victim = random.choice(services)
            victim.kill()
            victim.start()
        stop.set()
        for writer in writers:
            writer.join(60)
    finally:
        for service in services:
            service.stop()
    fired, causes = count(database, FIRED), count(database, CAUSES)
    shutil.rmtree(home, ignore_errors=True)
    print(f"{asked.database}: {asked.kills} times kill -9, {causes} causes, {fired} firings")
    raise SystemExit(0 if fired == causes else 1)


def prepare(services):
    services[0].start()
    token = services[0].set_up()["access_token"]
    for other in services[1:]:
        other.start()
    with Caller(services[0].port, token) as admin:
        body = {"name": "causes", "scopes": SCOPES}
        key = admin.send("POST", "/v1/api-keys", body).demand(201).body["secret"]
        email = {"name": "email", "label": "E-mail", "type": "email", "required": True, "maps_to": "email"}
        form = {"name": "Causes", "fields": [email], "allowed_origins": []}
        return key, admin.send("POST", "/v1/forms", form).demand(201).body["key"]


def write(number, services, key, form, stop):
    """Whatever an answer says or does not say: the rows tell what was done."""
    chance, done = random.Random(number), 0
    while not stop.is_set():
        done += 1
        person = f"w{number}-{chance.randrange(40)}@example.com"
        acts = [
            (None, f"/v1/capture/{form}", {"fields": {"email": person}, "visitor_id": f"visitor-{number}-{done % 7}"}),
            (key, "/v1/leads", {"email": person, "need": f"{number}/{done}"}),
            (key, "/v1/events", {"events": [{"type": "email_open", "lead": {"email": person}}]}),
        ]
        credential, path, body = chance.choice(acts)
        try:
            with Caller(chance.choice(services).port, credential, timeout=5) as caller:
                caller.send("POST", path, body)
        except (Lost, Refused):
            time.sleep(0.05)


def count(database, sql):
    if isinstance(database, Sqlite):
        with sqlite3.connect(database.file) as file:
            return file.execute(sql).fetchone()[0]
    psql = shutil.which("psql") or "psql"
    told = subprocess.run([psql, database.url, "-Atc", sql], check=True, capture_output=True, text=True)
    return int(told.stdout)


if __name__ == "__main__":
    main()
