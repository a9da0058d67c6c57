#pragma once
// Reads one segment file record by record, in large blocks, verifying each.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/journal/journal.hpp"
#include "storage/os/file.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

/// "00000000000000001234.seg" for the segment whose first byte is at 1234.
std::string segment_name(Position base);
/// False when `name` is not a segment's.
bool parse_segment_name(std::string_view name, Position& base) noexcept;

/// The value, or JournalError with the disk's sentence.
template <class T>
T require(Result<T, os::Error> result) {
  if (!result) throw JournalError(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class SegmentScan {
 public:
  /// Begins at `from`. `buffer` is working memory that a caller may use for one scan after another.
  SegmentScan(os::File& file, Position base, Position from, std::uint32_t seed,
              std::vector<char>& buffer);
  /// The next record, valid until the next call; false at the first byte that begins none.
  /// Throws JournalError when the file cannot be read.
  bool next(std::string_view& record);
  /// Where the next record begins, or would.
  Position position() const noexcept { return at_; }

 private:
  bool have(std::size_t n);

  os::File& file_;
  Position base_;
  Position at_;
  std::uint32_t seed_;
  std::vector<char>& buffer_;
  std::size_t begin_ = 0;  // of what is not yet handed out, in buffer_
  std::size_t end_ = 0;
};

/// What lies behind the first invalid record of the last segment.
struct TailFinding {
  bool remains =
      false;           // a valid record, or the beginning of one that belongs there: a torn commit
  bool proof = false;  // a mark says that bytes at or beyond the invalid record were durable
  Position mark;       // that mark
  Position durable;    // what it says
};
/// Looks at every byte from `invalid` to the end of the file.
TailFinding search_tail(os::File& file, Position base, Position invalid, std::uint32_t seed);

}  // namespace rowgate::storage
