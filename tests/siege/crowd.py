"""A crowd of hostile connections: python3 tests/siege/crowd.py SECONDS --binary PATH [--connections 5000]

For each kind of hostile client as many connections are held open, and opened again where the server closes them, while a
healthy client asks for /livez and sends a form. Prints their latencies beside those without a crowd, and how many
connections were open at most; exits 0 where no healthy request failed or took longer than a second.
"""

import argparse
import asyncio
import json
import resource
import shutil
import socket
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from caller import Caller
from service import Service, Sqlite

HEAD = "POST /v1/leads HTTP/1.1\r\nHost: crowd\r\nContent-Type: application/json\r\n"
# What each kind sends first, and then drips.
KINDS = {
    "says nothing": ("", ""),
    "drips its head": ("GET /livez HTTP/1.1\r\n", "x: y\r\n"),
    "drips its second head": ("GET /livez HTTP/1.1\r\nHost: crowd\r\n\r\nGET /livez HTTP/1.1\r\n", "x: y\r\n"),
    "drips a body in chunks": (HEAD + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
    "drips chunks to what refuses": (
        "POST /v1/imports?kind=leads HTTP/1.1\r\nHost: crowd\r\nTransfer-Encoding: chunked\r\n\r\n",
        "1\r\n \r\n",
    ),
    "drips a body of a length": (HEAD + "Content-Length: 100000\r\n\r\n", " "),
    "reads no answer": ("GET /openapi.json HTTP/1.1\r\nHost: crowd\r\n\r\n" * 8, ""),
}


class Crowd:
    def __init__(self, port, kind, size):
        self.port, self.size = port, size
        self.first, self.drop = (text.encode() for text in KINDS[kind])
        self.open, self.most, self.closed, self.refused = 0, 0, 0, 0
        self.tasks = []

    async def gather(self):
        for number in range(self.size):
            self.tasks.append(asyncio.ensure_future(self.member()))
            if number % 50 == 0:
                await asyncio.sleep(0.005)

    async def member(self):
        loop = asyncio.get_running_loop()
        while True:
            gone = loop.create_future()
            try:
                transport, _ = await loop.create_connection(lambda: Member(gone), "127.0.0.1", self.port)
            except OSError:
                self.refused += 1
                await asyncio.sleep(0.5)
                continue
            self.open += 1
            self.most = max(self.most, self.open)
            if not self.drop and self.first:
                transport.pause_reading()
            transport.write(self.first)
            while not gone.done():
                await asyncio.wait([gone], timeout=1)
                if self.drop and not gone.done():
                    transport.write(self.drop)
            transport.abort()
            self.open -= 1
            self.closed += 1
            await asyncio.sleep(0.2)

    def leave(self):
        for task in self.tasks:
            task.cancel()


class Member(asyncio.Protocol):
    def __init__(self, gone):
        self.gone = gone

    def connection_lost(self, _):
        if not self.gone.done():
            self.gone.set_result(None)


def healthy(port, form, seconds):
    """The seconds of each request: on a connection of its own, as of visitors. In a process of its own, which the crowd
    does not delay."""
    taken, failed, begun, number = {"livez": [], "capture": []}, [], time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        number += 1
        for name in taken:
            body = json.dumps({"fields": {"email": f"visitor{number}@example.com"}}) if name == "capture" else ""
            first = f"POST /v1/capture/{form}" if name == "capture" else "GET /livez"
            request = (
                f"{first} HTTP/1.1\r\nHost: healthy\r\nContent-Type: application/json\r\nConnection: close\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            )
            at = time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", port), 10) as connection:
                    connection.sendall(request.encode())
                    status = connection.makefile("rb").readline().split(b" ")[1]
                if status not in (b"200", b"201"):
                    failed.append(f"{name} {status}")
            except (OSError, IndexError) as error:
                failed.append(f"{name} {error!r}")
            taken[name].append(time.monotonic() - at)
        time.sleep(0.02)
    return taken, failed


def latencies(taken):
    at = lambda values, share: sorted(values)[int(len(values) * share)] * 1000
    return ", ".join(
        f"{name} p50 {statistics.median(values) * 1000:.1f} ms p99 {at(values, 0.99):.1f} ms"
        for name, values in taken.items()
    )


async def besiege(port, form, asked, visitor):
    measured = lambda: asyncio.get_running_loop().run_in_executor(visitor, healthy, port, form, asked.seconds)
    taken, failed = await measured()
    print(f"  {'nobody else':32} {latencies(taken)}")
    bad = list(failed)
    for kind in [kind for kind in KINDS if asked.kind in kind]:
        crowd = Crowd(port, kind, asked.connections)
        await crowd.gather()
        taken, failed = await measured()
        counts = f"{crowd.most} open at most, {crowd.closed} closed, {crowd.refused} refused"
        print(f"  {kind:32} {latencies(taken)}; {counts}; failed {failed[:3] or 'none'}", flush=True)
        bad += failed + [f"{kind}: {name}" for name, values in taken.items() if max(values) > 1]
        crowd.leave()
        await asyncio.sleep(1)
    return bad


def main():
    read = argparse.ArgumentParser()
    read.add_argument("seconds", type=int)
    read.add_argument("--binary", required=True)
    read.add_argument("--connections", type=int, default=5000)
    read.add_argument("--kind", default="", help="only the kinds with this text in their names")
    asked = read.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    home = Path(tempfile.mkdtemp(prefix="tandem-crowd."))
    service = Service(asked.binary, Sqlite(home), home)
    try:
        service.start()
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        token = service.set_up()["access_token"]
        with Caller(service.port, token) as admin:
            email = {"name": "email", "label": "E-mail", "type": "email", "required": True, "maps_to": "email"}
            form = {"name": "Crowd", "fields": [email], "allowed_origins": []}
            form = admin.send("POST", "/v1/forms", form).demand(201).body["key"]
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as visitor:
            bad = asyncio.run(besiege(service.port, form, asked, visitor))
    finally:
        service.stop()
        shutil.rmtree(home, ignore_errors=True)
    print("the healthy client keeps its pace" if not bad else f"THE HEALTHY CLIENT SUFFERS: {bad[:5]}")
    raise SystemExit(1 if bad else 0)


main()
