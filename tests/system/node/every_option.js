// MQTT.js with every option that mqttx-cli sets from its command line, 5.0:
//   node every_option.js URL NAME [CA]
// NAME-sub subscribes to NAME/t; NAME-pub publishes there at each QoS, by a topic alias, and is cut
// off without a DISCONNECT, so that its Will follows. Prints, as JSON, what the subscriber got, also
// after it came back to its session.
'use strict';
const fs = require('fs');
const mqtt = require('mqtt');

const [url, name, ca] = process.argv.slice(2);
const common = {
  protocolVersion: 5, path: '/mqtt', keepalive: 30, reconnectPeriod: 1000, clean: false,
  topicAliasMaximum: 10,
  properties: {
    sessionExpiryInterval: 0xffffffff, receiveMaximum: 10, maximumPacketSize: 65535,
    topicAliasMaximum: 10, requestResponseInformation: true, requestProblemInformation: false,
    userProperties: { via: ['a', 'b'] },
  },
};
if (ca) common.ca = fs.readFileSync(ca);

const message = {
  payloadFormatIndicator: true, messageExpiryInterval: 300, responseTopic: `${name}/reply`,
  correlationData: Buffer.from('7'), userProperties: { unit: 'C', note: ['x', 'y'] },
  contentType: 'text/plain',
};
const will = {
  topic: `${name}/t`, payload: Buffer.from('gone'), qos: 1, retain: false,
  properties: { ...message, willDelayInterval: 1 },
};
const subscription = {
  qos: 2, nl: true, rap: true, rh: 1,
  properties: { subscriptionIdentifier: 7, userProperties: { for: 'test' } },
};

// The packet's own topic is empty where the server used an alias.
function told(topic, { payload, qos, retain, properties: p }) {
  return {
    topic, payload: payload.toString(), qos, retain, identifier: p.subscriptionIdentifier,
    responseTopic: p.responseTopic, correlationData: p.correlationData.toString(),
    contentType: p.contentType, payloadFormatIndicator: p.payloadFormatIndicator,
    expires: p.messageExpiryInterval <= 300, userProperties: p.userProperties,
  };
}

/** A client of that name, its CONNACK, and `until(n)`: resolves with the first n messages. */
async function connect(suffix, more = {}) {
  const got = [];
  let wake = () => {};
  const client = mqtt.connect(url, { ...common, ...more, clientId: `${name}-${suffix}` });
  client.on('message', (topic, _payload, packet) => { got.push(told(topic, packet)); wake(); });
  const connack = await new Promise((resolve, reject) => {
    client.once('connect', resolve);
    client.once('error', reject);
  });
  const until = (n) => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`only ${got.length} of ${n} came`)), 20000).unref();
    wake = () => { if (got.length >= n) resolve(got.splice(0)); };
    wake();
  });
  return { client, connack, until };
}

async function main() {
  const subscriber = await connect('sub');
  const granted = await subscriber.client.subscribeAsync(`${name}/t`, subscription);
  const publisher = await connect('pub', { will });
  for (const [i, qos] of [0, 1, 2].entries()) {
    const properties = { ...message, topicAlias: 3 };
    const topic = i === 0 ? `${name}/t` : '';
    await publisher.client.publishAsync(topic, String(i), { qos, retain: i === 2, properties });
  }
  const live = await subscriber.until(3);
  await subscriber.client.endAsync();
  publisher.client.options.reconnectPeriod = 0;
  publisher.client.stream.destroy();
  const back = await connect('sub');
  const after = await back.until(1);
  await back.client.endAsync();
  console.log(JSON.stringify({
    granted: granted.map((g) => g.qos), live, present: back.connack.sessionPresent, after,
  }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
