#include "storage/journal/segment_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "schema/base/bytes.hpp"
#include "storage/journal/format.hpp"

namespace rowgate::storage {
namespace {

constexpr std::size_t block_bytes = 1U << 20;
constexpr std::size_t name_digits = 20;
constexpr std::string_view suffix = ".seg";

}  // namespace

std::string segment_name(Position base) {
  return fmt::format("{:020}{}", base.value, suffix);
}

bool parse_segment_name(std::string_view name, Position& base) noexcept {
  if (name.size() != name_digits + suffix.size() || name.substr(name_digits) != suffix) {
    return false;
  }
  const char* const end = name.data() + name_digits;
  const auto got = std::from_chars(name.data(), end, base.value);
  return got.ec == std::errc{} && got.ptr == end;
}

SegmentScan::SegmentScan(os::File& file, Position base, Position from, std::uint32_t seed,
                         std::vector<char>& buffer)
    : file_(file), base_(base), at_(from), seed_(seed), buffer_(buffer) {
  if (buffer_.size() < block_bytes) buffer_.resize(block_bytes);
}

/// Makes n bytes at at_ available in buffer_; false when the file ends before.
bool SegmentScan::have(std::size_t n) {
  if (end_ - begin_ >= n) return true;
  const std::uint64_t offset = at_.value - base_.value;
  if (n > buffer_.size()) {
    // A damaged length field must not make us allocate more than the file could fill.
    if (n > require(file_.size()) - offset) return false;
    buffer_.resize(n);
  }
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  end_ += require(file_.read_at(offset + end_, buffer_.data() + end_, buffer_.size() - end_));
  return end_ >= n;
}

bool SegmentScan::next(std::string_view& record) {
  if (!have(format::header_size)) return false;
  const std::size_t length = format::length_at(buffer_.data() + begin_);
  if (length < format::header_size || !have(length)) return false;
  record = {buffer_.data() + begin_, length};
  if (!format::verify(record, at_, seed_)) return false;
  begin_ += length;
  at_.value += length;
  return true;
}

TailFinding search_tail(os::File& file, Position base, Position invalid, std::uint32_t seed) {
  constexpr std::size_t position_at = 8;
  TailFinding found;
  const std::uint64_t size = require(file.size());
  std::vector<char> block(block_bytes);
  std::vector<char> scratch;
  // Blocks overlap by a header, so that every header lies whole in one of them.
  for (std::uint64_t offset = invalid.value - base.value; offset + format::header_size <= size;
       offset += block_bytes - format::header_size + 1) {
    const std::size_t n = require(file.read_at(offset, block.data(), block.size()));
    for (std::size_t i = 0; i + format::header_size <= n; ++i) {
      const Position here{base.value + offset + i};
      if (load_le<std::uint64_t>(block.data() + i + position_at) != here.value) continue;
      std::string_view record;
      SegmentScan scan(file, base, here, seed, scratch);
      const bool valid = scan.next(record);
      if (valid || here == invalid) found.remains = true;
      if (valid && format::type_of(record.data()) == RecordType::mark &&
          format::mark_durable(record) > invalid) {
        found.proof = true;
        found.mark = here;
        found.durable = format::mark_durable(record);
        return found;
      }
    }
  }
  return found;
}

}  // namespace rowgate::storage
