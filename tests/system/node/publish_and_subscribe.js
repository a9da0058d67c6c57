// MQTT.js against the gateway: node publish_and_subscribe.js URL PROTOCOL_VERSION COUNT NAME [CA]
// URL: mqtt://, mqtts://, ws:// or wss://. Client NAME-pub publishes COUNT messages at each QoS to
// NAME/q0..2 while NAME-sub has subscribed to NAME/+; waits for all acknowledgements and deliveries,
// and prints what the subscriber got as JSON.
'use strict';
const fs = require('fs');
const mqtt = require('mqtt');

const [url, version, count, name, ca] = process.argv.slice(2);
const options = { protocolVersion: Number(version), reconnectPeriod: 0 };
if (ca) options.ca = fs.readFileSync(ca);

async function main() {
  const subscriber = await mqtt.connectAsync(url, { ...options, clientId: `${name}-sub` });
  const got = [];
  const expected = 3 * Number(count);
  const all = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`only ${got.length} of ${expected} came`)), 20000).unref();
    subscriber.on('message', (topic, payload, packet) => {
      got.push({ topic, payload: payload.toString(), qos: packet.qos });
      if (got.length === expected) resolve();
    });
  });
  const granted = await subscriber.subscribeAsync(`${name}/+`, { qos: 2 });
  const publisher = await mqtt.connectAsync(url, { ...options, clientId: `${name}-pub` });
  for (const qos of [0, 1, 2]) {
    const sent = [];
    for (let i = 0; i < Number(count); i += 1) {
      sent.push(publisher.publishAsync(`${name}/q${qos}`, String(i), { qos }));
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
