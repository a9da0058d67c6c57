#pragma once
// Connects and disconnects as messages of the gateway's own, for mappings with event = "presence":
// a publish to `$presence/CLIENT_ID` in the client's lane, with a JSON payload (docs/mapping.md).
// Made only while the Catalog in force has such a mapping. Any thread; one mutex.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/broker/append_later.hpp"
#include "gateway/broker/ledger.hpp"
#include "gateway/broker/live_catalog.hpp"
#include "gateway/mqtt/types.hpp"
#include "schema/base/time.hpp"
#include "storage/journal/journal.hpp"
#include "storage/os/clock.hpp"

namespace rowgate::broker {

/// What happened to a client. Views borrow for the call.
struct PresenceEvent {
  enum class What : std::uint8_t {
    connected,     // CONNACK with success
    disconnected,  // its connection ended
    taken_over,    // its connection was closed for a newer one; `connected` follows
    will,          // its Will was published
  };
  What what = What::connected;
  std::string_view client_id;
  // Empty: not known.
  std::string_view user{};
  std::string_view address{};
  std::optional<mqtt::Version> protocol{};
  bool clean_start = false;      // connected
  bool session_present = false;  // connected
  std::string_view reason{};     // disconnected, taken_over: reason_name(), or one of the below
  std::string_view topic{};      // will
};

/// A reason code in the words of the specification, as presence has it: "keep_alive_timeout";
/// "normal" for a DISCONNECT with success.
std::string_view reason_name(mqtt::ReasonCode code) noexcept;

/// The connection broke without a word.
inline constexpr std::string_view reason_closed = "closed";
/// It was there when the gateway was killed; said at the next start, of sessions that were kept.
inline constexpr std::string_view reason_killed = "gateway_killed";

class Presence {
 public:
  /// Counts what it appends under the ledger's thread `thread`, which nobody else uses.
  Presence(storage::Journal& journal, const LiveCatalog& catalog, Ledger& ledger,
           std::size_t thread, os::Clock& clock)
      : journal_(journal), catalog_(catalog), ledger_(ledger), thread_(thread), clock_(clock) {}

  /// One client's events must be told in their order.
  void record(const PresenceEvent& event);
  /// About ten times a second: for those that found the journal without room.
  void retry();

  std::uint64_t recorded() const noexcept { return later_.appended(); }
  std::uint64_t given_up() const noexcept { return later_.given_up(); }

 private:
  struct Record {
    std::string client_id;
    std::string topic;
    std::string payload;
    Timestamp at;
    std::size_t bytes() const noexcept {
      return sizeof(Record) + client_id.size() + topic.size() + payload.size();
    }
  };
  auto append() noexcept {
    return [this](const Record& record) { return append(record); };
  }
  Result<storage::Appended, storage::AppendError> append(const Record& record);

  storage::Journal& journal_;
  const LiveCatalog& catalog_;
  Ledger& ledger_;
  const std::size_t thread_;
  os::Clock& clock_;
  AppendLater<Record> later_;
};

}  // namespace rowgate::broker
