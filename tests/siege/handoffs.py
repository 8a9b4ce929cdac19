"""Kills servers while leads are handed over, taken and decided: python3 tests/siege/handoffs.py SECONDS --binary PATH
--postgres-home DIR --postgres-url URL

Two servers on one PostgreSQL, 32 clients: eight send forms that make MQLs, which two teams take by turns; eleven pairs of
users decide on the same hand-off at once, each at its own server; two managers assign and accept. One server after the
other is killed (kill -9). Afterwards no lead is assigned twice, no turn is lost, and of two who decided one got 200 and one
409 with who and when.
"""

import itertools
import random
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

from audit import Audit
from caller import Caller, Lost, Refused
from follow import crawl
from pair import conclude, no_complaints, parser, servers
from service import PASSWORD

SENDERS, PAIRS, MANAGERS = 8, 11, 2
SCOPES = ["leads:read", "leads:write", "forms:write", "handoffs:read", "handoffs:write", "journal:read"]
TEAMS = {"IT": "North", "DE": "South"}
REPS = 3


class Field:
    """What all clients share."""

    def __init__(self, services):
        self.services, self.stop = services, threading.Event()
        self.strange, self.sent, self.duels, self.assigned = [], [], [], []

    def prepare(self):
        self.services[0].start()
        token = self.services[0].set_up()["access_token"]
        for other in self.services[1:]:
            other.start()
        with Caller(self.services[0].port, token) as admin:
            demand = lambda path, body, method="POST": admin.send(method, path, body).demand(200, 201).body
            self.key = demand("/v1/api-keys", {"name": "siege", "scopes": SCOPES})["secret"]
            self.teams, rules, number = {}, [], itertools.count()
            user = lambda role: demand(
                "/v1/users",
                {"email": f"{role}{next(number)}@example.com", "name": role, "role": role, "password": PASSWORD},
            )["id"]
            self.managers = [user("sales_manager") for _ in range(MANAGERS)]
            for country, name in TEAMS.items():
                members = [user("sales") for _ in range(REPS)]
                team = demand("/v1/teams", {"name": name, "members": members})["id"]
                self.teams[country] = (team, members)
                when = {"field": "country", "op": "eq", "value": country}
                rules.append({"name": name, "when": when, "to": {"team_id": team}})
            demand("/v1/routing", {"rules": rules}, "PUT")
            fields = [
                {"name": name, "label": name, "type": kind, "required": True, "maps_to": name}
                for name, kind in (("email", "email"), ("country", "text"))
            ]
            form = {"name": "Demo", "service_requested": "demo", "fields": fields, "allowed_origins": []}
            self.form = demand("/v1/forms", form)["key"]

    def country_of(self, handoff):
        """The rules by which it came to its team name the country; a lead's country never changes here."""
        return next((c for c, (_, members) in self.teams.items() if handoff["owner_id"] in members), None)


class Client:
    """Somebody who prefers one server, and goes to the other one while that is away."""

    def __init__(self, field, preferred):
        self.field, self.turn = field, preferred

    def until_known(self, method, path, body=None, headers=None, who=None, key=True):
        """Repeat a request until its outcome is known: a repetition of a decision is the same decision."""
        begun = time.monotonic()
        while time.monotonic() - begun < 90:
            service = self.field.services[self.turn % len(self.field.services)]
            try:
                with Caller(service.port, self.field.key if key else None, who, timeout=10) as caller:
                    answer = caller.send(method, path, body, headers)
            except (Lost, Refused):
                self.turn += 1
                time.sleep(0.02)
                continue
            if answer.status < 500 and answer.status != 429 and answer.code != "request_in_progress":
                return answer
            if answer.status != 503:
                self.field.strange.append(f"{answer.of}: {answer.status} {answer.body}")
            time.sleep(0.05)
        self.field.strange.append(f"{method} {path}: no known outcome in 90 s")
        return None

    def pending(self, is_own):
        listed = self.until_known("GET", "/v1/handoffs?state=pending&limit=200")
        return [one for one in listed.body["data"] if is_own(place_of(one))] if listed else []


def place_of(handoff):
    """Which pair or manager works on a hand-off; nobody else does."""
    return sum(handoff["id"].encode()) % (PAIRS + MANAGERS)


def send_forms(field, number):
    client, count = Client(field, number), itertools.count()
    while not field.stop.is_set():
        name = f"s{number}-{next(count)}"
        body = {"fields": {"email": f"{name}@siege.example", "country": random.choice(list(TEAMS))}}
        answer = client.until_known(
            "POST", f"/v1/capture/{field.form}", body, {"Idempotency-Key": name}, key=False
        )
        if answer and answer.status == 201:
            field.sent.append(f"{name}@siege.example")
        elif answer:
            field.strange.append(f"{answer.of}: {answer.status} {answer.body}")
        time.sleep(0.01)


