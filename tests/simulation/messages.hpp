#pragma once
// Every message of a simulation: what was promised of it, what the journal holds of it, what the
// database has. A message is known by its number, which its payload begins with. The subscribers
// keep books of their own of what came to them, and look up here what there was to come.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "storage/journal/journal.hpp"
#include "tests/simulation/trace.hpp"
#include "tests/support/memory_sink.hpp"

namespace rowgate::simulation {

/// What a device has to say.
enum class Content : std::uint8_t {
  good,     // becomes a row
  broken,   // a dead letter
  refused,  // by the database: a dead letter
  other     // unmapped, or a row of another table, as the mapping of that time says
};

class Messages {
 public:
  explicit Messages(Trace& trace) noexcept : trace_(trace) {}

  /// What a client publishes, or leaves to be published.
  struct Publish {
    std::size_t client = 0;
    std::uint8_t qos = 0;
    std::string topic;
    bool retain = false;
    bool will = false;
  };
  std::uint64_t make(Publish publish);
  const Publish& operator[](std::uint64_t message) const { return all_[message].publish; }
  /// The payload of a message, at least `size` bytes.
  static std::string payload(std::uint64_t message, Content content, std::size_t size);

  void sent(std::uint64_t message) { ++all_[message].sent; }
  /// The server said that it has it; or it is a Will that has to come.
  void promised(std::uint64_t message) { all_[message].promised = true; }
  /// A Will: its client's next connection has begun.
  void over(std::uint64_t will) { all_[will].over = true; }
  /// The gateway has started.
  void begin_life() noexcept { ++life_; }
  /// What the journal has on disk beyond what was seen before. Throws Violation where that has
  /// become less.
  void look_at(storage::Journal& journal);

  /// The message with that payload; throws Violation where nobody sent it.
  std::uint64_t find(std::string_view payload) const;
  /// How many records of it the journal has had on disk.
  std::uint32_t durable(std::uint64_t message) const { return all_[message].durable; }
  /// The last one retained on a topic, as far as the journal is on disk.
  struct Retained {
    std::uint64_t message = 0;
    std::uint64_t place = 0;        // among all records that were retained, from 1
    std::uint64_t best_effort = 0;  // the place of the last one at QoS 0
  };
  const std::map<std::string, Retained>& retained() const noexcept { return retained_; }
  /// 0: it never was.
  std::uint64_t retained_at(std::uint64_t message) const { return all_[message].retained_at; }

  /// Everything is drained: compares. Throws Violation.
  void compare(const test::MemoryDatabase& database);
  std::size_t count() const noexcept { return all_.size(); }

 private:
  struct Message {
    Publish publish;
    bool promised = false;
    bool over = false;
    std::uint32_t sent = 0;     // PUBLISHes with it, under different packet ids or DUP
    std::uint32_t durable = 0;  // records of it
    std::uint32_t stored = 0;   // rows, dead letters, unmapped
    std::uint64_t life = 0;     // of the gateway that made its last record
    std::uint64_t retained_at = 0;
  };
  void add(const storage::RecordView& record, bool recovered);
  void compare(std::uint64_t number, const Message& message) const;
  void in_order(const test::MemoryDatabase::Row& row, std::uint64_t number);

  Trace& trace_;
  std::vector<Message> all_;
  storage::Position seen_;
  std::uint64_t life_ = 0;
  std::uint64_t places_ = 0;
  std::map<std::string, Retained> retained_;  // by topic
  struct Newest {
    std::string table;
    std::size_t client = 0;
    std::uint64_t number = 0;
  };
  std::vector<Newest> newest_;
};

}  // namespace rowgate::simulation
