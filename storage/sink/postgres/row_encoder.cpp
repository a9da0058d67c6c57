#include "storage/sink/postgres/row_encoder.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "schema/base/bytes.hpp"

namespace rowgate::storage::postgres {
namespace {

using schema::Value;

/// 2000-01-01T00:00:00Z, PostgreSQL's epoch, in microseconds since 1970.
constexpr std::int64_t postgres_epoch = 946'684'800'000'000;
constexpr std::string_view signature{"PGCOPY\n\377\r\n\0", 11};

template <class T>
bool fits(std::int64_t v) noexcept {
  return v >= std::numeric_limits<T>::min() && v <= std::numeric_limits<T>::max();
}

}  // namespace

void RowEncoder::reserve(std::size_t n) {
  if (capacity_ - size_ >= n) return;
  const std::size_t capacity = std::max(size_ + n, capacity_ ? capacity_ * 2 : 2 * piece);
  auto grown = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_) std::memcpy(grown.get(), buffer_.get(), size_);
  buffer_ = std::move(grown);
  capacity_ = capacity;
}

template <class T>
void RowEncoder::put(T v) noexcept {
  store_be(buffer_.get() + size_, v);
  size_ += sizeof v;
}

void RowEncoder::start(std::span<const Wire> columns, bool ordinal) {
  columns_.assign(columns.begin(), columns.end());
  ordinal_ = ordinal;
  next_ordinal_ = 0;
  fixed_ = 2 + 12 * (columns.size() + 1);
  size_ = 0;
  reserve(signature.size() + 8);
  std::memcpy(buffer_.get(), signature.data(), signature.size());
  size_ = signature.size();
  put<std::int32_t>(0);  // flags
  put<std::int32_t>(0);  // header extension
}

void RowEncoder::finish() {
  reserve(2);
  put<std::int16_t>(-1);
}

std::optional<std::size_t> RowEncoder::add(std::span<const Value> row) {
  reserve(fixed_);
  put(static_cast<std::int16_t>(columns_.size() + ordinal_));
  if (ordinal_) {
    put<std::int32_t>(8);
    put(next_ordinal_++);
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i].is_null())
      put<std::int32_t>(-1);
    else if (!put_value(columns_[i], row[i]))
      return i;
  }
  return std::nullopt;
}

void RowEncoder::put_bytes(std::string_view v) {
  reserve(v.size() + fixed_);  // and what is left of the row
  put(static_cast<std::int32_t>(v.size()));
  if (!v.empty()) std::memcpy(buffer_.get() + size_, v.data(), v.size());
  size_ += v.size();
}

bool RowEncoder::put_value(Wire wire, const Value& value) {
  switch (wire) {
    case Wire::boolean:
      put<std::int32_t>(1);
      put<std::uint8_t>(value.as_bool());
      return true;
    case Wire::int2:
      if (!fits<std::int16_t>(value.as_bigint())) return false;
      put<std::int32_t>(2);
      put(static_cast<std::int16_t>(value.as_bigint()));
      return true;
    case Wire::int4:
      if (!fits<std::int32_t>(value.as_bigint())) return false;
      put<std::int32_t>(4);
      put(static_cast<std::int32_t>(value.as_bigint()));
      return true;
    case Wire::int8:
      put<std::int32_t>(8);
      put(value.as_bigint());
      return true;
    case Wire::float4: {
      const auto narrow = static_cast<float>(value.as_double() + 0.0);
      if (std::isinf(narrow) && !std::isinf(value.as_double())) return false;
      put<std::int32_t>(4);
      put(std::bit_cast<std::uint32_t>(narrow));
      return true;
    }
    case Wire::float8:
      put<std::int32_t>(8);
      // -0.0 becomes 0.0, as SQLite keeps it.
      put(std::bit_cast<std::uint64_t>(value.as_double() + 0.0));
      return true;
    case Wire::timestamptz:
      put<std::int32_t>(8);
      put(value.as_timestamp().micros - postgres_epoch);
      return true;
    case Wire::bytes:
      put_bytes(value.as_bytes());
      return true;
    case Wire::jsonb:
      put(static_cast<std::int32_t>(value.as_bytes().size() + 1));
      put<std::uint8_t>(1);
      // put_bytes writes a length of its own; here it is written already.
      reserve(value.as_bytes().size() + fixed_);
      std::memcpy(buffer_.get() + size_, value.as_bytes().data(), value.as_bytes().size());
      size_ += value.as_bytes().size();
      return true;
    case Wire::numeric:
      put_numeric(value.as_bytes());
      return true;
  }
  return false;
}

// numeric_send: digit groups of base 10,000; `weight` is the power of 10,000 of the first; `dscale`
// the decimal digits to show after the point.
void RowEncoder::put_numeric(std::string_view decimal) {
  const bool negative = !decimal.empty() && decimal.front() == '-';
  if (negative) decimal.remove_prefix(1);
  const std::size_t point = decimal.find('.');
  const std::string_view whole = decimal.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view{} : decimal.substr(point + 1);

  const std::size_t whole_groups = (whole.size() + 3) / 4;
  const std::size_t groups = whole_groups + (fraction.size() + 3) / 4;
  reserve(12 + 2 * groups + fixed_);
  // The digit `at` places left (negative: right) of the point; zero beyond what is written.
  const auto group = [&](std::size_t g) {
    int value = 0;
    for (std::size_t d = 0; d < 4; ++d) {
      const std::size_t at = g * 4 + d;
      char digit = '0';
      if (g < whole_groups) {
        const std::size_t padding = whole_groups * 4 - whole.size();
        if (at >= padding) digit = whole[at - padding];
      } else if (at - whole_groups * 4 < fraction.size()) {
        digit = fraction[at - whole_groups * 4];
      }
      value = value * 10 + (digit - '0');
    }
    return static_cast<std::int16_t>(value);
  };
  // Like numeric_in, without leading and trailing groups of zero.
  std::size_t first = 0;
  std::size_t last = groups;
  while (first < last && group(first) == 0) ++first;
  while (last > first && group(last - 1) == 0) --last;

  const std::size_t count = last - first;
  put(static_cast<std::int32_t>(8 + 2 * count));
  put(static_cast<std::int16_t>(count));
  put(static_cast<std::int16_t>(count ? static_cast<int>(whole_groups) - 1 - static_cast<int>(first)
                                      : 0));
  put(static_cast<std::uint16_t>(negative && count ? 0x4000 : 0));
  put(static_cast<std::int16_t>(fraction.size()));
  for (std::size_t g = first; g < last; ++g) put(group(g));
}

}  // namespace rowgate::storage::postgres
