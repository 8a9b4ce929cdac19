"""Rolling restarts behind a plain proxy: python3 tests/siege/restarts.py REQUESTS --binary PATH --postgres-url URL

Two replicas on one PostgreSQL, a proxy that looks at /readyz every half second and retries nothing, and clients with new
and with kept connections. One replica after the other is stopped by SIGTERM and started again, until as many requests were
sent. Exits 0 where none of them failed.
"""

import asyncio
import json
import time
from collections import Counter

from caller import Caller
from pair import parser, servers
from service import free_port

CLIENTS = 12
LOOK = 0.5


class Upstream:
    def __init__(self, port):
        self.port, self.is_ready, self.idle = port, True, []

    async def look(self):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n")
                self.is_ready = b" 200 " in await asyncio.wait_for(reader.readline(), 2)
                writer.close()
            except (OSError, asyncio.TimeoutError):
                self.is_ready = False
            await asyncio.sleep(LOOK)

    async def connection(self):
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)


class Proxy:
    """Takes turns among what is ready; connects to another where nobody listens; keeps connections; retries nothing else."""

    def __init__(self, ports):
        self.upstreams, self.turn = [Upstream(port) for port in ports], 0

    async def start(self, port):
        for upstream in self.upstreams:
            asyncio.ensure_future(upstream.look())
        return await asyncio.start_server(self.serve, "127.0.0.1", port)

    def in_turn(self):
        self.turn += 1
        ready = [one for one in self.upstreams if one.is_ready] or self.upstreams
        return [ready[(self.turn + n) % len(ready)] for n in range(len(ready))]

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(length_of(head))
                try:
                    answer = await self.forward(head + body)
                except (OSError, asyncio.IncompleteReadError):
                    answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
                writer.write(answer)
                await writer.drain()
                if b"connection: close" in head.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async def forward(self, request):
        for upstream in self.in_turn():
            try:
                reader, writer = await upstream.connection()
                break
            except OSError:
                continue
        else:
            raise OSError("nobody listens")
        writer.write(request.replace(b"Connection: close\r\n", b""))
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(length_of(head))
        if b"connection: close" in head.lower():
            writer.close()
        else:
            upstream.idle.append((reader, writer))
        return head.replace(b"connection: close\r\n", b"") + body


def length_of(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


async def client(number, port, key, most, outcomes):
    keeps, connection, sent = number % 2 == 0, None, 0
    while sum(outcomes.values()) < most:
        sent += 1
        if sent % 2:
            body = json.dumps({"external_id": {"system": "restarts", "id": f"{number}-{sent % 50}"}}).encode()
            first = "POST /v1/leads"
        else:
            body, first = b"", "GET /v1/leads?limit=1"
        closing = "" if keeps else "Connection: close\r\n"
        head = (
            f"{first} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer {key}\r\n{closing}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = connection
            writer.write(head.encode() + body)
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            await reader.readexactly(length_of(answer))
            outcomes[answer.split(b" ")[1].decode()] += 1
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            outcomes[type(error).__name__] += 1
            connection = None
        if connection and not keeps:
            connection[1].close()
            connection = None


async def roll(services, is_over, restarts):
    """One after the other, each waited for until it is ready."""
    while not is_over():
        for service in services:
            code, seconds = await asyncio.to_thread(service.terminate)
            restarts.append((code, seconds))
            await asyncio.to_thread(service.start)
            await asyncio.sleep(2 * LOOK)
            if is_over():
                return


async def besiege(services, key, most):
    port = free_port()
    await Proxy([service.port for service in services]).start(port)
    await asyncio.sleep(2 * LOOK)
    outcomes, restarts = Counter(), []
    rolling = asyncio.ensure_future(roll(services, lambda: sum(outcomes.values()) >= most, restarts))
    await asyncio.gather(*(client(number, port, key, most, outcomes) for number in range(CLIENTS)))
    await rolling
    return outcomes, restarts


def main():
    asked = parser("restarts", "requests").parse_args()
    with servers(asked) as (services, _):
        services[0].start()
        token = services[0].set_up()["access_token"]
        services[1].start()
        with Caller(services[0].port, token) as admin:
            asked_for = {"name": "restarts", "scopes": ["leads:read", "leads:write"]}
            key = admin.send("POST", "/v1/api-keys", asked_for).demand(201).body["secret"]
        begun = time.monotonic()
        outcomes, restarts = asyncio.run(besiege(services, key, asked.requests))
        seconds = time.monotonic() - begun
    failed = {outcome: n for outcome, n in outcomes.items() if outcome not in ("200", "201")}
    codes = Counter(code for code, _ in restarts)
    print(f"{sum(outcomes.values())} requests in {seconds:.0f} s, {len(restarts)} restarts (codes {dict(codes)})")
    print(f"failed: {failed or 'none'}")
    raise SystemExit(1 if failed or set(codes) - {0} else 0)


main()
