#pragma once
// Sparkplug B payloads made with protobuf, and a lane that reads them.
#include <sparkplug_b.pb.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"
#include "schema/sparkplug.hpp"

namespace rowgate::schema {

using Metric = SparkplugPayload::Metric;

inline constexpr std::uint64_t born_at = 1486144502122;  // as in the specification's examples
enum : std::uint32_t {
  Int8 = 1,
  Int16,
  Int32,
  Int64,
  UInt8,
  UInt16,
  UInt32,
  UInt64,
  Float,
  Double,
  Boolean,
  String,
  DateTime,
  Text,
  Uuid,
  DataSet,
  Bytes,
  File,
  Template,
  Int8Array = 22,
  BooleanArray = 32,
  StringArray = 33
};

inline Metric* add(SparkplugPayload& payload, const std::string& name, std::uint32_t datatype) {
  Metric* metric = payload.add_metrics();
  metric->set_name(name);
  metric->set_timestamp(born_at);
  metric->set_datatype(datatype);
  return metric;
}
inline Metric* add(SparkplugPayload& payload, std::uint64_t alias) {
  Metric* metric = payload.add_metrics();
  metric->set_alias(alias);
  metric->set_timestamp(born_at + 1000);
  return metric;
}
inline SparkplugPayload with_seq(std::uint64_t seq) {
  SparkplugPayload payload;
  payload.set_timestamp(born_at);
  payload.set_seq(seq);
  return payload;
}
inline SparkplugPayload nbirth(std::uint64_t bdseq = 0) {
  SparkplugPayload payload = with_seq(0);
  add(payload, "bdSeq", UInt64)->set_long_value(bdseq);
  add(payload, "Node Control/Rebirth", Boolean)->set_boolean_value(false);
  return payload;
}
/// The inputs of the device in the specification's example, by alias.
inline SparkplugPayload dbirth(std::uint64_t seq = 1, std::uint64_t first_alias = 1) {
  SparkplugPayload payload = with_seq(seq);
  Metric* metric = add(payload, "Inputs/0", Boolean);
  metric->set_alias(first_alias);
  metric->set_boolean_value(true);
  metric = add(payload, "Temperature", Float);
  metric->set_alias(first_alias + 1);
  metric->set_float_value(21.5F);
  return payload;
}
inline SparkplugPayload ddata(std::uint64_t seq, std::uint64_t alias, float value) {
  SparkplugPayload payload = with_seq(seq);
  add(payload, alias)->set_float_value(value);
  return payload;
}

inline constexpr std::string_view narrow = R"(
[[mapping]]
name = "plant"
topic = "spBv1.0/{group}/{type}/{edge}/{device}"
table = "metrics"
payload = "sparkplug_b"
rows = "/metrics"
time = { from = "/timestamp", format = "unix_ms" }
[mapping.columns]
device   = { topic = "device", type = "text" }
name     = { from = "/name", type = "text", required = true }
datatype = { from = "/datatype", type = "text" }
value    = { from = "/value", type = "text" }
seq      = { root = "/seq", type = "bigint" }
)";
inline constexpr std::string_view wide = R"(
[[mapping]]
name = "plant"
topic = "spBv1.0/{group}/{type}/{edge}/{device}"
table = "climate"
payload = "sparkplug_b"
[mapping.columns]
temperature = { from = "/values/Temperature", type = "double" }
input       = { from = "/values/Inputs~10", type = "boolean" }
)";
inline constexpr std::string_view whole = R"(
[[mapping]]
name = "nodes"
topic = "spBv1.0/{group}/{type}/{edge}"
table = "documents"
payload = "sparkplug_b"
[mapping.columns]
document = { from = "", type = "jsonb" }
)";

/// A lane: what it maps is seen by its sessions.
class Lane {
 public:
  explicit Lane(std::string_view toml)
      : catalog_(parse(toml)), mapper_(catalog_, &sessions), out_(*catalog_) {}

  /// The rows of it, a line each: the values but the time, in the columns' order.
  std::vector<std::string> map(const std::string& topic, const std::string& payload) {
    kept_.push_back(topic);
    kept_.push_back(payload);
    Message message;
    message.topic = kept_[kept_.size() - 2];
    message.payload = kept_.back();
    message.client_id = "edge";
    message.received_at = {1767225600000000};
    message.position = ++position;
    const std::size_t letters = out_.dead_letters().rows();
    const std::size_t before = out_[0].rows();
    mapper_.map(message, 0, true, out_);
    reason.clear();
    if (out_.dead_letters().rows() > letters) {
      const std::size_t column = *out_.dead_letters().table().column("reason");
      reason = out_.dead_letters().row(letters)[column].as_bytes();
    }
    std::vector<std::string> rows;
    for (std::size_t r = before; r < out_[0].rows(); ++r) {
      std::string line;
      for (std::size_t c = 1; c < out_[0].table().columns.size(); ++c) {
        if (c > 1) line += ' ';
        const std::string text = to_text(out_[0].row(r)[c]);
        line += text.starts_with('\'') ? text.substr(1, text.size() - 2) : text;
      }
      rows.push_back(line);
    }
    return rows;
  }
  std::vector<std::string> map(const std::string& topic, const SparkplugPayload& payload) {
    return map(topic, payload.SerializeAsString());
  }

  SparkplugSessions sessions;
  std::string reason;  // of the last message
  std::uint64_t position = 0;

 private:
  static std::shared_ptr<const Catalog> parse(std::string_view toml) {
    auto parsed = parse_mapping_file(toml, 1);
    if (!parsed) throw std::runtime_error(format_errors("test", parsed.error()));
    return *parsed;
  }
  std::deque<std::string> kept_;
  std::shared_ptr<const Catalog> catalog_;
  Mapper mapper_;
  BatchSet out_;
};

}  // namespace rowgate::schema