def duel(field, place, number):
    """The owner at one server and a manager at the other decide on the same hand-offs at once."""
    clients = Client(field, 0), Client(field, 1)
    with ThreadPoolExecutor(2) as both:
        while not field.stop.is_set():
            for handoff in clients[0].pending(lambda own: own == place)[:5]:
                path = f"/v1/handoffs/{handoff['id']}"
                # In the North everything is accepted, so that its turns stay strictly fair.
                may_reject = field.country_of(handoff) == "DE" and random.random() < 0.5
                other = (f"{path}/reject", {"reason": "no_budget"}) if may_reject else (f"{path}/accept", {})
                acts = [(f"{path}/accept", {}, handoff["owner_id"]), (*other, random.choice(field.managers))]
                start = threading.Barrier(2)

                def decide(client, act):
                    start.wait(20)
                    return client.until_known("POST", act[0], act[1], who=act[2])

                answers = list(both.map(decide, clients, acts))
                field.duels.append((handoff["id"], acts, answers))
            time.sleep(0.05)


def manage(field, place, number):
    """A manager gives a hand-off to another member of its team, who accepts."""
    client, manager = Client(field, number), field.managers[number]
    while not field.stop.is_set():
        for handoff in client.pending(lambda own: own == place)[:5]:
            members = field.teams[field.country_of(handoff)][1]
            other = random.choice([member for member in members if member != handoff["owner_id"]])
            path = f"/v1/leads/{handoff['lead_id']}/assign"
            given = client.until_known("POST", path, {"owner_id": other}, who=manager)
            accepted = client.until_known("POST", f"/v1/handoffs/{handoff['id']}/accept", {}, who=other)
            field.assigned.append((handoff["id"], other, given, accepted))
        time.sleep(0.05)


def main():
    read = parser("handoffs", "seconds")
    read.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    asked = read.parse_args()
    random.seed(asked.seed)
    audit = Audit()
    with servers(asked) as (services, _):
        field = Field(services)
        try:
            besiege(audit, services, field, asked)
        finally:
            field.stop.set()
    conclude(audit)


def besiege(audit, services, field, asked):
    field.prepare()
    print(f"Siege of hand-offs: 2 servers, 32 clients, {asked.seconds} s, seed {asked.seed}", flush=True)
    clients = [threading.Thread(target=send_forms, args=(field, n)) for n in range(SENDERS)]
    clients += [threading.Thread(target=duel, args=(field, n, n)) for n in range(PAIRS)]
    clients += [threading.Thread(target=manage, args=(field, PAIRS + n, n)) for n in range(MANAGERS)]
    for client in clients:
        client.start()
    kills = kill_in_turn(services, asked.seconds)
    field.stop.set()
    for client in clients:
        client.join(120)
    print(f"  {kills} times kill -9, {len(field.sent)} forms, {len(field.duels)} duels, {len(field.assigned)} assigned")
    with Caller(services[0].port, field.key) as caller:
        examine(audit, caller, field)
    audit.promise("no client is stuck", [client.name for client in clients if client.is_alive()])
    audit.promise("no answer is strange", field.strange)
    no_complaints(audit, services)


def kill_in_turn(services, seconds):
    end, kills = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        time.sleep(random.uniform(0.5, 2))
        victim = random.choice(services)
        victim.kill()
        time.sleep(random.uniform(0, 0.5))
        victim.start()
        kills += 1
    return kills


def examine(audit, caller, field):
    handoffs, leads = crawl(caller, "/v1/handoffs"), {one["id"]: one for one in crawl(caller, "/v1/leads")}
    by_id = {one["id"]: one for one in handoffs}
    assigned_once(audit, handoffs, leads, field)
    journal_agrees(audit, caller, by_id)
    duels_agree(audit, field, by_id)
    assignments_agree(audit, field, by_id)
    turns_are_fair(audit, caller, field, handoffs)


