#pragma once
// Sparkplug B sessions (Eclipse Sparkplug 3.0): what edge nodes and their devices said in their
// births, by which their later messages are read, and whether anything is missing in between.
//
// Messages are seen in the order of the journal, some of them twice: what was seen since the last
// settle() is taken back by revert(). One a lane; one thread. Nothing a message contains throws.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/base/time.hpp"
#include "schema/message.hpp"

namespace org::eclipse::tahu::protobuf {
class Payload;
}

namespace rowgate::schema {

using SparkplugPayload = org::eclipse::tahu::protobuf::Payload;

class Catalog;
/// One of its mappings reads Sparkplug B, so that births must be seen and kept.
bool has_sparkplug(const Catalog& catalog) noexcept;

/// spBv1.0/GROUP/TYPE/EDGE or spBv1.0/GROUP/TYPE/EDGE/DEVICE. Views borrow from the topic.
struct SparkplugTopic {
  enum class Type : std::uint8_t { nbirth, ndata, ndeath, ncmd, dbirth, ddata, ddeath, dcmd };
  std::string_view group;
  std::string_view type_name;  // "NBIRTH"
  Type type = Type::ndata;
  std::string_view edge;
  std::string_view device;  // empty: of the edge node itself
  bool is_birth() const noexcept { return type == Type::nbirth || type == Type::dbirth; }
  bool is_data() const noexcept { return type == Type::ndata || type == Type::ddata; }
};
/// nullopt: not such a topic.
std::optional<SparkplugTopic> sparkplug_topic(std::string_view topic) noexcept;

/// The edge node's name in the database, in rebirth requests and to people: "GROUP/EDGE".
std::string sparkplug_node(const SparkplugTopic& topic);

struct SparkplugMetric {
  std::string name;
  std::uint32_t datatype = 0;
};

/// What a birth says. Immutable once made.
struct SparkplugBirth {
  std::optional<std::uint64_t> bdseq;  // of a node's birth
  std::unordered_map<std::uint64_t, SparkplugMetric> by_alias;
  std::unordered_map<std::string, std::uint32_t> datatypes;  // by name
  std::size_t weight = 0;                                    // bytes of memory, about

  /// Null: there is none with this alias.
  const SparkplugMetric* metric(std::uint64_t alias) const {
    const auto found = by_alias.find(alias);
    return found != by_alias.end() ? &found->second : nullptr;
  }
};

/// A birth as it is kept in rowgate_sparkplug.
struct KeptBirth {
  std::string node;
  std::string device;  // empty: the node's own
  std::uint64_t position = 0;
  std::string payload;
};

class SparkplugSessions {
 public:
  /// Births beyond so many bytes are not remembered: their data are refused, as without a birth.
  static constexpr std::size_t default_limit = 256U << 20;

  explicit SparkplugSessions(std::size_t limit = default_limit);
  ~SparkplugSessions();

  /// Forgets everything, and begins with these.
  void load(std::vector<KeptBirth> births);

  /// A message of the lane, of whatever topic, before it is decoded.
  void see(const Message& message);
  /// The message seen last is a birth that later ones are read by.
  bool saw_birth() const noexcept { return saw_birth_; }
  /// The payload, parsed: once, if it is the message's that was seen last. Null: it cannot be.
  const SparkplugPayload* parse(std::string_view payload);
  /// By which messages with this topic are read now; null: none is known.
  const SparkplugBirth* birth(const SparkplugTopic& topic) const;

  /// Nodes that must be asked for a rebirth: seen since the last settle() or revert().
  const std::set<std::string>& rebirths() const noexcept { return rebirths_; }
  /// Gaps in sequence numbers seen since then.
  std::uint64_t gaps() const noexcept { return gaps_; }

  /// What was seen is committed.
  void settle();
  /// What was seen since the last settle() will be seen again.
  void revert();

 private:
  struct Node {
    std::map<std::string, std::shared_ptr<const SparkplugBirth>, std::less<>> births;  // by device
    std::optional<std::uint64_t> seq{};  // of its last message; absent: not known
    bool alive = false;                  // born, and not dead since
  };
  using Nodes = std::unordered_map<std::string, Node>;

  Node& open(const std::string& name);
  const Node* find(const std::string& name) const;
  std::shared_ptr<const SparkplugBirth> make_birth(const SparkplugPayload& payload);
  void keep(Node& node, std::string_view device, const SparkplugPayload& payload);
  void forget_births(Node& node);
  void check_sequence(Node& node, const std::string& name, const SparkplugPayload& payload);
  void see_data(const Node& node, const std::string& name, std::string_view device,
                const SparkplugPayload& payload);

  const std::size_t limit_;
  Nodes settled_;
  Nodes open_;  // those seen since, as they are now
  std::size_t weight_ = 0;
  std::size_t settled_weight_ = 0;
  std::set<std::string> rebirths_;
  std::uint64_t gaps_ = 0;
  bool saw_birth_ = false;
  std::unique_ptr<SparkplugPayload> payload_;
  std::string_view parsed_;  // what payload_ was made of
};

/// A message whose metrics go by aliases, or without their types, so that it can only be read with
/// its sender's birth.
bool needs_birth(const Message& message);

/// The request to an edge node to send its births again: an NCMD's topic and payload. `node`:
/// sparkplug_node().
std::string rebirth_topic(std::string_view node);
std::string rebirth_payload(Timestamp now);

}  // namespace rowgate::schema
