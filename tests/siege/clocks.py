"""Ten thousand promises that are due at once, two servers, one killed in the middle: python3 tests/siege/clocks.py COUNT
--binary PATH --postgres-home DIR --postgres-url URL

Forms make COUNT MQLs, whose reviews are promised within an hour. Then all of them are made due in the same instant, and the
server that fires them is killed (kill -9) when a fifth has fired. Each must fire once, none before its time, and all within
ten seconds.
"""

import itertools
import shutil
import subprocess
import threading
import time
from collections import Counter

from audit import Audit
from caller import Caller
from follow import crawl
from pair import conclude, no_complaints, parser, servers
from service import PASSWORD, until

SENDERS = 16
SCOPES = ["forms:write", "handoffs:read", "leads:read", "changes:read", "journal:read"]
LATEST = 10


def main():
    asked = parser("clocks", "count").parse_args()
    audit = Audit()
    with servers(asked) as (services, database):
        key, form = prepare(services, Psql(database))
        hand_over(services, form, asked.count)
        fire(audit, database, services, asked.count)
        with Caller(services[0].port, key) as caller:
            examine(audit, caller, database, asked.count)
        no_complaints(audit, services)
    conclude(audit)


def prepare(services, psql):
    """One rep gets everything; reviews are promised within an hour of day and night, and nothing else is."""
    services[0].start()
    until(lambda: psql.ask(f"SELECT max(name) FROM ({REPLICAS}) AS r"), 10, "the first server says that it lives")
    services[0].replica = psql.ask(f"SELECT max(substr(name, 9)) FROM ({REPLICAS}) AS r")
    token = services[0].set_up()["access_token"]
    services[1].start()
    with Caller(services[0].port, token) as admin:
        demand = lambda method, path, body: admin.send(method, path, body).demand(200, 201).body
        key = demand("POST", "/v1/api-keys", {"name": "siege", "scopes": SCOPES})["secret"]
        user = {"email": "rep@example.com", "name": "A rep", "role": "sales", "password": PASSWORD}
        rep = demand("POST", "/v1/users", user)["id"]
        demand("PUT", "/v1/routing", {"rules": [{"name": "All", "to": {"user_id": rep}}]})
        document = admin.send("GET", "/v1/agreements/current").demand(200).body["document"]
        document["commitments"]["sales"] = {"review_within": "1h", "time": "elapsed"}
        demand("PUT", "/v1/agreements/current", {"document": document})
        email = {"name": "email", "label": "E-mail", "type": "email", "required": True, "maps_to": "email"}
        form = {"name": "Demo", "service_requested": "demo", "fields": [email], "allowed_origins": []}
        return key, demand("POST", "/v1/forms", form)["key"]


def hand_over(services, form, count):
    numbers, begun = itertools.count(), time.monotonic()

    def send(place):
        with Caller(services[place % 2].port) as caller:
            while (number := next(numbers)) < count:
                body = {"fields": {"email": f"p{number}@siege.example"}}
                caller.send("POST", f"/v1/capture/{form}", body).demand(201)

    senders = [threading.Thread(target=send, args=(place,)) for place in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    print(f"  {count} hand-offs in {time.monotonic() - begun:.0f} s", flush=True)


class Psql:
    """One psql that is asked again and again: a process for each look would be late."""

    def __init__(self, database):
        program = shutil.which("psql") or "psql"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self.process = subprocess.Popen([program, database.url, "-qAtX"], **pipes)

    def ask(self, sql):
        self.process.stdin.write(f"{sql};\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def number(self, sql):
        return int(float(self.ask(sql)))


REPLICAS = "SELECT name FROM leases WHERE name LIKE 'replica/%'"
NOW = "SELECT floor(extract(epoch from clock_timestamp()) * 1000)"
FIRED = "SELECT count(*) FROM clocks WHERE has_breached"


def fire(audit, database, services, count):
    psql = Psql(database)
    # Warnings are marked as sent, so that nothing but the breaches is measured.
    due = psql.number(NOW) + 5000
    psql.ask(
        f"UPDATE clocks SET due_at = {due}, warn_at = {due - 4000}, next_look = {due + 1}, has_warned = true, "
        "state = 'warned'; SELECT count(*) FROM clocks"
    )
    psql.ask("ANALYZE clocks; SELECT 1")
    early = []
    while (now := psql.number(NOW)) <= due:
        fired = psql.number(FIRED)
        if fired and psql.number(NOW) <= due:
            early.append(f"{fired} fired {due - now} ms before")
        time.sleep(0.05)
    audit.promise("none fires before it is due", early)
    killed, fired = None, 0
    while fired < count and now < due + 120_000:
        fired, now = psql.number(FIRED), psql.number(NOW)
        if killed is None and fired >= count / 5:
            holder = psql.ask("SELECT holder FROM leases WHERE name = 'job/clocks'")
            victim = services[0] if services[0].replica == holder else services[1]
            victim.kill()
            killed = f"{victim.name}, which fired them, was killed after {now - due} ms and {fired} clocks"
        time.sleep(0.01)
    took = (now - due) / 1000
    print(f"  {killed}")
    late = [] if fired == count and took <= LATEST else [f"{fired} of {count} after {took:.2f} s"]
    audit.promise(f"all fire within {LATEST} s", late, f"{took:.2f} s")
    audit.promise("a server was killed in the middle", [] if killed and fired else ["none was"])
    for service in services:
        if service.process.poll() is not None:
            service.start()
    audit.due = due


def examine(audit, caller, database, count):
    entries = crawl(caller, "/v1/journal?type=clock.breached")
    clocks = Counter(entry["subject"]["id"] for entry in entries)
    twice = [f"{id}: {times}" for id, times in clocks.items() if times > 1]
    audit.promise("each fires once", twice + ([] if len(clocks) == count else [f"{len(clocks)} of {count}"]))
    psql = Psql(database)
    notices = psql.number("SELECT count(*) FROM notices WHERE kind = 'clock_breached'")
    audit.promise("each is one notice", [] if notices == count else [f"{notices} of {count}"])
    wrong = psql.number(f"SELECT count(*) FROM clocks WHERE breached_at <> {audit.due} + 1 OR state <> 'breached'")
    audit.promise("breached_at is due_at + 1 ms", [f"of {wrong} it is not"] if wrong else [])


if __name__ == "__main__":
    main()
