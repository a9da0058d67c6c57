// The paho C client against the gateway:
//   paho_c_publish_and_subscribe URI VERSION COUNT NAME [CA_FILE]
// URI: tcp://, ssl://, ws:// or wss://; VERSION: 4 (3.1.1) or 5 (5.0). Publishes COUNT messages at
// each QoS to NAME/q0..2 with client NAME-pub while NAME-sub has subscribed to NAME/+, waits for
// all acknowledgements and deliveries, and prints what the subscriber got: a line "granted QOS",
// then a line "TOPIC PAYLOAD QOS" a message. Ends with 1 and a sentence where anything fails.
#include <MQTTClient.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr unsigned long patience_ms = 20'000;

void must(int code, const std::string& what) {
  if (code == MQTTCLIENT_SUCCESS) return;
  throw std::runtime_error(what + ": code " + std::to_string(code));
}

/// What the subscriber was sent; filled on the library's thread.
struct Inbox {
  std::mutex mutex;
  std::condition_variable came;
  std::vector<std::string> lines;

  static int arrived(void* context, char* topic, int topic_size, MQTTClient_message* message) {
    auto& inbox = *static_cast<Inbox*>(context);
    std::string line =
        topic_size > 0 ? std::string(topic, static_cast<std::size_t>(topic_size)) : topic;
    line += ' ';
    line.append(static_cast<const char*>(message->payload),
                static_cast<std::size_t>(message->payloadlen));
    line += ' ';
    line += std::to_string(message->qos);
    {
      const std::lock_guard lock(inbox.mutex);
      inbox.lines.push_back(std::move(line));
    }
    inbox.came.notify_one();
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return 1;
  }
};

class Client {
 public:
  Client(const char* uri, int version, const std::string& id, const char* ca, Inbox& inbox)
      : version_(version) {
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    options.MQTTVersion = version;
    must(MQTTClient_createWithOptions(&handle_, uri, id.c_str(), MQTTCLIENT_PERSISTENCE_NONE,
                                      nullptr, &options),
         "create");
    must(MQTTClient_setCallbacks(handle_, &inbox, nullptr, Inbox::arrived, nullptr), "callbacks");
    connect(ca);
  }
  ~Client() { MQTTClient_destroy(&handle_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int subscribe(const std::string& filter, int qos) {
    if (version_ != MQTTVERSION_5) {
      must(MQTTClient_subscribe(handle_, filter.c_str(), qos), "subscribe");
      return qos;  // the library fails where less is granted
    }
    MQTTResponse answer = MQTTClient_subscribe5(handle_, filter.c_str(), qos, nullptr, nullptr);
    const int granted = answer.reasonCode;
    MQTTResponse_free(answer);
    return granted;
  }

  void publish(const std::string& topic, const std::string& payload, int qos) {
    MQTTClient_deliveryToken token = 0;
    const auto size = static_cast<int>(payload.size());
    if (version_ == MQTTVERSION_5) {
      MQTTResponse answer = MQTTClient_publish5(handle_, topic.c_str(), size, payload.data(), qos,
                                                0, nullptr, &token);
      const int code = answer.reasonCode;
      MQTTResponse_free(answer);
      must(code, "publish");
    } else {
      must(MQTTClient_publish(handle_, topic.c_str(), size, payload.data(), qos, 0, &token),
           "publish");
    }
    if (qos > 0) must(MQTTClient_waitForCompletion(handle_, token, patience_ms), "acknowledgement");
  }

  void disconnect() {
    if (version_ == MQTTVERSION_5) {
      must(MQTTClient_disconnect5(handle_, 1000, MQTTREASONCODE_SUCCESS, nullptr), "disconnect");
    } else {
      must(MQTTClient_disconnect(handle_, 1000), "disconnect");
    }
  }

 private:
  void connect(const char* ca) {
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    const MQTTClient_connectOptions options5 = MQTTClient_connectOptions_initializer5;
    if (version_ == MQTTVERSION_5) options = options5;
    options.MQTTVersion = version_;
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    tls.verify = 1;
    tls.trustStore = ca;
    if (ca != nullptr) options.ssl = &tls;
    if (version_ != MQTTVERSION_5) {
      must(MQTTClient_connect(handle_, &options), "connect");
      return;
    }
    MQTTResponse answer = MQTTClient_connect5(handle_, &options, nullptr, nullptr);
    const int code = answer.reasonCode;
    MQTTResponse_free(answer);
    must(code, "connect");
  }

  MQTTClient handle_ = nullptr;
  int version_;
};

void run(const char* uri, int version, int count, const std::string& name, const char* ca) {
  Inbox inbox;
  Inbox unused;
  Client subscriber(uri, version, name + "-sub", ca, inbox);
  std::printf("granted %d\n", subscriber.subscribe(name + "/+", 2));
  Client publisher(uri, version, name + "-pub", ca, unused);
  for (int qos = 0; qos <= 2; ++qos) {
    const std::string topic = name + "/q" + std::to_string(qos);
    for (int i = 0; i < count; ++i) publisher.publish(topic, std::to_string(i), qos);
  }
  std::unique_lock lock(inbox.mutex);
  const auto expected = static_cast<std::size_t>(3 * count);
  if (!inbox.came.wait_for(lock, std::chrono::milliseconds(patience_ms),
                           [&] { return inbox.lines.size() >= expected; })) {
    throw std::runtime_error("only " + std::to_string(inbox.lines.size()) + " of " +
                             std::to_string(expected) + " came");
  }
  for (const std::string& line : inbox.lines) std::puts(line.c_str());
  lock.unlock();
  publisher.disconnect();
  subscriber.disconnect();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fputs("usage: paho_c_publish_and_subscribe URI VERSION COUNT NAME [CA_FILE]\n", stderr);
    return 2;
  }
  MQTTClient_init_options init = MQTTClient_init_options_initializer;
  init.do_openssl_init = 1;
  MQTTClient_global_init(&init);
  try {
    run(argv[1], std::atoi(argv[2]), std::atoi(argv[3]), argv[4], argc > 5 ? argv[5] : nullptr);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "paho C: %s\n", error.what());
    return 1;
  }
}
