#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "gateway/cli/mapping_source.hpp"
#include "gateway/cli/verbs.hpp"
#include "schema/base/utf8.hpp"
#include "schema/mapper.hpp"
#include "schema/message.hpp"
#include "storage/os/clock.hpp"

namespace rowgate::cli {
namespace {

std::string read_all(std::istream& in) {
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string read_payload(const CommandLine& command, std::istream& in) {
  const auto& from = command.explain;
  if (from.payload_file.empty()) return from.payload == "-" ? read_all(in) : from.payload;
  std::ifstream file(from.payload_file, std::ios::binary);
  std::string payload = file ? read_all(file) : std::string();
  if (!file) {
    throw std::runtime_error("cannot read the payload file " + from.payload_file + ": " +
                             std::strerror(errno));
  }
  return payload;
}

/// A topic name as a PUBLISH may carry it [MQTT-3.3.2-1, MQTT-3.3.2-2, MQTT-4.7.3].
void require_topic_name(const std::string& topic) {
  const auto refuse = [&](const char* why) {
    throw config::ConfigError("no client can publish to topic '" + topic + "': " + why);
  };
  if (topic.empty()) refuse("it is empty");
  if (topic.size() > 65'535) refuse("it is longer than 65,535 bytes");
  if (topic.find_first_of("+#") != std::string::npos) {
    refuse("a topic name has no wildcards; give the topic of one message");
  }
  if (!is_utf8(topic) || has_nul(topic)) refuse("it is not UTF-8 without NUL");
}

}  // namespace

int explain(const CommandLine& command, const config::Config& config, Streams streams) {
  require_topic_name(command.explain.topic);
  const auto catalog = load_catalog(config.mapping, 1);
  const std::string payload = read_payload(command, streams.in);
  schema::Message message;
  message.topic = command.explain.topic;
  message.client_id = command.explain.client_id;
  message.payload = payload;
  message.received_at = os::system_clock().now();
  message.qos = static_cast<std::uint8_t>(command.explain.qos);
  message.retain = command.explain.retain;
  const std::string text = schema::explain(catalog, message);
  streams.out << text << (text.ends_with('\n') ? "" : "\n");
  return 0;
}

}  // namespace rowgate::cli
