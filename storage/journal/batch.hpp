#pragma once
// A run of whole, verified records [first, end): what one commit wrote, or what was read back from
// a segment. Immutable once published; shared by the lanes; views into it live as long as it does.
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "storage/journal/record.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

class Batch {
 public:
  /// Takes a copy-free hold of `bytes`, which `owner` keeps alive. `plain`: see plain().
  Batch(Position first, std::string_view bytes, std::shared_ptr<const void> owner,
        bool plain = false) noexcept
      : first_(first), bytes_(bytes), owner_(std::move(owner)), plain_(plain) {}

  Position first() const noexcept { return first_; }
  Position end() const noexcept { return {first_.value + bytes_.size()}; }
  std::string_view bytes() const noexcept { return bytes_; }
  /// It is known to hold neither an event nor a publish with RETAIN: whoever looks for those need
  /// not touch it. Of what was read back from a segment nobody knows.
  bool plain() const noexcept { return plain_; }

 private:
  Position first_;
  std::string_view bytes_;
  std::shared_ptr<const void> owner_;
  bool plain_;
};

/// Walks a batch's records from `from` (a record's position inside the batch) to its end.
/// Does not check CRCs again: a Batch holds verified records only.
class RecordCursor {
 public:
  RecordCursor(const Batch& batch, Position from) noexcept;
  /// False at the end. The views in `out` live as long as the batch.
  bool next(RecordView& out) noexcept;
  /// As next(), but steps over publishes of other lanes without decoding them.
  bool next_publish(Lane lane, RecordView& out) noexcept;
  /// As next(), but only events and publishes: all of them, or those with RETAIN. Steps over
  /// everything else without decoding it, and over a plain batch at once.
  bool next_special(bool all_publishes, RecordView& out) noexcept;

 private:
  const char* base_;
  const char* at_;
  const char* end_;
  Position first_;
  bool plain_;
};

}  // namespace rowgate::storage
