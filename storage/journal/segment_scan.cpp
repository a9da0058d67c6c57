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
  const auto block = std::min<std::uint64_t>(block_bytes, require(file_.size()));
  if (buffer_.size() < block) buffer_.resize(static_cast<std::size_t>(block));
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

namespace {

/// The position after the last of the valid records that follow each other from `from` on; stops
/// at a mark that proves bytes at or beyond `invalid` durable.
Position follow(SegmentScan scan, Position invalid, TailFinding& found) {
  std::string_view record;
  for (Position here = scan.position(); scan.next(record); here = scan.position()) {
    found.remains = true;
    if (format::type_of(record.data()) != RecordType::mark) continue;
    found.durable = format::mark_durable(record);
    found.mark = here;
    found.proof = found.durable > invalid;
    if (found.proof) break;
  }
  return scan.position();
}

}  // namespace

TailFinding search_tail(os::File& file, Position base, Position invalid, std::uint32_t seed) {
  constexpr std::size_t position_at = 8;
  TailFinding found;
  const std::uint64_t behind = require(file.size()) - (invalid.value - base.value);
  std::vector<char> block(static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes, behind)));
  std::vector<char> scratch;
  Position at = invalid;
  for (;;) {
    const std::size_t n = require(file.read_at(at.value - base.value, block.data(), block.size()));
    if (n < format::header_size) return found;
    const Position last{at.value + n - format::header_size};  // whose header lies in the block
    const Position block_at = at;
    for (; at <= last; ++at.value) {
      const char* const header = block.data() + (at.value - block_at.value);
      if (load_le<std::uint64_t>(header + position_at) != at.value) continue;
      if (at == invalid) {
        found.remains = true;  // it was checked already
        continue;
      }
      const std::size_t length = format::length_at(header);
      const std::size_t left = n - (at.value - block_at.value);
      if (length <= left && !format::verify({header, length}, at, seed)) continue;
      const Position end = follow({file, base, at, seed, scratch}, invalid, found);
      if (found.proof) return found;
      if (end == at) continue;
      at = end;
      break;
    }
  }
}

}  // namespace rowgate::storage
