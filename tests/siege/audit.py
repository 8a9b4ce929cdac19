"""What must hold afterwards, however often a server was killed: compares what was answered with what is there."""

from collections import Counter, defaultdict

from follow import crawl


class Audit:
    """Promises, each with what broke it."""

    def __init__(self):
        self.promises = []

    def promise(self, text, breaches, of=""):
        breaches = list(breaches)
        self.promises.append((text, breaches))
        mark = "ok    " if not breaches else "BROKEN"
        print(f"  {mark} {text}{f' ({of})' if of else ''}", flush=True)
        for breach in breaches[:8]:
            print(f"           {breach}")
        if len(breaches) > 8:
            print(f"           and {len(breaches) - 8} more")

    @property
    def holds(self):
        return all(not breaches for _, breaches in self.promises)


def examine(audit, caller, followers, deeds):
    """Ask the service for all that it has, and hold it against the feed and against every answer."""
    entries = followers[0].entries
    journal = crawl(caller, "/v1/journal")
    leads = crawl(caller, "/v1/leads")
    feed(audit, followers, journal)
    order(audit, entries)
    records(audit, leads, entries, deeds)
    acknowledged(audit, entries, deeds)
    captured(audit, crawl(caller, "/v1/submissions"), deeds)


def feed(audit, followers, journal):
    ids = [entry.id for entry in followers[0].entries]
    twice = [id for id, count in Counter(ids).items() if count > 1]
    audit.promise("the feed tells every change once", twice, f"{len(ids)} entries")
    written = {entry["id"] for entry in journal}
    missing = [f"left out: {id}" for id in written - set(ids)]
    ghosts = [f"in the feed, but not in the journal: {id}" for id in set(ids) - written]
    audit.promise(
        "the feed leaves no change out and invents none", missing + ghosts, f"{len(written)} in the journal"
    )
    for other in followers[1:]:
        others = [entry.id for entry in other.entries]
        pairs = zip(ids, others)
        first = next(
            (place for place, (one, two) in enumerate(pairs) if one != two), min(len(ids), len(others))
        )
        same = ids == others
        audit.promise(
            "both followers saw the same in the same order", [] if same else [f"they part at entry {first}"]
        )


def order(audit, entries):
    versions = defaultdict(list)
    for entry in entries:
        if entry.version > 0:
            versions[entry.subject].append(entry.version)
    wrong = [f"{subject}: {seen[:20]}" for subject, seen in versions.items() if seen != sorted(set(seen))]
    audit.promise("each record's entries come in its order", wrong, f"{len(versions)} records")
    gaps = [
        f"{subject}: {seen[:20]}"
        for subject, seen in versions.items()
        if subject[0] == "lead" and sorted(seen) != list(range(1, len(seen) + 1))
    ]
    audit.promise("no version of a lead is without its entry", gaps)


def records(audit, leads, entries, deeds):
    born = Counter(entry.subject[1] for entry in entries if entry.type in ("lead.created", "lead.captured"))
    there = {lead["id"] for lead in leads}
    wrong = [f"created in the feed, but not there: {id}" for id in born.keys() - there]
    wrong += [f"there, but not in the feed: {id}" for id in there - born.keys()]
    wrong += [f"created {count} times: {id}" for id, count in born.items() if count > 1]
    audit.promise("the leads are those that the feed tells of", wrong, f"{len(there)} leads")

    owners = defaultdict(set)
    for lead in leads:
        for external in lead.get("external_ids") or []:
            owners[external["system"], external["id"]].add(lead["id"])
        for email in lead.get("emails") or []:
            owners["email", str(email)].add(lead["id"])
    doubled = [f"{key}: {sorted(ids)}" for key, ids in owners.items() if len(ids) > 1]
    audit.promise("no person is there twice", doubled, f"{len(owners)} identifiers")

    lost = []
    for deed in deeds:
        promised = (
            {deed.name: deed.facts.get("lead")} if deed.kind == "create" else deed.facts.get("leads", {})
        )
        if deed.kind in ("create", "batch") and deed.outcome == "done":
            lost += [name for name, id in promised.items() if owners["siege", name] != {id}]
        if deed.kind == "create" and deed.outcome == "not processed" and owners["siege", deed.name]:
            lost.append(f"{deed.name}: answered 503, but there")
    audit.promise("every acknowledged lead is there, and none that was called not processed", lost)


def acknowledged(audit, entries, deeds):
    by_deed = defaultdict(list)
    for entry in entries:
        name, _, attempt = entry.request.rpartition(".")
        by_deed[name].append((attempt, entry))
    doubled, lost, false = [], [], []
    for deed in deeds:
        found = by_deed.get(deed.name, [])
        attempts = {attempt for attempt, _ in found}
        if len(attempts) > 1:
            doubled.append(f"{deed.name} ({deed.kind}): by attempts {sorted(attempts)}")
        if deed.outcome in ("refused", "not processed") and found:
            false.append(
                f"{deed.name} ({deed.kind}, {deed.outcome} {deed.status}): {[e.type for _, e in found]}"
            )
        if deed.outcome == "done" and not is_told(deed, [entry for _, entry in found]):
            lost.append(f"{deed.name} ({deed.kind} {deed.status}): {[(e.type, e.version) for _, e in found]}")
    outcomes = Counter(deed.outcome for deed in deeds)
    audit.promise("nothing acknowledged is lost", lost, f"{outcomes['done']} done")
    audit.promise("nothing is done twice", doubled, f"{sum(deed.attempts > 1 for deed in deeds)} repeated")
    refused = f"{outcomes['refused']} refused, {outcomes['not processed']} not processed"
    audit.promise("nothing refused or called not processed is done", false, refused)


def captured(audit, submissions, deeds):
    """Every capture that was acknowledged is there, once, and none is there that nobody was promised or left open."""
    there = Counter(submission["id"] for submission in submissions if submission["status"] == "accepted")
    sent = [deed for deed in deeds if deed.kind == "capture"]
    done = [deed for deed in sent if deed.outcome == "done"]
    lost = [deed.name for deed in done if there[deed.facts["submission"]] != 1]
    audit.promise("every acknowledged capture is there exactly once", lost, f"{len(done)} captures")
    twice = [id for id, count in Counter(deed.facts["submission"] for deed in done).items() if count > 1]
    audit.promise("no two captures were told of one submission", twice)
    open_ends = sum(deed.outcome == "unknown" for deed in sent)
    more = len(there) - len(done)
    unasked = [] if 0 <= more <= open_ends else [f"{more} more than were acknowledged, {open_ends} open"]
    audit.promise("no capture is there that nobody sent", unasked, f"{len(there)} there")
    other = Counter(submission["status"] for submission in submissions) - Counter(accepted=len(there))
    audit.promise("no capture was kept as anything else", [f"{other}"] if other else [])


def is_told(deed, found):
    """Whether the feed tells exactly once of what was acknowledged."""
    types = [entry.type for entry in found]
    match deed.kind:
        case "create":
            return types.count("lead.created") == 1
        case "batch":
            return types.count("lead.created") == len(deed.facts["leads"])
        case "move":
            moves = [
                entry for entry in found if entry.type == "lead.stage_changed" and entry.note == deed.name
            ]
            return len(moves) == 1 and moves[0].lead == deed.facts["lead"]
        case "patch":
            told = [entry.version for entry in found if entry.lead == deed.facts["lead"]]
            return told == [deed.facts["version"]]
        case "capture":
            subjects = [entry.subject[1] for entry in found if entry.type == "submission.accepted"]
            return subjects == [deed.facts["submission"]]
        case _:
            return len(found) <= 1
