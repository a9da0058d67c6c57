#pragma once
// Packed payloads: gzip (RFC 1952, members one after another too), zlib (RFC 1950), Zstandard
// (RFC 8878, frames one after another too). At most 16 MiB come out of one message, whatever it
// announces. One Unpacker a Mapper: not thread-safe, its memory is reused from message to message.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "schema/mapping.hpp"
#include "schema/message.hpp"
#include "schema/row_batch.hpp"

namespace rowgate::schema {

/// What an MQTT 5 publisher says of its payload.
struct Announced {
  Compression compression = Compression::none;  // never automatic
  std::string_view unknown;  // a content encoding that is none of ours; empty: it is
};

/// By the user property `content-encoding` (gzip, deflate, zlib, zstd, identity), else by a content
/// type that ends in +gzip, +zlib or +zstd, or is application/gzip, /zlib or /zstd. Case is
/// ignored.
Announced announced_compression(const Message& message) noexcept;

class Unpacker {
 public:
  Unpacker();
  ~Unpacker();

  /// As a mapping says, or, where it leaves that to the publisher, as the message says. Not packed:
  /// the payload itself; else its content in the arena, which it must not outlive.
  /// nullopt: reason().
  std::optional<std::string_view> unpack(Compression how, const Message& message, Arena& arena);
  /// `how` is neither automatic nor none.
  std::optional<std::string_view> unpack(Compression how, std::string_view packed, Arena& arena);

  /// "the payload is not gzip: it ends too early".
  const std::string& reason() const noexcept { return reason_; }

 private:
  struct State;
  std::unique_ptr<State> state_;  // made when it is first needed
  std::string reason_;
};

}  // namespace rowgate::schema
