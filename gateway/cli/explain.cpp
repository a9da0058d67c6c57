#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "gateway/cli/mapping_source.hpp"
#include "gateway/cli/open_sink.hpp"
#include "gateway/cli/verbs.hpp"
#include "schema/base/bytes.hpp"
#include "schema/base/utf8.hpp"
#include "schema/mapper.hpp"
#include "schema/message.hpp"
#include "storage/os/clock.hpp"
#include "storage/sink/literal.hpp"

namespace rowgate::cli {
namespace {

std::string read_all(std::istream& in) {
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string read_file(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  std::string payload = file ? read_all(file) : std::string();
  if (!file) {
    throw std::runtime_error("cannot read the payload file " + name + ": " + std::strerror(errno));
  }
  return payload;
}

/// "0a 1b", "0A1B": blanks and line ends between bytes are left out.
std::string from_hex(const std::string& text) {
  const auto refuse = [] {
    throw config::ConfigError("--hex: the payload is not pairs of hex digits, as in 0a 1b");
  };
  std::string digits;
  for (const char c : text) {
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) {
      digits += c;
    } else if (std::isspace(static_cast<unsigned char>(c)) == 0 || digits.size() % 2 != 0) {
      refuse();
    }
  }
  if (digits.size() % 2 != 0) refuse();
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::string read_payload(const CommandLine& command, std::istream& in) {
  const auto& from = command.explain;
  std::string payload = from.payload;
  if (!from.payload_file.empty()) {
    payload = read_file(from.payload_file);
  } else if (payload == "-") {
    payload = read_all(in);
  } else if (payload.starts_with('@')) {
    payload = read_file(payload.substr(1));
  }
  return from.hex ? from_hex(payload) : payload;
}

/// The PUBLISH properties as on the wire [MQTT5 3.3.2.3].
std::string wire_properties(const CommandLine& command) {
  std::string bytes;
  Writer out(bytes);
  const auto text = [&](std::string_view value) {
    if (value.size() > 65'535 || !is_utf8(value) || has_nul(value)) {
      throw config::ConfigError("a property is UTF-8 without NUL, of 65,535 bytes at most");
    }
    out.be(static_cast<std::uint16_t>(value.size()));
    out.bytes(value);
  };
  if (!command.explain.content_type.empty()) {
    out.u8(0x03);
    text(command.explain.content_type);
  }
  for (const std::string& property : command.explain.properties) {
    const auto equals = property.find('=');
    if (equals == std::string::npos) {
      throw config::ConfigError("--property '" + property + "': write NAME=VALUE");
    }
    out.u8(0x26);
    text(std::string_view(property).substr(0, equals));
    text(std::string_view(property).substr(equals + 1));
  }
  return bytes;
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
  const std::string properties = wire_properties(command);
  schema::Message message;
  message.topic = command.explain.topic;
  message.client_id = command.explain.client_id;
  message.payload = payload;
  message.properties = properties;
  message.received_at = os::system_clock().now();
  message.qos = static_cast<std::uint8_t>(command.explain.qos);
  message.retain = command.explain.retain;
  // The sink only lends its words: it is not connected to.
  const auto sink = open_sink({config::sink_url(config), config.sqlite.synchronous});
  schema::Explain how;
  how.sql = [&](const schema::RowBatch& rows, std::size_t row) {
    return storage::insert_text(sink->dialect(), rows, row);
  };
  const std::string text = schema::explain(catalog, message, how);
  streams.out << text << (text.ends_with('\n') ? "" : "\n");
  return 0;
}

}  // namespace rowgate::cli
