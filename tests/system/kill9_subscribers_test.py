"""kill -9 at random moments, with subscribers whose sessions are durable: at QoS 1 they miss nothing
that was acknowledged to its publisher, at QoS 2 they get each message once and in its publisher's
order, a shared subscription's members get all of it among them; retained messages and wills are as
they were (docs/guarantees.md).

ROWGATE_KILL_ROUNDS sets the rounds (default 50), ROWGATE_SEED repeats a run.
"""
import collections
import json
import os
import random
import struct
import time

import harness
import publisher as mqtt
from publisher import Publisher, PublisherThread
from subscriber import Subscriber, SubscriberThread

ROUNDS = int(os.environ.get("ROWGATE_KILL_ROUNDS", "50"))
LEG = 50  # rounds between two comparisons of all books; then they are closed, so that they stay small


def source(device, qos):
    def message(seq):
        padding = "x" * (seq % 7 * 40)
        return (f"kill/{device}/{'odd' if seq % 2 else 'even'}",
                json.dumps({"d": device, "n": seq, "pad": padding}).encode(), qos)
    return message


def book_key(delivery):
    """(publisher, its sequence number)"""
    message = json.loads(delivery.payload)
    return message["d"], message["n"]


def problems(subscriber, publishers, floor=None):
    """What the books of a durable subscriber say against the server; empty: nothing. `floor`: the
    first sequence number of each publisher in these books."""
    found = []
    for publisher in publishers:
        name, qos = publisher.client_id, publisher.source(0)[2]
        first = floor[name] if floor else 0
        numbers = [n for device, n in subscriber.got if device == name and n >= first]
        lost = sorted(publisher.promised - set(numbers))
        if lost:
            found.append(f"{len(lost)} acknowledged messages of {name} are lost: {lost[:10]}")
        invented = sorted(set(numbers) - set(range(publisher.next_seq)))
        if invented:
            found.append(f"{name} never sent {invented[:10]}")
        if min(qos, subscriber.qos) == 2:
            twice = [n for n in numbers if subscriber.times[(name, n)] > 1]
            twice += [n for device, n in subscriber.got if device == name and n < first]
            if twice:
                found.append(f"{name}: {len(twice)} came more than once: {twice[:10]}")
        # First arrivals; at QoS 2 these are all arrivals.
        firsts = list(dict.fromkeys(numbers))
        if firsts != sorted(firsts):
            at = next(i for i in range(1, len(firsts)) if firsts[i] < firsts[i - 1])
            found.append(f"{name}: {firsts[at]} came after {firsts[at - 1]}")
    return found


