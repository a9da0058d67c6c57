#pragma once
// Every message of a simulation: what was promised of it, what the journal holds of it, what the
// database has. A message is known by its number, which its payload begins with.
#include <cstddef>
#include <cstdint>
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

  std::uint64_t make(std::size_t device, std::uint8_t qos);
  /// The payload of a message, at least `size` bytes.
  static std::string payload(std::uint64_t message, Content content, std::size_t size);

  void sent(std::uint64_t message) { ++all_[message].sent; }
  /// The server said that it has it.
  void promised(std::uint64_t message) { all_[message].promised = true; }
  /// What the journal has on disk beyond what was seen before. Throws Violation where that has
  /// become less.
  void look_at(storage::Journal& journal);

  /// Everything is drained: compares. Throws Violation.
  void compare(const test::MemoryDatabase& database);
  std::size_t count() const noexcept { return all_.size(); }

 private:
  struct Message {
    std::size_t device = 0;
    std::uint8_t qos = 0;
    bool promised = false;
    std::uint32_t sent = 0;     // PUBLISHes with it, under different packet ids or DUP
    std::uint32_t durable = 0;  // records of it
    std::uint32_t stored = 0;   // rows, dead letters, unmapped
  };
  void compare(std::uint64_t number, const Message& message) const;
  void in_order(const test::MemoryDatabase::Row& row, std::uint64_t number);

  Trace& trace_;
  std::vector<Message> all_;
  storage::Position seen_;
  struct Newest {
    std::string table;
    std::size_t device = 0;
    std::uint64_t number = 0;
  };
  std::vector<Newest> newest_;
};

}  // namespace rowgate::simulation
