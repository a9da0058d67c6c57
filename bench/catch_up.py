#!/usr/bin/env python3
"""Watches a gateway's ledger while its lanes catch up, for bench/outage.sh.

usage: catch_up.py PORT STORED PENDING

From the first poll that finds more than STORED messages stored until fewer than PENDING wait.
Prints what was stored at both moments and the seconds between them: "first last seconds".
One process and ten polls a second: watching must not cost what it measures.
"""

import http.client
import sys
import time

LONGEST = 600  # seconds


def ledger(connection: http.client.HTTPConnection) -> tuple[int, int]:
    connection.request("GET", "/metrics")
    stored = pending = 0
    for line in connection.getresponse().read().decode().splitlines():
        if line.startswith("rowgate_ledger_messages_total") and 'state="stored"' in line:
            stored += int(line.rsplit(" ", 1)[1])
        elif line.startswith("rowgate_ledger_journal_pending"):
            pending += int(line.rsplit(" ", 1)[1])
    return stored, pending


def main() -> int:
    port, begun, enough = (int(argument) for argument in sys.argv[1:])
    deadline = time.monotonic() + LONGEST
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    first = first_at = None
    while time.monotonic() < deadline:
        stored, pending = ledger(connection)
        now = time.monotonic()
        if first is None and stored > begun:
            first, first_at = stored, now
        if first is not None and pending < enough:
            print(first, stored, f"{now - first_at:.3f}")
            return 0
        time.sleep(0.1)
    print(f"not caught up: stored {stored}, pending {pending}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
