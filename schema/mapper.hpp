#pragma once
// Message + Catalog -> rows. One Mapper a lane: it owns the decoders' scratch memory and a bounded
// cache topic -> matches. Not thread-safe. Nothing a message contains makes it throw.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "schema/mapping.hpp"
#include "schema/message.hpp"
#include "schema/row_batch.hpp"

namespace rowgate::schema {

/// The gateway's own tables, filled like any other.
/// rowgate_dead_letter(received_at, topic, client_id, qos, retain, payload, encoding, mapping,
///                     reason, properties, position)
/// rowgate_unmapped(received_at, topic, client_id, qos, retain, payload, encoding, properties,
///                  position)
/// payload is the text with encoding 'text', or, where the bytes are not UTF-8 or hold a NUL, their
/// hex digits with encoding 'hex'; properties (bytea) are NULL where there are none.
const Table& dead_letter_table();
const Table& unmapped_table();

/// The open rows of one lane: one RowBatch a table of the Catalog, then the gateway's own two.
/// Columns that `columns = "auto"` added stay after clear().
class BatchSet {
 public:
  explicit BatchSet(const Catalog& catalog);
  std::size_t size() const noexcept { return batches_.size(); }
  RowBatch& operator[](std::size_t i) noexcept { return batches_[i]; }
  RowBatch& dead_letters() noexcept { return batches_[batches_.size() - 2]; }
  RowBatch& unmapped() noexcept { return batches_[batches_.size() - 1]; }
  std::size_t rows() const noexcept;
  void clear() noexcept;

 private:
  std::vector<RowBatch> batches_;
};

/// What became of one message. Ledger: unmapped if no mapping took it, else dead_letter if any of
/// them rejected it or part of it, else stored.
struct Verdict {
  std::uint32_t rows = 0;     // added to mapped tables
  std::uint32_t rejects = 0;  // added to the dead letters
  bool matched = false;       // at least one mapping took it
};

/// Adds a dead letter row for the message. `reason` is copied; the message's views are not.
void add_dead_letter(RowBatch& dead_letters, const Message& message, std::uint32_t source,
                     std::string_view mapping, std::string_view reason);
void add_unmapped(RowBatch& unmapped, const Message& message, std::uint32_t source);

class Mapper {
 public:
  explicit Mapper(std::shared_ptr<const Catalog> catalog);
  ~Mapper();
  const Catalog& catalog() const noexcept;

  /// Appends the message's rows to `out` (made from this Mapper's Catalog): mapped rows, dead
  /// letters for what does not fit, and, if nothing matched and `store_unmapped`, an unmapped row.
  /// Rows hold views of the message's fields: it must live until out.clear(). `source` is recorded
  /// with each row.
  Verdict map(const Message& message, std::uint32_t source, bool store_unmapped, BatchSet& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// For `rowgate explain`: each mapping considered, why it did or did not take the message, and the
/// rows it would write; plain text for a terminal.
std::string explain(const std::shared_ptr<const Catalog>& catalog, const Message& message);

}  // namespace rowgate::schema
