#pragma once
// Receipts: a 5.0 publish with a response topic and the user property `rowgate-receipt: commit`
// gets a message there once its row is committed, or dead-lettered, or nobody's. It goes to the
// dispatcher by the journal, as event::Published, so it is as durable as what it answers. Any
// thread; told by the lanes.
//
// A gateway that dies between the commit and the receipt sends none: the device asks again by
// publishing again.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/broker/append_later.hpp"
#include "schema/message.hpp"
#include "storage/journal/journal.hpp"

namespace rowgate::broker {

class Receipts {
 public:
  enum class State : std::uint8_t { stored, dead_letter, unmapped };

  explicit Receipts(storage::Journal& journal) : journal_(journal) {}

  /// A publish with these properties may want an answer of either kind.
  static bool wanted(std::string_view properties) noexcept;

  /// Where a PUBLISH with these properties wants its receipt; nullopt: it wants none, or names a
  /// topic that takes none. Whoever accepts the publish checks that its client may publish there.
  static std::optional<std::string_view> topic(std::string_view properties) noexcept;

  /// Where a publish to db/append/... or db/write/... wants its result, as machbase-neo's devices
  /// say it: in the user property `reply`. nullopt: nowhere.
  static std::optional<std::string_view> reply_topic(std::string_view topic,
                                                     std::string_view properties) noexcept;

  /// The result of such a publish, if it asks for one: {"success":true,"reason":"success"}.
  void reply(const schema::Message& message, State state, std::string_view reason);
  /// The message is committed as `state`, for a `reason` if it is a dead letter, in `table` if it
  /// is stored there. Precondition: topic(message.properties).
  void tell(const schema::Message& message, State state, std::string_view reason,
            std::string_view table);
  /// About ten times a second: for those that found the journal without room.
  void retry();

  std::uint64_t told() const noexcept { return later_.appended(); }
  std::uint64_t given_up() const noexcept { return later_.given_up(); }

 private:
  struct Event {
    std::string encoded;
    std::size_t bytes() const noexcept { return sizeof(Event) + encoded.capacity(); }
  };
  void send(const schema::Message& message, std::string_view topic, std::string_view payload,
            std::string_view properties);
  auto append() noexcept {
    return [this](const Event& event) { return journal_.append_event(event.encoded); };
  }

  storage::Journal& journal_;
  AppendLater<Event> later_;
};

}  // namespace rowgate::broker
