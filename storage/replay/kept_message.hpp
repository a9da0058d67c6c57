#pragma once
// Messages that were kept because no row came of them: rowgate_dead_letter and rowgate_unmapped,
// read back, message by message. Reading takes no lock and works beside a running gateway.
//
// A message is named by its id, the place of its row in the table (SQLite: rowid, PostgreSQL:
// ctid): good until the row changes, so a replay that leaves a dead letter with another reason may
// give it another id. Functions; any thread.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/base/time.hpp"
#include "schema/message.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

enum class Kept : std::uint8_t { dead_letters, unmapped };

/// Which of them; the default is all.
struct KeptFilter {
  std::string mapping;                // dead letters: of this mapping
  std::string topic;                  // an MQTT topic filter
  std::optional<Timestamp> since;     // received then or later
  std::optional<Timestamp> until;     // received before
  std::optional<std::uint64_t> id;    // this one only
  std::uint64_t after = 0;            // with a greater id
  std::uint64_t before = UINT64_MAX;  // with a smaller id
  bool all() const noexcept { return *this == KeptFilter{}; }
  bool operator==(const KeptFilter&) const = default;
};

struct KeptMessage {
  std::uint64_t id = 0;
  Timestamp received_at;
  std::string topic;
  std::string client_id;
  std::string payload;     // the bytes as they came
  std::string properties;  // as schema::Message has them
  std::string mapping;     // dead letters
  std::string reason;      // dead letters
  std::string rows;        // dead letters: what is refused of it; empty: the whole message
  std::uint64_t position = 0;
  std::uint8_t qos = 0;
  bool retain = false;
  bool cut = false;  // list_kept: the payload goes on

  /// Views into this one.
  schema::Message message() const noexcept;
};

/// Why this is no filter, for people; nullopt: it is one.
std::optional<std::string> wrong_topic_filter(std::string_view filter);

/// The newest first (by id), at most `limit`, payloads cut after 200 bytes. Precondition here and
/// below: wrong_topic_filter() finds nothing.
SinkResult<std::vector<KeptMessage>> list_kept(Sink& sink, Kept kept, const KeptFilter& filter,
                                               std::size_t limit);

/// That one, whole; nullopt: there is none.
SinkResult<std::optional<KeptMessage>> find_kept(Sink& sink, Kept kept, std::uint64_t id);

}  // namespace rowgate::storage
