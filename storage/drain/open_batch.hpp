#pragma once
// The rows between the checkpoint and the next commit: reads the journal, maps this lane's
// publishes, remembers what became of each message. One thread.
//
// Rows are views into journal batches, which are held until clear(). Reused commit after commit;
// nothing is allocated per message once its vectors have grown.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/mapper.hpp"
#include "schema/sparkplug.hpp"
#include "storage/drain/observer.hpp"
#include "storage/drain/rest.hpp"
#include "storage/journal/journal.hpp"
#include "storage/os/clock.hpp"

namespace rowgate::storage {

class OpenBatch {
 public:
  struct Limits {
    std::size_t rows;
    std::size_t bytes;
    std::chrono::milliseconds age;
    bool store_unmapped;
    bool eager;  // a batch closes as soon as it has caught up with the journal
  };
  /// `gateway`: in whose name births are kept.
  OpenBatch(Journal& journal, os::Clock& clock, std::string gateway, Lane lane, Limits limits);

  /// Maps with this catalog from now on. Precondition: no messages.
  void use(std::shared_ptr<const schema::Catalog> catalog);
  /// Batches close at so many rows from now on.
  void limit_rows(std::size_t rows) noexcept { limits_.rows = rows; }
  /// Drops everything and reads on at `from`.
  void seek(Position from);
  /// Reads and maps what is durable by now, without waiting. nullopt: the fill is over, because a
  /// limit is reached, or `idle` has passed since it began with nothing of ours, or nothing came in
  /// rest(); if eager, also because it has read all there is, be it ours or not. Else it goes on
  /// with the next call, after the rest. Throws JournalCorrupt.
  std::optional<Rest> fill(std::chrono::milliseconds idle);
  /// Between a fill's first call and its end.
  bool filling() const noexcept { return filling_.has_value(); }
  /// Waits; not longer than until `stop` is requested. Throws JournalCorrupt.
  void rest(const Rest& rest, std::stop_token stop);
  /// Ends the fill, if there is one, with what lies below `end`: what is durable already.
  void fill_up_to(Position end);
  /// Forgets rows and messages after their commit; keeps memory and the place in the journal.
  void clear();

  /// Of the messages since the last clear(). Sparkplug B's state outlives the mapping that asks for
  /// it; what seek() drops is seen again.
  const schema::SparkplugSessions& sparkplug() const noexcept { return sparkplug_; }
  /// Births that earlier runs kept. Precondition: no messages.
  void load_births(std::vector<schema::KeptBirth> births) { sparkplug_.load(std::move(births)); }

  /// Everything before it is in this batch or in an earlier one: where the checkpoint goes.
  Position end() const noexcept { return read_at_; }
  std::size_t messages() const noexcept { return messages_.size(); }
  const schema::Message& message(std::size_t i) const noexcept { return messages_[i]; }
  Fate fate(std::size_t i) const noexcept { return fates_[i]; }
  schema::BatchSet& tables() noexcept { return *tables_; }
  const schema::Catalog& catalog() const noexcept { return mapper_->catalog(); }

  /// Row `row` of mapped table `table` cannot be stored: its message becomes a dead letter (once a
  /// table), about this row only where the message's rows are numbered. The row itself stays where
  /// it is.
  void refuse(std::size_t table, std::size_t row, std::string_view reason);

 private:
  bool full() const noexcept;
  bool read_batch(std::stop_token stop, std::chrono::milliseconds wait);
  /// Maps what is left of the journal batch in hand. False: full.
  bool map_batch();
  void add(const RecordView& record);
  std::chrono::milliseconds age() const noexcept;

  Journal& journal_;
  os::Clock& clock_;
  std::string gateway_;
  Lane lane_;
  Limits limits_;
  std::shared_ptr<const schema::Catalog> catalog_;
  schema::SparkplugSessions sparkplug_;
  std::unique_ptr<schema::Mapper> mapper_;
  std::optional<schema::BatchSet> tables_;

  Position read_at_;
  std::shared_ptr<const Batch> current_;  // being walked by cursor_
  std::optional<RecordCursor> cursor_;
  std::vector<std::shared_ptr<const Batch>> held_;
  std::vector<schema::Message> messages_;
  std::vector<Fate> fates_;
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;       // of our records
  std::size_t held_bytes_ = 0;  // of the journal batches held and walked to their end
  std::chrono::steady_clock::time_point first_at_;
  struct Filling {
    std::chrono::steady_clock::time_point since;
    Position from;
    bool in_vain = false;  // rested, and nothing came
  };
  std::optional<Filling> filling_;
  /// A dead letter that refuse() made, and which rows it is about.
  struct Refused {
    std::size_t table;
    std::uint32_t source;
    schema::RowRange last{};  // the last range in its column `rows`
    std::size_t last_at = 0;  // where that begins in the text
  };
  /// The dead letter of the last refuse() is about this row too.
  void also_refused(std::uint32_t number);
  std::optional<Refused> last_refused_;
  std::deque<std::string> refused_rows_;  // column `rows` of the dead letters that refuse() made
};

}  // namespace rowgate::storage