def assigned_once(audit, handoffs, leads, field):
    cycles = Counter((one["lead_id"], one["cycle"]) for one in handoffs)
    twice = [f"{lead} in cycle {cycle}: {count}" for (lead, cycle), count in cycles.items() if count > 1]
    audit.promise("no lead is handed over twice in a cycle", twice, f"{len(handoffs)} hand-offs")
    known = {email for lead in leads.values() for email in lead["emails"]}
    audit.promise("every form that was answered is a lead", [one for one in field.sent if one not in known])
    handed = {one["lead_id"] for one in handoffs}
    lost = [id for id, lead in leads.items() if id not in handed or lead["stage"] == "lead"]
    audit.promise("every lead was handed over", lost, f"{len(leads)} leads")
    wrong = []
    for one in handoffs:
        lead = leads[one["lead_id"]]
        owner = None if one["state"] == "rejected" else one["owner_id"]
        stage = {"pending": "mql", "accepted": "sal", "rejected": "nurture"}[one["state"]]
        if (lead["owner_id"], lead["stage"]) != (owner, stage):
            wrong.append(f"{one['id']} {one['state']} {one['owner_id']}: {lead['stage']} {lead['owner_id']}")
    audit.promise("a lead and its hand-off have one owner", wrong)


def journal_agrees(audit, caller, handoffs):
    kinds = ["created", "queued", "assigned", "accepted", "rejected"]
    entries = defaultdict(list)
    for entry in reversed(crawl(caller, "/v1/journal?type=" + ",".join(f"handoff.{kind}" for kind in kinds))):
        entries[entry["subject"]["id"]].append(entry)
    wrong = [f"no such hand-off: {id}" for id in entries.keys() - handoffs.keys()]
    for id, one in handoffs.items():
        types = Counter(entry["type"].removeprefix("handoff.") for entry in entries[id])
        decided = {"pending": {}, "accepted": {"accepted": 1}, "rejected": {"rejected": 1}}[one["state"]]
        decisions = {kind: types[kind] for kind in ("accepted", "rejected") if types[kind]}
        owners = [entry["data"]["owner_id"] for entry in entries[id]]
        if types["created"] != 1 or decisions != decided or not owners or owners[-1] != one["owner_id"]:
            wrong.append(f"{id} {one['state']}: {dict(types)}, owners {owners}")
    audit.promise("the journal has the same owners and decisions", wrong)


def duels_agree(audit, field, handoffs):
    wrong, outcomes = [], Counter()
    for id, acts, answers in field.duels:
        if None in answers:
            wrong.append(f"{id}: no known outcome")
            continue
        statuses = sorted(answer.status for answer in answers)
        outcomes[tuple(statuses)] += 1
        won, lost = sorted(answers, key=lambda answer: answer.status)
        if statuses != [200, 409] or lost.code != "already_decided":
            wrong.append(f"{id}: {[(answer.status, answer.body) for answer in answers]}"[:500])
            continue
        winner = acts[answers.index(won)][2]
        one = handoffs[id]
        stated = (lost.body.get("decided_by"), lost.body.get("decided_at"))
        if stated != (winner, one["decided_at"]) or (one["decided_by"], one["state"]) != (winner, won.body["state"]):
            wrong.append(f"{id}: {winner} won, the 409 states {stated}, stored {one['decided_by']} {one['decided_at']}")
    audit.promise("of two who decide at once one gets 200, one 409 with who and when", wrong, f"{dict(outcomes)}")


def assignments_agree(audit, field, handoffs):
    wrong = []
    for id, owner, given, accepted in field.assigned:
        statuses = [answer and answer.status for answer in (given, accepted)]
        if statuses != [200, 200] or handoffs[id]["owner_id"] != owner:
            wrong.append(f"{id}: {statuses}, {owner} and {handoffs[id]['owner_id']}")
    audit.promise("who is given a hand-off has it", wrong, f"{len(field.assigned)} assigned")


def turns_are_fair(audit, caller, field, handoffs):
    """Counted from the routing decisions. A rejected hand-off is no turn, and its giving back may cost one turn of order."""
    taken, teams = defaultdict(Counter), Counter()
    strange = []
    for one in handoffs:
        decision = caller.send("GET", f"/v1/routing/decisions/{one['routing_decision_id']}").demand(200).body
        teams[decision["team_id"]] += 1
        if decision["team_id"] is None:
            strange.append(f"{one['id']} took no turn")
        elif one["state"] != "rejected":
            taken[decision["team_id"]][decision["owner_id"]] += 1
    audit.promise("every hand-off is somebody's turn", strange, f"{sum(teams.values())} decisions")
    for country, (team, members) in field.teams.items():
        counts = [taken[team][member] for member in members]
        most = 1 if country == "IT" else 2
        share = sum(counts) / len(counts)
        unfair = [f"{counts}" for _ in [0] if any(abs(count - share) >= most for count in counts)]
        audit.promise(f"the turns of {TEAMS[country]} differ from their share by less than {most}", unfair, f"{counts}")


if __name__ == "__main__":
    main()
