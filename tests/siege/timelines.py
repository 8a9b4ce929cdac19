"""Other timelines: python3 tests/siege/timelines.py --binary PATH --programs DIR [--account NAME]

A follower of the change feed has seen what the database then loses: by a failover to a standby that had not got it, by a
base backup, by a dump that is restored on a server whose transaction numbers lie between, by a restored SQLite backup. Its
cursor must be refused with one to read again from, and from there everything that is written afterwards must come. Exits 0
where nothing was skipped. DIR holds initdb, pg_ctl and pg_basebackup; ACCOUNT runs them, where this is root.
"""

import argparse
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from caller import Caller
from service import Service, Sqlite, free_port

SHARED, LOST, NEW = 20, 30, 60


class Cluster:
    """A PostgreSQL server of its own."""

    def __init__(self, tools, folder):
        self.tools, self.folder, self.port = tools, folder, free_port()

    def make(self):
        self.tools.run("initdb", "-D", self.folder, "-U", "tandem", "-A", "trust", "--encoding", "UTF8", "-N")
        self.configure("wal_level = replica\nmax_wal_senders = 4\n")
        return self

    def configure(self, more=""):
        with open(self.folder / "postgresql.conf", "a") as conf:
            conf.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                f"fsync = off\nhot_standby = on\n{more}"
            )

    def start(self):
        self.tools.run("pg_ctl", "-D", self.folder, "-w", "-l", self.folder / "log", "start")
        return self

    def stop(self, how="fast"):
        self.tools.run("pg_ctl", "-D", self.folder, "-w", "-m", how, "stop")

    def sql(self, statement, database="tandem"):
        return self.tools.run("psql", *self.at(database), "-Atc", statement)

    def at(self, database):
        return "-h", "127.0.0.1", "-p", str(self.port), "-U", "tandem", "-d", database

    def copy(self, name, *more):
        other = Cluster(self.tools, self.folder.parent / name)
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "tandem")
        self.tools.run("pg_basebackup", *where, "-D", other.folder, "-X", "stream", "-c", "fast", *more)
        other.configure()
        return other


class Tools:
    def __init__(self, programs, account):
        self.programs, self.account = Path(programs), account

    def run(self, program, *arguments):
        own = self.account and os.getuid() == 0
        at = {"user": self.account, "group": pwd.getpwnam(self.account).pw_gid} if own else {}
        path = self.programs / program if (self.programs / program).exists() else program
        done = subprocess.run(
            [str(path), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", **at
        )
        if done.returncode:
            raise SystemExit(f"{program}: {done.stdout.decode()[-2000:]}")
        return done.stdout.decode().strip()


class Address:
    """Where the service finds its database, whichever server that is now."""

    name = "postgres"

    def __init__(self, target):
        self.target, self.key, self.sockets = target, secrets.token_hex(32), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def environment(self):
        port = self.listener.getsockname()[1]
        return {"DATABASE_URL": f"postgres://tandem@127.0.0.1:{port}/tandem", "TANDEM_MASTER_KEY": self.key}

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.target.port))
            except OSError:
                near.close()
                continue
            self.sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.pass_on, args=(one, other), daemon=True).start()

    def pass_on(self, one, other):
        try:
            while piece := one.recv(1 << 16):
                other.sendall(piece)
        except OSError:
            pass
        for ended in (one, other):
            try:
                ended.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def move(self, target):
        self.target = target
        for ended in self.sockets:
            try:
                ended.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.sockets = []


class Follower:
    def __init__(self, service, key):
        self.service, self.key, self.cursor = service, key, None
        self.expected, self.was_refused = set(), False

    def read(self, wanted):
        """Read on until so many of the expected leads have come; answers how many did within 20 seconds."""
        seen, until = set(), time.monotonic() + 20
        while time.monotonic() < until and len(seen) < wanted:
            after = f"&after={self.cursor}" if self.cursor else ""
            with Caller(self.service.port, self.key) as caller:
                answer = caller.send("GET", f"/v1/changes?limit=50&wait=1s{after}")
            if answer.status == 409 and answer.code == "cursor_ahead":
                self.cursor, self.was_refused = answer.body["cursor"], True
                continue
            if answer.status == 503:
                time.sleep(0.2)
                continue
            answer.demand(200)
            self.cursor = answer.body["next_cursor"]
            news = [one["subject"]["id"] for one in answer.body["data"] if one["type"] == "lead.created"]
            seen |= self.expected.intersection(news)
        return len(seen)


def write(service, key, count, name):
    made = set()
    with Caller(service.port, key) as caller:
        for number in range(count):
            body = {"external_id": {"system": name.replace(" ", "-"), "id": str(number)}}
            until = time.monotonic() + 20
            while (answer := caller.send("POST", "/v1/leads", body)).status == 503 and time.monotonic() < until:
                time.sleep(0.2)
            made.add(answer.demand(200, 201).body["id"])
    return made


