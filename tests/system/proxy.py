"""A TCP proxy on loopback between the gateway and a server: it delays, resets, and, where both sides
speak PostgreSQL, loses the COMMIT or its answer. One thread; every method may be called from any.
"""
import asyncio
import collections
import enum
import socket
import struct
import threading

MOVES_CHECKPOINT = b"UPDATE rowgate_checkpoint SET position"
ABORTIVE = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


class Fate(enum.Enum):
    """Of a COMMIT."""
    DELIVERED = "delivered"
    LOST = "lost"  # the connection breaks before it arrives
    UNANSWERED = "unanswered"  # it is done, and the connection breaks before the answer
    RACING = "racing"  # it is sent on while the connection breaks: nobody knows
    LATE = "late"  # the gateway sees the connection break, and the COMMIT arrives long after


class _Side(asyncio.Protocol):
    """One of a link's two connections."""

    def __init__(self, link):
        self.link = link
        self.transport = None
        self.due = 0.0

    def connection_made(self, transport):
        self.transport = transport
        self.link.ready(self)

    def data_received(self, data):
        self.link.received(self, data)

    def connection_lost(self, _error):
        self.link.lost(self)

    def send(self, data):
        """After the proxy's delay, and never before what was sent earlier."""
        loop = self.link.proxy.loop
        now = loop.time()
        if self.link.proxy.delay == 0 and self.due <= now:
            self.write(data)
            return
        self.due = max(self.due + 1e-6, now + self.link.proxy.delay)
        loop.call_at(self.due, self.write, data)

    def write(self, data):
        if self.transport and not self.transport.is_closing():
            self.transport.write(data)

    def reset(self):
        if self.transport and not self.transport.is_closing():
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, ABORTIVE)
            self.transport.abort()


class Link:
    """A connection through the proxy."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.client, self.server = _Side(self), _Side(self)
        self.early = []  # of the client, before the server's side stood
        self.buffer = bytearray()
        self.started = False  # the startup message, which has no type, is through
        self.rows = False  # COPY data went through since the last COMMIT
        self.unanswered = self.detached = False

    def ready(self, side):
        if side is self.client:
            self.proxy.links.add(self)
            self.proxy.loop.create_task(self._connect())
            return
        for data in self.early:
            self._from_client(data)
        self.early = None

    async def _connect(self):
        try:
            await self.proxy.loop.create_connection(lambda: self.server, *self.proxy.target)
        except OSError:
            self.reset()

    def received(self, side, data):
        if side is self.server:
            if self.detached or (self.unanswered and self._hides(data)):
                return
            self.client.send(data)
        elif self.early is not None:
            self.early.append(data)
        else:
            self._from_client(data)

    def _hides(self, data):
        if b"COMMIT\0" in data:  # CommandComplete: it is done
            self.reset()
        return True

    def _from_client(self, data):
        if not self.proxy.judge:
            self.server.send(data)
            return
        self.buffer += data
        while (message := self._message()) is not None:
            if message[:1] == b"d" and self.started:
                self.rows = True
            if message[:1] == b"Q" and MOVES_CHECKPOINT in message:
                fate = self.proxy.judge(self)
                self.proxy.played[fate] += 1
                self.rows = False
                if fate is not Fate.DELIVERED:
                    self._play(fate, message)
                    return
            self.server.send(message)

    def _message(self):
        """The next whole message of the client's side of PostgreSQL's protocol."""
        head = 1 if self.started else 0
        if len(self.buffer) < head + 4:
            return None
        size = head + struct.unpack_from(">I", self.buffer, head)[0]
        if len(self.buffer) < size:
            return None
        self.started = True
        message = bytes(self.buffer[:size])
        del self.buffer[:size]
        return message

    def _play(self, fate, message):
        if fate is Fate.LOST:
            self.reset()
        elif fate is Fate.UNANSWERED:
            self.unanswered = True
            self.server.send(message)
        elif fate is Fate.RACING:
            self.server.send(message)
            self.reset_client()
            self.proxy.loop.call_soon(self.server.transport.close)
        else:
            self.reset_client()
            self.proxy.loop.call_later(self.proxy.lateness, self.server.write, message)
            self.proxy.loop.call_later(self.proxy.lateness + 1.0, self.reset)

    def reset_client(self):
        """The server's side goes on alone."""
        self.detached = True
        self.client.reset()

    def reset(self):
        self.client.reset()
        self.server.reset()

    def lost(self, side):
        if self.detached and side is self.client:
            return
        other = self.server if side is self.client else self.client
        if other.transport and not other.transport.is_closing():
            other.transport.close()
        self.proxy.links.discard(self)


class Proxy:
    """`judge(link)` decides the Fate of each message that moves a checkpoint; set it before the
    connections that it is to see are made, and turn it off by answering DELIVERED."""

    def __init__(self, port, host="127.0.0.1", delay=0.0, judge=None, lateness=1.0):
        self.target = (host, port)
        self.delay = delay  # seconds, each way
        self.judge = judge
        self.lateness = lateness
        self.links = set()
        self.played = collections.Counter()  # Fate -> times
        self.loop = asyncio.new_event_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._server = self.loop.run_until_complete(
            self.loop.create_server(lambda: Link(self).client, sock=listener))
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def url(self, database):
        """Of a PostgreSQL database behind it, without encryption, so that it can read along."""
        return (f"postgresql://rowgate@127.0.0.1:{self.port}/{database}"
                "?sslmode=disable&gssencmode=disable")

    def reset(self):
        """RST on every connection."""
        def all_links():
            for link in list(self.links):
                link.reset()
        self.loop.call_soon_threadsafe(all_links)

    def close(self):
        def end():
            self._server.close()
            for link in list(self.links):
                link.reset()
            self.loop.call_soon(self.loop.stop)
        self.loop.call_soon_threadsafe(end)
        self._thread.join(10)
