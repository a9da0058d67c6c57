#pragma once
// What two mappings make of the same messages, side by side. Pure; any thread.
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gateway/topics/recent_messages.hpp"
#include "schema/mapping.hpp"
#include "schema/value.hpp"

namespace rowgate::topics {

struct PreviewRow {
  std::string table;
  std::vector<std::string> columns;
  std::vector<std::string> values;  // JSON texts
  bool operator==(const PreviewRow&) const = default;
};

struct PreviewRefusal {
  std::string mapping;
  std::string reason;
  bool operator==(const PreviewRefusal&) const = default;
};

/// What became of one message.
struct PreviewOutcome {
  bool unmapped = false;
  std::vector<PreviewRow> rows;
  std::vector<PreviewRefusal> dead_letters;
  bool operator==(const PreviewOutcome&) const = default;
};

struct PreviewMessage {
  std::string topic;
  const KeptMessage* message = nullptr;  // in the topics given
  PreviewOutcome before;
  PreviewOutcome after;
};

/// The messages of every topic, in their order. Rows of a message beyond the first 20 are left out.
std::vector<PreviewMessage> preview(std::shared_ptr<const schema::Catalog> before,
                                    std::shared_ptr<const schema::Catalog> after,
                                    std::span<const SeenTopic> topics);

/// A value as JSON: numbers and booleans as they are, jsonb as itself, all else as text.
std::string json_text(const schema::Value& value);

/// A payload for people: {"text": "..."} or {"hex": "..."}, cut off with "truncated" at 2 KiB.
/// JSON.
std::string payload_json(const std::string& payload);

}  // namespace rowgate::topics
