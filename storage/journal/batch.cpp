#include "storage/journal/batch.hpp"

#include "storage/journal/format.hpp"

namespace rowgate::storage {

RecordCursor::RecordCursor(const Batch& batch, Position from) noexcept
    : base_(batch.bytes().data()),
      at_(base_ + (from.value - batch.first().value)),
      end_(base_ + batch.bytes().size()),
      first_(batch.first()),
      plain_(batch.plain()) {}

bool RecordCursor::next(RecordView& out) noexcept {
  if (at_ >= end_) return false;
  const std::size_t length = format::length_at(at_);
  format::decode({at_, length}, out);
  at_ += length;
  return true;
}

bool RecordCursor::next_publish(Lane lane, RecordView& out) noexcept {
  while (at_ < end_) {
    const std::size_t length = format::length_at(at_);
    const char* record = at_;
    at_ += length;
    if (format::type_of(record) == RecordType::publish && format::lane_at(record) == lane) {
      format::decode({record, length}, out);
      return true;
    }
  }
  return false;
}

bool RecordCursor::next_special(bool all_publishes, RecordView& out) noexcept {
  if (plain_ && !all_publishes) {
    at_ = end_;
    return false;
  }
  while (at_ < end_) {
    const std::size_t length = format::length_at(at_);
    const char* record = at_;
    at_ += length;
    const RecordType type = format::type_of(record);
    if (type == RecordType::event ||
        (type == RecordType::publish && (all_publishes || format::retain_at(record)))) {
      format::decode({record, length}, out);
      return true;
    }
  }
  return false;
}

}  // namespace rowgate::storage
