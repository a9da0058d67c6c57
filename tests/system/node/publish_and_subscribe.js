// MQTT.js against the gateway: node publish_and_subscribe.js PORT PROTOCOL_VERSION COUNT
// Publishes COUNT messages at each QoS with one client while another has subscribed, waits for all
// acknowledgements and deliveries, and prints what the subscriber got as JSON.
'use strict';
const mqtt = require('mqtt');

const [port, version, count] = process.argv.slice(2).map(Number);
const options = { port, host: '127.0.0.1', protocolVersion: version, reconnectPeriod: 0 };

async function main() {
  const subscriber = await mqtt.connectAsync({ ...options, clientId: `js-sub-${version}` });
  const got = [];
  const expected = 3 * count;
  const all = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`only ${got.length} of ${expected} came`)), 20000).unref();
    subscriber.on('message', (topic, payload, packet) => {
      got.push({ topic, payload: payload.toString(), qos: packet.qos });
      if (got.length === expected) resolve();
    });
  });
  const granted = await subscriber.subscribeAsync(`js/${version}/+`, { qos: 2 });
  const publisher = await mqtt.connectAsync({ ...options, clientId: `js-pub-${version}` });
  for (const qos of [0, 1, 2]) {
    const sent = [];
    for (let i = 0; i < count; i += 1) {
      sent.push(publisher.publishAsync(`js/${version}/q${qos}`, String(i), { qos }));
    }
    await Promise.all(sent);
  }
  await all;
  await publisher.endAsync();
  await subscriber.endAsync();
  console.log(JSON.stringify({ granted: granted.map((g) => g.qos), got }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
