"""SIGTERM with requests in flight: each is answered, and the process ends with 0 within 30 s."""

import json
import socket
import threading
import time

from caller import Caller, Lost, Refused


def finishes_what_runs(audit, service, field):
    slow = [SlowRequest(service.port, field, number) for number in range(8)]
    feed = Waiting(service.port, field.key)
    idle = [Caller(service.port) for _ in range(4)]
    for caller in idle:
        caller.send("GET", "/livez").demand(200)
    time.sleep(0.5)
    ended = {}
    stop = threading.Thread(target=lambda: ended.update(zip(("code", "seconds"), service.terminate())))
    stop.start()
    time.sleep(0.7)
    refused = meanwhile(service)
    answers = [request.finish() for request in slow]
    feed.thread.join(40)
    stop.join(60)
    wrong = [answer for answer in answers if not answer.startswith(b"HTTP/1.1 201")]
    audit.promise(
        "requests in flight are finished after SIGTERM",
        [line[:120] for line in wrong],
        f"{len(slow)} requests",
    )
    audit.promise(
        "a waiting follower is answered after SIGTERM",
        [] if feed.status in (200, 503) else [feed.status],
        f"{feed.status} after {feed.seconds:.2f} s",
    )
    audit.promise(
        "who comes after SIGTERM is told so", [refused] if refused in (200, "lost") else [], str(refused)
    )
    told = f"code {ended.get('code')} after {ended.get('seconds', 0):.2f} s"
    audit.promise(
        "SIGTERM ends with 0 within 30 s",
        [] if ended.get("code") == 0 and ended["seconds"] < 30 else [told],
        told,
    )
    for caller in idle:
        caller.close()


def meanwhile(service):
    """What a load balancer is told while the service stops."""
    try:
        with Caller(service.port, timeout=5) as caller:
            return caller.send("GET", "/readyz").status
    except Refused:
        return "refused"
    except Lost:
        return "lost"


class SlowRequest:
    """A request whose second half comes only after the signal."""

    def __init__(self, port, field, number):
        lead = {"external_id": {"system": "siege", "id": f"last-{number}"}, "last_name": "Late"}
        body = json.dumps(lead).encode()
        head = f"POST /v1/leads HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {field.key}\r\n"
        head += f"X-On-Behalf-Of: {field.admin}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket = socket.create_connection(("127.0.0.1", port), 40)
        self.socket.sendall(head.encode() + body[:20])
        self.rest = body[20:]

    def finish(self):
        try:
            self.socket.sendall(self.rest)
            return self.socket.recv(65536)
        except OSError as error:
            return repr(error).encode()
        finally:
            self.socket.close()


class Waiting:
    """A follower that waits at the end of the feed."""

    def __init__(self, port, key):
        self.status, self.seconds = "no answer", 0.0
        self.thread = threading.Thread(target=self.ask, args=(port, key), daemon=True)
        self.thread.start()

    def ask(self, port, key):
        begun = time.monotonic()
        try:
            with Caller(port, key, timeout=60) as caller:
                self.status = caller.send("GET", "/v1/changes?after=latest&wait=30s").status
        except (Lost, Refused) as failure:
            self.status = repr(failure)
        self.seconds = time.monotonic() - begun
