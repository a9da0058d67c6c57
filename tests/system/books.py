"""What publishers were promised against what SQL holds, over all tables a message can end up in.

A long run is checked in legs: at the end of one nothing is in flight, its messages are compared one
by one, and from then on only counted. So the books stay as small as one leg, however long the run.
"""
import collections
import json

NOWHERE = 41  # seq % NOWHERE == 7: no mapping takes it
WRONG = 29  # seq % WRONG == 3: a mapping takes it and cannot make a row

MAPPING = """
[[mapping]]
name = "kill"
topic = "kill/{device}/{kind}"
table = "kill9"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
kind = { topic = "kind", type = "text" }
n = { from = "/n", type = "bigint", required = true }
v = { from = "/v", type = "double" }
qos = { meta = "qos", type = "bigint" }
"""


def source(device, qos):
    """Most messages become rows; some have a payload that does not fit, some no mapping."""
    def message(seq):
        if seq % NOWHERE == 7:
            return f"nowhere/{device}", json.dumps({"n": seq}).encode(), qos
        value = "many" if seq % WRONG == 3 else seq * 0.5
        padding = "x" * (seq % 7 * 50)
        return (f"kill/{device}/{'odd' if seq % 2 else 'even'}",
                json.dumps({"n": seq, "v": value, "pad": padding}).encode(), qos)
    return message


class Books:
    """The publishers of source() and their database. Not thread-safe: between two legs only."""

    def __init__(self, database, publishers):
        self.database, self.publishers = database, publishers
        self.floor = dict.fromkeys((p.client_id for p in publishers), 0)
        self.settled = dict.fromkeys(self.floor, 0)  # rows of the messages below the floor
        self.published = self.rows = self.lost = self.twice = self.resent = 0

    def _stored(self):
        """{device: Counter of the sequence numbers from its floor on}, {device: rows below it}"""
        seen = {device: collections.Counter() for device in self.floor}
        below = collections.Counter()
        for device, floor in self.floor.items():
            rows = self.database.rows("SELECT n FROM kill9 WHERE device = %s AND n >= %s",
                                      (device, floor))
            seen[device].update(n for (n,) in rows)
            below[device] = self.database.rows(
                "SELECT count(*) FROM kill9 WHERE device = %s AND n < %s", (device, floor))[0][0]
        for table in ("rowgate_dead_letter", "rowgate_unmapped"):
            for device, payload in self.database.rows(f"SELECT client_id, payload FROM {table}"):
                if device not in seen:
                    continue
                n = json.loads(payload)["n"]
                if n < self.floor[device]:
                    below[device] += 1
                else:
                    seen[device][n] += 1
        return seen, below

    def problems(self):
        """Everything that the books say against the database; empty: nothing."""
        stored, below = self._stored()
        found = []
        for publisher in self.publishers:
            name = publisher.client_id
            found += [f"{name}: {what}" for what in self._problems(publisher, stored[name])]
            if below[name] != self.settled[name]:
                found.append(f"{name}: {self.settled[name]} rows of earlier legs became "
                             f"{below[name]}")
        wrong = self.database.rows(
            f"SELECT count(*) FROM kill9 WHERE n % {NOWHERE} = 7 OR n % {WRONG} = 3")[0][0]
        if wrong:
            found.append(f"{wrong} rows of messages that belong into other tables")
        return found

    def _problems(self, publisher, seen):
        floor, qos = self.floor[publisher.client_id], publisher.source(0)[2]
        known = publisher.sent_qos0 if qos == 0 else set(range(floor, publisher.next_seq))
        found = []
        if invented := sorted(set(seen) - known):
            found.append(f"{len(invented)} stored that nobody sent: {invented[:10]}")
        if lost := sorted(publisher.promised - set(seen)):
            self.lost += len(lost)
            found.append(f"{len(lost)} acknowledged messages are lost: {lost[:10]}")
        # At QoS 1 the device's own re-send may make another row, and nothing else may.
        twice = sorted(n for n, times in seen.items()
                       if times > (publisher.transmissions[n] if qos == 1 else 1))
        if twice:
            self.twice += len(twice)
            found.append(f"{len(twice)} stored more often than QoS {qos} allows: {twice[:10]}")
        if qos and publisher.completed != known:
            found.append(f"not all came to an end: {sorted(known ^ publisher.completed)[:10]}")
        return found

    def settle(self):
        """The leg is over and checked: from here on its messages are only counted."""
        stored, below = self._stored()
        for publisher in self.publishers:
            name = publisher.client_id
            self.settled[name] = below[name] + sum(stored[name].values())
            self.published += publisher.next_seq - self.floor[name]
            self.resent += sum(times - 1 for times in publisher.transmissions.values())
            self.floor[name] = publisher.next_seq
            for book in (publisher.promised, publisher.completed, publisher.sent_qos0,
                         publisher.transmissions):
                book.clear()
        self.rows += sum(sum(counter.values()) for counter in stored.values())

    def emptied(self):
        """The tables were emptied after settle()."""
        self.settled = dict.fromkeys(self.settled, 0)