def story(name, service, key, copy, lose):
    """What is shared, the copy, what is lost, the loss, what is new: all of that must be seen."""
    follower = Follower(service, key)
    follower.expected = write(service, key, SHARED, f"{name} shared")
    assert follower.read(SHARED) == SHARED
    copied = copy()
    # The copy is older than the minute from which a follower has to read again.
    follower.expected = write(service, key, LOST, f"{name} lost")
    assert follower.read(LOST) == LOST
    lose(copied)
    follower.expected = write(service, key, NEW, f"{name} new")
    seen = follower.read(NEW)
    print(f"  {name}: {seen} of {NEW} new entries were shown; cursor refused: {follower.was_refused}", flush=True)
    return seen == NEW and follower.was_refused


def with_key(service):
    token = service.set_up()["access_token"]
    with Caller(service.port, token) as admin:
        asked = {"name": "follower", "scopes": ["leads:read", "leads:write", "changes:read"]}
        return admin.send("POST", "/v1/api-keys", asked).demand(201).body["secret"]


def on_postgres(asked, home, tools, name, copy, lose):
    primary = Cluster(tools, home / name).make().start()
    primary.sql("CREATE DATABASE tandem", "postgres")
    address = Address(primary)
    service = Service(asked.binary, address, home / f"{name} service")
    clusters = [primary]
    try:
        service.start()
        key = with_key(service)
        return story(
            name, service, key, lambda: copy(primary, clusters), lambda copied: lose(primary, copied, address, service)
        )
    finally:
        service.stop()
        for cluster in clusters:
            try:
                cluster.stop("immediate")
            except SystemExit:
                pass


def failover(asked, home, tools):
    def copy(primary, clusters):
        standby = primary.copy("standby", "-R").start()
        clusters.append(standby)
        time.sleep(1)
        # It is away while the primary goes on.
        standby.stop()
        return standby

    def lose(primary, standby, address, _):
        primary.stop("immediate")
        standby.start()
        tools.run("pg_ctl", "-D", standby.folder, "-w", "promote")
        address.move(standby)

    return on_postgres(asked, home, tools, "failover", copy, lose)


def base_backup(asked, home, tools):
    def copy(primary, clusters):
        clusters.append(primary.copy("backup"))
        return clusters[-1]

    def lose(primary, backup, address, _):
        primary.stop("immediate")
        address.move(backup.start())

    return on_postgres(asked, home, tools, "base backup", copy, lose)


def dump(asked, home, tools):
    def copy(primary, clusters):
        file = home / "dump.sql"
        file.write_text(tools.run("pg_dump", *primary.at("tandem")))
        other = Cluster(tools, home / "restored").make().start()
        clusters.append(other)
        other.sql("CREATE DATABASE tandem", "postgres")
        return other, file, int(primary.sql("SELECT pg_current_xact_id()"))

    def lose(primary, copied, address, _):
        other, file, copied_at = copied
        lost_at = int(primary.sql("SELECT pg_current_xact_id()"))
        tools.run("psql", *other.at("tandem"), "-q", "-f", file)
        between = (copied_at + lost_at) // 2
        while int(other.sql("SELECT pg_current_xact_id()")) < between:
            pass
        primary.stop("immediate")
        address.move(other)

    return on_postgres(asked, home, tools, "dump", copy, lose)


def sqlite_backup(asked, home):
    database = Sqlite(home / "sqlite")
    service = Service(asked.binary, database, home / "sqlite")
    service.start()
    key = with_key(service)
    copied = home / "copy.db"

    def copy():
        environment = {"TANDEM_DATA_DIR": str(home / "sqlite" / "data")}
        subprocess.run([asked.binary, "backup", str(copied)], check=True, env=environment, stdout=subprocess.DEVNULL)
        return copied

    def lose(copied):
        service.kill()
        for file in (home / "sqlite" / "data").glob("tandem.db*"):
            file.unlink()
        shutil.copy(copied, home / "sqlite" / "data" / "tandem.db")
        service.start()

    try:
        return story("sqlite backup", service, key, copy, lose)
    finally:
        service.stop()


def main():
    read = argparse.ArgumentParser()
    read.add_argument("--binary", required=True)
    read.add_argument("--programs", required=True)
    read.add_argument("--account", default="")
    asked = read.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    home = Path(tempfile.mkdtemp(prefix="tandem-timelines."))
    home.chmod(0o777)
    tools = Tools(asked.programs, asked.account)
    try:
        held = [sqlite_backup(asked, home)]
        held += [one(asked, home, tools) for one in (failover, base_backup, dump)]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print("nothing is skipped" if all(held) else "ENTRIES WERE SKIPPED")
    raise SystemExit(0 if all(held) else 1)


main()
