"""Real processes: a server of Tandem, the database under it, and the first people in it."""

import os
import re
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

from caller import Caller, Lost, Refused

PASSWORD = "correct horse battery staple"
ADMIN = "admin@example.com"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sqlite:
    """The embedded database: a file in the server's data directory."""

    name = "sqlite"

    def __init__(self, home):
        self.home = home

    @property
    def file(self):
        return self.home / "data" / "tandem.db"

    def environment(self):
        return {}


class Postgres:
    """The fresh database of a private server that scripts/postgres started; it can be killed and started again."""

    name = "postgres"

    def __init__(self, home, url):
        self.home, self.url = Path(home), url
        self.key = secrets.token_hex(32)
        self.process = None

    def environment(self):
        return {"DATABASE_URL": self.url, "TANDEM_MASTER_KEY": self.key}

    def crash(self):
        """What `pg_ctl stop -m immediate` does; remembers how the server was started."""
        pid = int((self.home / "server/data/postmaster.pid").read_text().split()[0])
        process = Path(f"/proc/{pid}")
        self.program = os.readlink(process / "exe")
        self.arguments = (process / "cmdline").read_bytes().decode().split("\0")[1:-1]
        self.owner = process.stat()
        os.kill(pid, signal.SIGQUIT)
        if self.process:
            self.process.wait(20)
        until(lambda: is_over(process), 20, "the database stops")

    def start(self):
        """Start it again as it was started the first time."""
        as_owner = {"user": self.owner.st_uid, "group": self.owner.st_gid, "extra_groups": []}
        with open(self.home / "restarted.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, *self.arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **(as_owner if os.getuid() == 0 else {}),
            )


class Service:
    """One `tandem serve`, that may be killed and started again on the same port."""

    def __init__(self, binary, database, home, name="one"):
        self.binary, self.database, self.home, self.name = binary, database, Path(home), name
        self.port = free_port()
        self.log = self.home / f"{name}.log"
        self.process = None
        self.home.mkdir(parents=True, exist_ok=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, patience=30):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        settings = {
            "TANDEM_LISTEN": f"127.0.0.1:{self.port}",
            "TANDEM_DATA_DIR": str(self.home / "data"),
            "TANDEM_LOG": "warn",
            "TANDEM_RATE_PER_KEY": "0",
            "TANDEM_RATE_PER_FORM": "0",
            "TANDEM_RATE_PER_ADDRESS": "0",
        }
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve"],
                env={**kept, **settings, **self.database.environment()},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        begun = time.monotonic()
        while not self.is_ready():
            if self.process.poll() is not None:
                raise SystemExit(
                    f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
                )
            if time.monotonic() - begun > patience:
                raise SystemExit(
                    f"the server is not ready after {patience} s:\n{self.log.read_text()[-3000:]}"
                )
            time.sleep(0.02)
        return time.monotonic() - begun

    def is_ready(self):
        try:
            with Caller(self.port, timeout=5) as caller:
                return caller.send("GET", "/readyz").status == 200
        except (Lost, Refused):
            return False

    def kill(self):
        """kill -9: nothing is said, nothing is finished."""
        self.process.kill()
        self.process.wait()

    def terminate(self, patience=40):
        """SIGTERM: answers the exit code and the seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(patience), time.monotonic() - begun
        except subprocess.TimeoutExpired:
            self.kill()
            return None, time.monotonic() - begun

    def stop(self):
        if self.process and self.process.poll() is None:
            code, _ = self.terminate()
            return code
        return None

    def set_up(self):
        """Make the first admin with the set-up token that the start printed; answers the admin's tokens."""
        until(
            lambda: re.search(r"Set-up token:\s+(\S+)", self.log.read_text()),
            10,
            "the set-up token is printed",
        )
        token = re.findall(r"Set-up token:\s+(\S+)", self.log.read_text())[-1]
        body = {"token": token, "email": ADMIN, "name": "Ada Admin", "password": PASSWORD}
        with Caller(self.port) as caller:
            caller.send("POST", "/v1/setup", body).demand(201)
        return self.log_in(ADMIN)

    def log_in(self, email):
        with Caller(self.port) as caller:
            answer = caller.send("POST", "/v1/auth/login", {"email": email, "password": PASSWORD}).demand(200)
            return answer.body

    def complaints(self):
        """What the log says of panics and of errors, but for a database that was away or busy."""
        lines = self.log.read_text(errors="replace").splitlines()
        known = ('"code":"unavailable"', '"target":"actix_http', "the outcome of a commit is unknown")
        is_bad = lambda line: "panicked" in line or (
            '"ERROR"' in line and not any(text in line for text in known)
        )
        return [line[:400] for line in lines if is_bad(line)]


def is_over(process):
    try:
        return "Z (zombie)" in (process / "status").read_text()
    except OSError:
        return True


def until(holds, seconds, what):
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.05)