class KillSubscribersTest(harness.SqliteCase):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("ROWGATE_SEED", random.SystemRandom().randrange(1 << 32)))
        self.random = random.Random(self.seed)
        self.node = self.gateway(self.database)
        self.node.start()

    # --- subscribers of their own, and shared ones

    def test_durable_subscribers_miss_nothing_and_qos2_comes_once(self):
        print(f"ROWGATE_SEED={self.seed} ROWGATE_KILL_ROUNDS={ROUNDS}", flush=True)
        begun = time.monotonic()
        self.own = [self.subscriber(f"sub-q{qos}v{version}", "kill/+/+", qos, version)
                    for qos in (1, 2) for version in (4, 5)]
        # Two members that come back, and one that leaves its messages to them each time.
        self.shared = [self.subscriber(f"member-{version}-{durable}", "$share/crew/kill/#", 1,
                                       version, durable)
                       for version, durable in ((4, True), (5, True), (5, False))]
        self.publishers = [
            Publisher(f"q{qos}v{version}", self.node.mqtt_port, source(f"q{qos}v{version}", qos),
                      version, window=24) for qos, version in ((1, 5), (2, 4), (2, 5))]
        self.floor = dict.fromkeys((p.client_id for p in self.publishers), 0)
        self.deliveries = collections.Counter()
        for first in range(0, ROUNDS, LEG):
            self.leg(range(first, min(first + LEG, ROUNDS)))
            self.close_books()
            self.report(min(first + LEG, ROUNDS), time.monotonic() - begun)

    def subscriber(self, name, topic_filter, qos, version, durable=True):
        return Subscriber(name, self.node.mqtt_port, topic_filter, qos, version, durable, book_key)

    def leg(self, rounds):
        subscribers = [SubscriberThread(one, random.Random(self.random.random()), drop_rate)
                       for some, drop_rate in ((self.own, 0.7), (self.shared, 1.5))
                       for one in some]
        for thread in subscribers:
            thread.start()
        for thread in subscribers:
            self.assertTrue(thread.ready.wait(20), f"{thread.subscriber.client_id}: no SUBACK")
        publishers = [PublisherThread(one, random.Random(self.random.random()), drop_rate=0.5,
                                      rate=120) for one in self.publishers]
        for thread in publishers:
            thread.start()
        for number in rounds:
            self.round(number)
        self.node.wait_ready()
        for thread in publishers:
            thread.finish()
        for thread in subscribers:
            thread.calm = True
        try:
            harness.wait_until(self.all_arrived, "all has arrived", 40, interval=0.1)
        except AssertionError:
            pass  # what is missing is said below, by name
        for thread in subscribers:
            thread.stop()
        self.check(len(rounds))

    def round(self, number):
        # Mostly while it works, sometimes while it starts and recovers.
        if number % 5 == 4:
            time.sleep(self.random.uniform(0, 0.08))
        else:
            self.node.wait_ready()
            time.sleep(self.random.uniform(0.05, 0.6))
        self.assertTrue(self.node.running, f"it ended by itself:\n{self.node.log()[-3000:]}")
        self.node.kill()
        self.node.launch()

    def all_arrived(self):
        every = {(p.client_id, n) for p in self.publishers for n in set(p.promised)}
        among = set().union(*(set(list(one.times)) for one in self.shared))
        return every <= among and all(every <= set(list(one.times)) for one in self.own)

    def check(self, rounds):
        violations = [f"{one.client_id}: {v}" for one in self.own + self.shared + self.publishers
                      for v in one.violations]
        self.assertEqual(violations, [], f"seed {self.seed}")
        for one in self.own:
            self.assertEqual(problems(one, self.publishers, self.floor), [],
                             f"{one.client_id}; seed {self.seed}")
        among = set().union(*(set(one.times) for one in self.shared))
        for publisher in self.publishers:
            self.assertGreater(len(publisher.promised), rounds, "too few to prove anything")
            lost = sorted(n for n in publisher.promised if (publisher.client_id, n) not in among)
            self.assertEqual(lost[:10], [], f"{len(lost)} acknowledged messages of "
                             f"{publisher.client_id} reached no member; seed {self.seed}")

    def close_books(self):
        for one in self.own + self.shared:
            self.deliveries[one.client_id] += len(one.got)
            for book in (one.got, one.times, one.deliveries):
                book.clear()
        for one in self.publishers:
            self.floor[one.client_id] = one.next_seq
            for book in (one.promised, one.completed, one.transmissions):
                book.clear()

    def report(self, rounds, seconds):
        """One line a leg; the last one says it all."""
        everybody = self.own + self.shared
        print(f"proof: {type(self).__name__}: {rounds} rounds of kill -9, "
              f"{sum(p.next_seq for p in self.publishers)} messages published, "
              f"{sum(self.deliveries.values())} deliveries to {len(everybody)} subscribers over "
              f"{sum(one.connections for one in everybody)} connections, 0 missed, 0 twice at QoS 2 "
              f"({sum(one.repeated for one in everybody)} sent again and recognised), "
              f"{seconds:.0f} s, seed {self.seed}", flush=True)

    # --- that the books would notice

    def cut_before_pubrec(self, fault):
        """One QoS 2 message whose PUBREC never leaves; the subscriber after the gateway's restart
        and the message's end."""
        subscriber = Subscriber(f"cut-{fault}", self.node.mqtt_port, "kill/+/+", 2, 5, True,
                                book_key, fault=fault)
        subscriber.connect()
        subscriber.wait_subscribed()
        publisher = Publisher("writer", self.node.mqtt_port, source("writer", 2), 5)
        publisher.publish(1)
        harness.wait_until(lambda: subscriber.read(0.1, answer=False) or subscriber.got, "PUBLISH")
        subscriber.disconnect()
        self.node.kill()
        self.node.start()
        publisher.connect()
        publisher.publish(19)
        subscriber.connect()
        harness.wait_until(
            lambda: subscriber.read(0.1) or (len(subscriber.times) >= (
                19 if fault == "loses" else 20) and not subscriber.unreleased), "all of them")
        subscriber.disconnect()
        publisher.disconnect()
        return problems(subscriber, [publisher])

    def test_a_message_whose_pubrec_was_cut_off_comes_again_and_counts_once(self):
        self.assertEqual(self.cut_before_pubrec(None), [])

    def test_the_books_notice_a_client_that_forgets_its_packet_ids(self):
        found = self.cut_before_pubrec("forgets")
        self.assertIn("came more than once: [0", str(found))

    def test_the_books_notice_a_message_that_is_lost(self):
        found = self.cut_before_pubrec("loses")
        self.assertIn("1 acknowledged messages of writer are lost", str(found))

    # --- retained messages and wills

    def test_retained_messages_survive_as_they_were_acknowledged(self):
        expected = {}
        wire = mqtt.session(self.node.mqtt_port, "keeper", 5, clean=False)
        for number in range(max(4, ROUNDS // 5)):
            for packet_id in range(1, 6):
                topic = f"kept/{self.random.randrange(6)}"
                payload = b"" if self.random.random() < 0.25 else f"{number}/{packet_id}".encode()
                wire.send(mqtt.publish_packet(topic, payload, 1, packet_id, retain=True,
                                              version=5))
                self.assertEqual(wire.receive()[0], mqtt.PUBACK)
                expected.pop(topic, None)
                if payload:
                    expected[topic] = payload
            self.node.kill()
            self.node.start()
            self.assertEqual(self.retained(len(expected)), expected, f"seed {self.seed}")
            wire = mqtt.session(self.node.mqtt_port, "keeper", 5, clean=False)

    def retained(self, count):
        """{topic: payload} as a new subscriber gets them; and nothing comes behind them."""
        subscriber = Subscriber("reader", self.node.mqtt_port, "kept/#", 1, 5, durable=False)
        subscriber.connect()
        subscriber.wait_subscribed()
        subscriber.take(count)
        # The gateway's messages to one client are in order: what it sends after this one is none
        # of the retained ones.
        probe = Publisher("probe", self.node.mqtt_port, lambda seq: ("kept/probe", b"probe", 1), 5)
        probe.publish(1)
        probe.disconnect()
        last = subscriber.take(count + 1)[-1]
        subscriber.disconnect()
        self.assertEqual((last.topic, last.retain), ("kept/probe", False))
        found = subscriber.deliveries[:-1]
        self.assertTrue(all(one.retain for one in found))
        return {one.topic: one.payload for one in found}

    def will_client(self, name, delay=0):
        """A connected 5.0 client with a session that is kept and a QoS 1 will."""
        body = mqtt.text("MQTT") + bytes([5, 0x04 | 1 << 3]) + struct.pack(">H", 0)
        properties = b"\x11" + struct.pack(">I", 3600)
        body += mqtt.varint(len(properties)) + properties + mqtt.text(name)
        will = b"\x18" + struct.pack(">I", delay) if delay else b""
        body += mqtt.varint(len(will)) + will
        body += mqtt.text(f"gone/{name}") + mqtt.text(b"away")
        wire = mqtt.Wire(self.node.mqtt_port)
        wire.send(mqtt.packet(mqtt.CONNECT, 0, body))
        answer = wire.receive()
        self.assertEqual((answer[0], answer[2][1]), (mqtt.CONNACK, 0))
        return wire

    @staticmethod
    def wait_for(subscriber, name):
        """Reads until a message of this name came; others may come twice at QoS 1."""
        harness.wait_until(lambda: subscriber.times[name] or subscriber.read(0.1), name)

    def test_wills_are_published_after_kill_9_and_become_rows(self):
        watcher = Subscriber("watcher", self.node.mqtt_port, "gone/+", 1, 5,
                             key=lambda delivery: delivery.topic)
        watcher.connect()
        watcher.wait_subscribed()
        leaving = self.will_client("leaves-first")
        dying = self.will_client("dies")
        polite = self.will_client("polite")
        returning = self.will_client("returns", delay=60)
        polite.send(mqtt.packet(mqtt.DISCONNECT, 0, b"\0\0"))
        self.assertTrue(polite.closed())
        leaving.close()
        watcher.take(1)
        self.node.kill()
        self.node.start()
        back = self.will_client("returns", delay=60)  # in time: its first will is void
        watcher.connect()
        self.wait_for(watcher, "gone/dies")
        # Nothing but these two: "dies" lost its connection with the gateway.
        probe = Publisher("probe", self.node.mqtt_port, lambda seq: ("gone/probe", b"", 1), 5)
        probe.publish(1)
        self.wait_for(watcher, "gone/probe")
        self.assertEqual(set(watcher.got), {"gone/leaves-first", "gone/dies", "gone/probe"})
        self.node.wait_drained()
        topics = self.database.rows("SELECT DISTINCT topic FROM telemetry WHERE topic LIKE 'gone/%'"
                                    " ORDER BY topic")
        self.assertEqual([row[0] for row in topics],
                         ["gone/dies", "gone/leaves-first", "gone/probe"])
        for one in (dying, returning, back, watcher.wire):
            one.close()


if __name__ == "__main__":
    harness.main()
