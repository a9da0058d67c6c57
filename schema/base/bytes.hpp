#pragma once
// Bounded readers and writers of integers in both byte orders.
//
// Reader never reads beyond its span: a read that does not fit sets `failed()` and returns zero or
// an empty view, so a decoder may read a whole structure and check once. Views borrow the span.
// Writer appends to a caller's std::string. Neither allocates of itself (the string may grow).
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace rowgate {

static_assert(std::endian::native == std::endian::little, "byte order code assumes little endian");

template <class T>
constexpr T byte_swap(T v) noexcept {
  if constexpr (sizeof(T) == 1) return v;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(v));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(v));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(v));
}

template <class T>
T load_le(const char* p) noexcept {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
T load_be(const char* p) noexcept {
  return byte_swap(load_le<T>(p));
}
template <class T>
void store_le(char* p, T v) noexcept {
  std::memcpy(p, &v, sizeof v);
}
template <class T>
void store_be(char* p, T v) noexcept {
  store_le(p, byte_swap(v));
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) noexcept : bytes_(bytes) {}

  template <class T>
  T le() noexcept {
    const char* p = take(sizeof(T));
    return p ? load_le<T>(p) : T{};
  }
  template <class T>
  T be() noexcept {
    const char* p = take(sizeof(T));
    return p ? load_be<T>(p) : T{};
  }
  std::uint8_t u8() noexcept { return le<std::uint8_t>(); }
  std::string_view view(std::size_t n) noexcept {
    const char* p = take(n);
    return p ? std::string_view(p, n) : std::string_view{};
  }
  std::string_view rest() noexcept { return view(remaining()); }

  std::size_t offset() const noexcept { return at_; }
  std::size_t remaining() const noexcept { return bytes_.size() - at_; }
  bool failed() const noexcept { return failed_; }

 private:
  const char* take(std::size_t n) noexcept {
    if (failed_ || n > remaining()) {
      failed_ = true;
      return nullptr;
    }
    const char* p = bytes_.data() + at_;
    at_ += n;
    return p;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

class Writer {
 public:
  explicit Writer(std::string& out) noexcept : out_(out) {}

  template <class T>
  void le(T v) {
    out_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  template <class T>
  void be(T v) {
    le(byte_swap(v));
  }
  void u8(std::uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void bytes(std::string_view v) { out_.append(v); }

 private:
  std::string& out_;
};

}  // namespace rowgate
