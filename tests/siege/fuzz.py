"""Runs schemathesis against a fresh server: python3 tests/siege/fuzz.py (sqlite | postgres) EXAMPLES --binary PATH ...

All checks, all phases (examples, coverage, fuzzing, stateful). The rules of this house, and the findings that were
accepted, stand in fuzz_hooks.py and are argued in docs/fuzz.md. Exits 0 where nothing else is found.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from caller import Caller
from service import PASSWORD, Postgres, Service, Sqlite

# Records that paths name, beside those that others need: parameter, path and body.
RECORDS = [
    ("company_id", "/v1/companies", {"name": "Analytical Engines"}),
    ("campaign_id", "/v1/campaigns", {"name": "Spring", "channel": "paid_social", "starts_on": "2026-03-01"}),
    (
        "form_id",
        "/v1/forms",
        {"name": "Other", "fields": [{"name": "email", "label": "E-mail", "type": "email", "maps_to": "email"}]},
    ),
]
HERE = Path(__file__).parent


def main():
    asked = arguments()
    home = Path(tempfile.mkdtemp(prefix="tandem-fuzz."))
    is_server = asked.database == "postgres"
    database = Postgres(asked.postgres_home, asked.postgres_url) if is_server else Sqlite(home)
    service = Service(asked.binary, database, home, asked.database)
    try:
        service.start()
        people = set_up(service)
        verdict = run(service, people, asked, home)
        complaints = service.complaints()
        is_alive = service.process.poll() is None and service.is_ready()
        digest(home / "found.jsonl")
        for line in complaints:
            print(f"the log complains: {line}")
        if not is_alive:
            print("the server did not survive")
        raise SystemExit(1 if verdict or complaints or not is_alive else 0)
    finally:
        service.stop()
        keep = Path(asked.report)
        keep.mkdir(parents=True, exist_ok=True)
        for file in (service.log, home / "found.jsonl"):
            if file.exists():
                shutil.copy(file, keep / file.name)
        shutil.rmtree(home, ignore_errors=True)


def arguments():
    read = argparse.ArgumentParser(prog="scripts/fuzz")
    read.add_argument("database", choices=["sqlite", "postgres"])
    read.add_argument("examples", type=int)
    read.add_argument("--binary", required=True)
    read.add_argument("--schemathesis", required=True)
    read.add_argument("--report", required=True)
    read.add_argument("--postgres-home")
    read.add_argument("--postgres-url")
    place = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    asked = read.parse_args(sys.argv[1:place])
    asked.more = sys.argv[place + 1 :]
    return asked


def set_up(service):
    """The admin in whose name is fuzzed, a user who may be changed, and a record of each kind to begin with."""
    admin = service.set_up()
    with Caller(service.port, admin["access_token"]) as caller:
        me = caller.send("GET", "/v1/me").demand(200).body["user"]["id"]
        target = {"email": "target@example.com", "name": "Target", "role": "viewer", "password": PASSWORD}
        target = caller.send("POST", "/v1/users", target).demand(201).body["id"]
        lead = caller.send("POST", "/v1/leads", {"email": "ada@example.com"}).demand(201).body["id"]
        fields = [{"name": "email", "label": "E-mail", "type": "email", "maps_to": "email"}]
        form = {"name": "Contact", "fields": fields, "allowed_origins": []}
        form = caller.send("POST", "/v1/forms", form).demand(201).body
        site = {"name": "Shop", "allowed_origins": ["https://shop.example.com"]}
        site, other = (caller.send("POST", "/v1/tracking-keys", site).demand(201).body for _ in range(2))
        records = {"lead_id": lead, "tracking_key_id": other["id"]}
        for name, path, body in RECORDS:
            records[name] = caller.send("POST", path, body).demand(201).body["id"]
        for event in ({"type": "chat"}, {"type": "email_click", "url": "https://shop.example.com/?utm_source=may"}):
            event["lead"] = {"id": lead}
            caller.send("POST", "/v1/events", {"events": [event]}).demand(200)
    known = {"form": form["key"], "site": site["key"], "records": records}
    return {"admin": me, "target": target, "refresh": admin["refresh_token"], **known}


def run(service, people, asked, home):
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "fuzz_hooks",
        "PYTHONPATH": str(HERE),
        "FUZZ_URL": service.url,
        "FUZZ_PEOPLE": json.dumps(people),
        "FUZZ_FOUND": str(home / "found.jsonl"),
    }
    command = [
        asked.schemathesis,
        "run",
        f"{service.url}/openapi.json",
        "--checks",
        "all",
        "--continue-on-failure",
    ]
    command += [
        "--max-examples",
        str(asked.examples),
        "--request-timeout",
        "45",
        "--suppress-health-check",
        "all",
        # Its answer does not end.
        "--exclude-path",
        "/v1/stream",
    ]
    command += ["--report", "junit,ndjson", "--report-dir", asked.report, *asked.more]
    return subprocess.run(command, env=environment, cwd=home).returncode


def digest(file):
    """What was found, by kind; and which rules of the list of accepted findings were needed, and how often."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    rules = Counter(line["rule"] for line in lines if line["rule"])
    kept = defaultdict(Counter)
    for line in lines:
        if not line["rule"]:
            kind = (
                line["failure"],
                line["status"],
                line["code"],
                ", ".join(line["places"][:4]) or line["message"][:200],
            )
            kept[kind][line["operation"]] += 1
    for (failure, status, code, what), operations in sorted(kept.items(), key=str):
        print(
            f"{failure} {status} {code}: {what}\n    {len(operations)} operations: {', '.join(list(operations)[:6])}"
        )
    print(
        "accepted findings (docs/fuzz.md):",
        ", ".join(f"{rule} {n}x" for rule, n in sorted(rules.items())) or "none",
    )


if __name__ == "__main__":
    main()
