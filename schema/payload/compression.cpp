#include "schema/payload/compression.hpp"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "schema/payload/reader.hpp"

namespace rowgate::schema {
namespace {

constexpr std::size_t most_bytes = PayloadLimits{}.bytes;
constexpr int zstd_window_log = 24;  // 16 MiB, as most_bytes
constexpr std::size_t first_room = 64U << 10;
// What one big message made bigger than this is let go after it.
constexpr std::size_t kept_room = 1U << 20;

constexpr std::string_view too_large = "it holds more than 16 MiB";
constexpr std::string_view too_short = "it ends too early";
constexpr std::string_view no_memory = "there is no memory to unpack it";

bool is_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

bool ends_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  return text.size() >= lower.size() &&
         is_ignoring_case(text.substr(text.size() - lower.size()), lower);
}

constexpr std::array<std::pair<std::string_view, Compression>, 6> encodings{
    {{"gzip", Compression::gzip},
     {"x-gzip", Compression::gzip},
     {"deflate", Compression::zlib},  // RFC 9110 section 8.4.1.2: it means zlib
     {"zlib", Compression::zlib},
     {"zstd", Compression::zstd},
     {"identity", Compression::none}}};
constexpr std::array<std::pair<std::string_view, Compression>, 6> types{
    {{"+gzip", Compression::gzip},
     {"application/gzip", Compression::gzip},
     {"+zlib", Compression::zlib},
     {"application/zlib", Compression::zlib},
     {"+zstd", Compression::zstd},
     {"application/zstd", Compression::zstd}}};

std::string_view name_of(Compression how) noexcept {
  if (how == Compression::gzip) return "gzip";
  return how == Compression::zlib ? "zlib" : "zstd";
}

}  // namespace

Announced announced_compression(const Message& message) noexcept {
  if (message.properties.empty()) return {};
  if (const auto encoding = user_property_ignoring_case(message.properties, "content-encoding")) {
    const std::string_view name = trimmed(*encoding);
    for (const auto& [known, compression] : encodings) {
      if (is_ignoring_case(name, known)) return {compression, {}};
    }
    return {Compression::none, name};
  }
  const auto whole = content_type(message.properties);
  if (!whole) return {};
  const std::string_view type = trimmed(whole->substr(0, whole->find(';')));
  for (const auto& [known, compression] : types) {
    if (known.front() == '+' ? ends_ignoring_case(type, known) : is_ignoring_case(type, known)) {
      return {compression, {}};
    }
  }
  return {};
}

struct Unpacker::State {
  ~State() {
    if (inflating) inflateEnd(&stream);
    ZSTD_freeDCtx(zstd);
  }

  /// Room behind what there is. False: there is more than a message may hold.
  bool make_room();
  void let_go();

  // What is wrong with `packed`; empty: its content is in `bytes`.
  std::string_view inflate_all(std::string_view packed, bool gzip);
  std::string_view unpack_zstd(std::string_view packed);

  std::unique_ptr<char[]> bytes;
  std::size_t room = 0;
  std::size_t size = 0;
  z_stream stream{};
  bool inflating = false;
  ZSTD_DCtx* zstd = nullptr;
};

bool Unpacker::State::make_room() {
  if (size < room) return true;
  if (size > most_bytes) return false;
  const std::size_t larger = std::min(std::max(room * 2, first_room), most_bytes + 1);
  auto moved = std::make_unique_for_overwrite<char[]>(larger);
  if (size > 0) std::memcpy(moved.get(), bytes.get(), size);
  bytes = std::move(moved);
  room = larger;
  return true;
}

void Unpacker::State::let_go() {
  if (room > kept_room) {
    bytes.reset();
    room = 0;
  }
  if (zstd != nullptr && ZSTD_sizeof_DCtx(zstd) > kept_room) {
    ZSTD_freeDCtx(zstd);
    zstd = nullptr;
  }
}

std::string_view Unpacker::State::inflate_all(std::string_view packed, bool gzip) {
  constexpr int gzip_only = MAX_WBITS + 16;
  const int window = gzip ? gzip_only : MAX_WBITS;
  if (inflating ? inflateReset2(&stream, window) != Z_OK : inflateInit2(&stream, window) != Z_OK) {
    return no_memory;
  }
  inflating = true;
  // zlib's interface does not know const; it does not write there.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  bool first = true;
  while (true) {
    if (!make_room()) return too_large;
    stream.next_out = reinterpret_cast<Bytef*>(bytes.get() + size);
    stream.avail_out = static_cast<uInt>(room - size);
    const int result = ::inflate(&stream, Z_NO_FLUSH);
    size = room - stream.avail_out;
    switch (result) {
      case Z_STREAM_END:
        if (size > most_bytes) return too_large;
        if (stream.avail_in == 0) return {};
        if (!gzip || inflateReset(&stream) != Z_OK) return "something follows its end";
        first = false;
        break;
      case Z_OK:
      case Z_BUF_ERROR:
        if (stream.avail_out > 0 && stream.avail_in == 0) return too_short;
        break;
      case Z_NEED_DICT:
        return "it needs a dictionary";
      case Z_MEM_ERROR:
        return no_memory;
      default:
        if (!first && stream.total_out == 0) return "something follows its end";
        return stream.msg != nullptr ? std::string_view(stream.msg) : "it is damaged";
    }
  }
}

std::string_view Unpacker::State::unpack_zstd(std::string_view packed) {
  if (zstd == nullptr) {
    zstd = ZSTD_createDCtx();
    if (zstd == nullptr) return no_memory;
    ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, zstd_window_log);
  }
  ZSTD_DCtx_reset(zstd, ZSTD_reset_session_only);
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  while (true) {
    if (!make_room()) return too_large;
    ZSTD_outBuffer out{bytes.get(), room, size};
    const std::size_t left = ZSTD_decompressStream(zstd, &out, &in);
    size = out.pos;
    if (ZSTD_isError(left) != 0) {
      if (ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge) {
        return "it needs a window of more than 16 MiB";
      }
      return ZSTD_getErrorName(left);
    }
    if (in.pos < in.size) continue;
    if (left == 0) return size > most_bytes ? too_large : std::string_view{};
    if (size < room) return too_short;
  }
}

Unpacker::Unpacker() = default;
Unpacker::~Unpacker() = default;

std::optional<std::string_view> Unpacker::unpack(Compression how, const Message& message,
                                                 Arena& arena) {
  if (how == Compression::automatic) {
    const Announced announced = announced_compression(message);
    if (!announced.unknown.empty()) {
      reason_.assign("the payload's content-encoding '").append(announced.unknown);
      reason_.append("' is not known (gzip, deflate, zlib, zstd, identity)");
      return std::nullopt;
    }
    how = announced.compression;
  }
  if (how == Compression::none) return message.payload;
  return unpack(how, message.payload, arena);
}

std::optional<std::string_view> Unpacker::unpack(Compression how, std::string_view packed,
                                                 Arena& arena) {
  if (!state_) state_ = std::make_unique<State>();
  State& s = *state_;
  s.size = 0;
  std::string_view wrong = "it is empty";
  if (!packed.empty()) {
    wrong = how == Compression::zstd ? s.unpack_zstd(packed)
                                     : s.inflate_all(packed, how == Compression::gzip);
  }
  std::optional<std::string_view> content;
  if (wrong.empty()) {
    content = arena.copy({s.bytes.get(), s.size});
  } else {
    reason_.assign("the payload is not ").append(name_of(how)).append(": ").append(wrong);
  }
  s.let_go();
  return content;
}

}  // namespace rowgate::schema
