"""publish.py PORT CLIENT QOS FIRST COUNT: publishes the numbers FIRST..FIRST+COUNT-1 to
compose/CLIENT, one a message, at a steady pace, and ends once every one is acknowledged. The session
is kept, so paho resends after a reconnect as the specification says: the server may die meanwhile.
"""
import os
import sys
import time

import paho.mqtt.client as mqtt

DEADLINE = 120.0  # seconds, for all of it
PER_SECOND = 400


def main(port, name, qos, first, count):
    acknowledged = []
    client = mqtt.Client(client_id=name, clean_session=False)
    client.username_pw_set("device", os.environ["ROWGATE_MQTT_PASSWORD"])
    client.on_publish = lambda *_: acknowledged.append(True)
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    client.max_queued_messages_set(0)
    started = time.monotonic()
    client.connect("127.0.0.1", port, keepalive=10)
    client.loop_start()
    for sent in range(count):
        client.publish(f"compose/{name}", str(first + sent), qos)
        ahead = started + (sent + 1) / PER_SECOND - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
    while len(acknowledged) < count:
        if time.monotonic() - started > DEADLINE:
            sys.exit(f"{name}: {len(acknowledged)} of {count} acknowledged after {DEADLINE:.0f} s")
        time.sleep(0.05)
    client.disconnect()
    client.loop_stop()
    print(f"{name}: {count} acknowledged at QoS {qos}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6]))
