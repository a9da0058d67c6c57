#pragma once
// Message + Catalog -> rows. One Mapper a lane: it owns the decoders' scratch memory and a bounded
// cache topic -> matches. Not thread-safe. Nothing a message contains makes it throw.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/batch_set.hpp"
#include "schema/mapping.hpp"
#include "schema/message.hpp"
#include "schema/row_batch.hpp"
#include "schema/row_range.hpp"

namespace rowgate::schema {

/// The gateway's own tables, filled like any other.
/// rowgate_dead_letter(received_at, topic, client_id, qos, retain, payload, encoding, mapping,
///                     reason, properties, position, rows)
/// rowgate_unmapped(received_at, topic, client_id, qos, retain, payload, encoding, properties,
///                  position)
/// payload is the text with encoding 'text', or, where the bytes are not UTF-8 or hold a NUL, their
/// hex digits with encoding 'hex'; properties (bytea) are NULL where there are none. rows: the
/// numbers of the elements that were refused while the others were stored, "1,5-7"; NULL: the whole
/// message.
/// rowgate_sparkplug(gateway, lane, edge, device, position, received_at, payload): the last birth
/// of each Sparkplug B edge node ("GROUP/EDGE") and device (empty: the node's own).
const Table& dead_letter_table();
const Table& unmapped_table();
const Table& sparkplug_table();

/// What became of one message. Ledger: unmapped if no mapping took it, else dead_letter if any of
/// them rejected it or part of it, else stored.
struct Verdict {
  std::uint32_t rows = 0;      // added to mapped tables
  std::uint32_t rejects = 0;   // added to the dead letters
  std::uint32_t filtered = 0;  // rows that `filter` or `store` did not want
  std::size_t bytes = 0;       // of memory that decoding it took from the rows' arenas
  bool matched = false;        // at least one mapping took it
};

/// One mapping, and of the message only these rows (empty: all): what a dead letter is about.
struct Only {
  std::string_view mapping;
  std::span<const RowRange> rows;
};

/// Adds a dead letter row for the message. `reason` is copied; the message's views are not.
/// `rows`: what of the message is refused, for column `rows`.
void add_dead_letter(RowBatch& dead_letters, const Message& message, std::uint32_t source,
                     std::string_view mapping, std::string_view reason,
                     std::span<const RowRange> rows = {});
void add_unmapped(RowBatch& unmapped, const Message& message, std::uint32_t source);
/// `births` is of sparkplug_table(); the message is a birth. `gateway` is not copied.
void add_birth(RowBatch& births, std::string_view gateway, std::uint16_t lane,
               const Message& message, std::uint32_t source);

class SparkplugSessions;

class Mapper {
 public:
  /// `sparkplug` outlives the Mapper, and sees all that it maps; null: Sparkplug B's metrics are
  /// known by name alone.
  explicit Mapper(std::shared_ptr<const Catalog> catalog, SparkplugSessions* sparkplug = nullptr);
  ~Mapper();
  const Catalog& catalog() const noexcept;

  /// Appends the message's rows to `out` (made from this Mapper's Catalog): mapped rows, dead
  /// letters for what does not fit, and, if nothing matched and `store_unmapped`, an unmapped row.
  /// Rows hold views of the message's fields: it must live until out.clear(). `source` is recorded
  /// with each row. With `only`, no other mapping takes the message, nor other rows of it.
  Verdict map(const Message& message, std::uint32_t source, bool store_unmapped, BatchSet& out,
              const Only* only = nullptr);

  /// Forgets which rows were stored last (`store`), so that the next of each series is stored: for
  /// a caller that maps messages again, or drops rows it was given.
  void forget() noexcept;
  /// Why the row that was filtered last was, for a person. Precondition: one was.
  std::string why_filtered() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct Explain {
  /// Of a dead letter: no other mapping is told of, nor other rows.
  const Only* only = nullptr;
  /// The statement that would insert this row, in the sink's words; empty: it is left out.
  std::function<std::string(const RowBatch& rows, std::size_t row)> sql{};
};

/// For `rowgate explain`: each mapping considered, why it did or did not take the message, and the
/// rows it would write; plain text for a terminal.
std::string explain(const std::shared_ptr<const Catalog>& catalog, const Message& message,
                    const Explain& how = {});

}  // namespace rowgate::schema
