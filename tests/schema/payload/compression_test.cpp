#include "schema/payload/compression.hpp"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "schema/base/bytes.hpp"
#include "tests/schema/payload/random_json.hpp"

namespace rowgate::schema {
namespace {

constexpr std::size_t mebibyte = 1U << 20;

std::string deflated(const std::string& content, int window) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string packed(Compression how, const std::string& content) {
  if (how != Compression::zstd) {
    return deflated(content, how == Compression::gzip ? MAX_WBITS + 16 : MAX_WBITS);
  }
  std::string out(ZSTD_compressBound(content.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), content.data(), content.size(), 3));
  return out;
}

std::string unpacked(Unpacker& unpacker, Compression how, std::string_view payload) {
  Arena arena;
  const auto content = unpacker.unpack(how, payload, arena);
  return content ? std::string(*content) : unpacker.reason();
}

std::string unpacked(Compression how, std::string_view payload) {
  Unpacker unpacker;
  return unpacked(unpacker, how, payload);
}

constexpr Compression all[] = {Compression::gzip, Compression::zlib, Compression::zstd};

TEST(Compression, gives_back_what_was_packed) {
  Unpacker unpacker;
  RandomJson random(3);
  for (const Compression how : all) {
    for (const std::size_t size : {0U, 1U, 100U, 65'535U, 65'536U, 65'537U, 3'000'000U}) {
      std::string content = random.bytes(size);
      content.resize(size, 'x');
      ASSERT_EQ(unpacked(unpacker, how, packed(how, content)), content) << size;
    }
  }
}

TEST(Compression, takes_16_mebibytes_and_not_a_byte_more) {
  Unpacker unpacker;
  const std::string most(16 * mebibyte, 'x');
  for (const Compression how : all) {
    EXPECT_EQ(unpacked(unpacker, how, packed(how, most)).size(), most.size());
    const std::string reason = unpacked(unpacker, how, packed(how, most + "x"));
    EXPECT_TRUE(reason.ends_with(": it holds more than 16 MiB")) << reason;
  }
}

TEST(Compression, a_bomb_is_refused_before_it_is_unpacked) {
  const std::string bomb = packed(Compression::gzip, std::string(200 * mebibyte, '\0'));
  Unpacker unpacker;
  Arena arena;
  EXPECT_FALSE(unpacker.unpack(Compression::gzip, bomb, arena));
  EXPECT_EQ(unpacker.reason(), "the payload is not gzip: it holds more than 16 MiB");
  EXPECT_EQ(arena.used(), 0U);
}

TEST(Compression, every_cut_is_told) {
  const std::string content = "some text, some text, some text";
  for (const Compression how : all) {
    const std::string whole = packed(how, content);
    for (std::size_t size = 1; size < whole.size(); ++size) {
      const std::string reason = unpacked(how, whole.substr(0, size));
      EXPECT_TRUE(reason.ends_with(": it ends too early")) << reason << " at " << size;
    }
    EXPECT_TRUE(unpacked(how, "").ends_with(": it is empty"));
  }
}

TEST(Compression, what_follows_the_end_is_told) {
  EXPECT_EQ(unpacked(Compression::gzip, packed(Compression::gzip, "a") + "garbage"),
            "the payload is not gzip: something follows its end");
  EXPECT_EQ(unpacked(Compression::zlib, packed(Compression::zlib, "a") + "x"),
            "the payload is not zlib: something follows its end");
  EXPECT_TRUE(unpacked(Compression::zstd, packed(Compression::zstd, "a") + "garbage")
                  .starts_with("the payload is not zstd: "));
}

TEST(Compression, gzip_members_and_zstd_frames_may_follow_each_other) {
  for (const Compression how : {Compression::gzip, Compression::zstd}) {
    EXPECT_EQ(unpacked(how, packed(how, "one,") + packed(how, "") + packed(how, "two")), "one,two");
  }
}

TEST(Compression, every_damaged_byte_is_found_or_harmless) {
  const std::string content = "some text, some text, some text";
  Unpacker unpacker;
  const std::string whole = packed(Compression::gzip, content);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    const std::string result = unpacked(unpacker, Compression::gzip, damaged);
    EXPECT_TRUE(result == content || result.starts_with("the payload is not gzip: ")) << result;
  }
  // And the next one is read as if nothing had been.
  EXPECT_EQ(unpacked(unpacker, Compression::gzip, whole), content);
}

TEST(Compression, says_what_it_is_not) {
  EXPECT_EQ(unpacked(Compression::gzip, "{\"a\":1}"),
            "the payload is not gzip: incorrect header check");
  EXPECT_EQ(unpacked(Compression::zlib, "{\"a\":1}"),
            "the payload is not zlib: incorrect header check");
  EXPECT_TRUE(unpacked(Compression::zstd, "{\"a\":1}").starts_with("the payload is not zstd: "));
}

TEST(Compression, random_bytes_are_refused) {
  Unpacker unpacker;
  RandomJson random(5);
  for (int i = 0; i < 3000; ++i) {
    const std::string bytes = random.bytes(60) + "!";
    for (const Compression how : all) {
      EXPECT_TRUE(unpacked(unpacker, how, bytes).starts_with("the payload is not "));
    }
  }
}

std::string property(std::string_view name, std::string_view value) {
  std::string wire;
  Writer out(wire);
  out.u8(0x26);
  for (const std::string_view s : {name, value}) {
    out.be(static_cast<std::uint16_t>(s.size()));
    out.bytes(s);
  }
  return wire;
}

std::string type(std::string_view value) {
  std::string wire;
  Writer out(wire);
  out.u8(0x03);
  out.be(static_cast<std::uint16_t>(value.size()));
  out.bytes(value);
  return wire;
}

Announced announced(const std::string& properties) {
  Message message;
  message.properties = properties;
  return announced_compression(message);
}

TEST(Compression, is_what_the_publisher_says) {
  EXPECT_EQ(announced("").compression, Compression::none);
  EXPECT_EQ(announced(property("content-encoding", "gzip")).compression, Compression::gzip);
  EXPECT_EQ(announced(property("Content-Encoding", " GZip ")).compression, Compression::gzip);
  EXPECT_EQ(announced(property("content-encoding", "deflate")).compression, Compression::zlib);
  EXPECT_EQ(announced(property("content-encoding", "zstd")).compression, Compression::zstd);
  EXPECT_EQ(announced(property("encoding", "gzip")).compression, Compression::none);
  EXPECT_EQ(announced(type("application/json+gzip")).compression, Compression::gzip);
  EXPECT_EQ(announced(type("Application/Zstd; v=1")).compression, Compression::zstd);
  EXPECT_EQ(announced(type("text/csv+zlib")).compression, Compression::zlib);
  EXPECT_EQ(announced(type("application/json")).compression, Compression::none);
  EXPECT_EQ(announced(property("a", "b") + type("x+gzip")).compression, Compression::gzip);
}

TEST(Compression, the_encoding_says_more_than_the_type) {
  const std::string both = type("text/csv+gzip") + property("content-encoding", "identity");
  EXPECT_EQ(announced(both).compression, Compression::none);
}

TEST(Compression, an_unknown_encoding_is_told) {
  const std::string properties = property("content-encoding", "br");
  Message message;
  message.payload = "x";
  message.properties = properties;
  Unpacker unpacker;
  Arena arena;
  EXPECT_FALSE(unpacker.unpack(Compression::automatic, message, arena));
  EXPECT_EQ(
      unpacker.reason(),
      "the payload's content-encoding 'br' is not known (gzip, deflate, zlib, zstd, identity)");
  EXPECT_EQ(unpacker.unpack(Compression::none, message, arena), "x");
}

}  // namespace
}  // namespace rowgate::schema
