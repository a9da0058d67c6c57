// Properties over many inputs: any split of a stream gives the same packets, no prefix of a packet
// decodes as a whole one, and no mutation of valid packets breaks an invariant of decode_any.hpp.
#include <random>
#include <vector>

#include "tests/gateway/mqtt/decode_any.hpp"
#include "tests/gateway/mqtt/wire_text.hpp"

namespace rowgate::mqtt {
namespace {

using test::decode_any;
using test::wire;

// A packet whose Remaining Length fits its body.
std::string packet(unsigned first, std::string_view body) {
  const std::string bytes = wire(body);
  std::string out(1, static_cast<char>(first));
  append_varint(out, static_cast<std::uint32_t>(bytes.size()));
  return out + bytes;
}

std::vector<std::string> packets() {
  return {
      packet(0x10, "0004 'MQTT' 04 02 003C 0004 'dev1'"),
      packet(0x10, "0004 'MQTT' 04 EE 000A 0001 'c' 0004 'gone' 0003 'bye' 0004 'user' 0002 'pw'"),
      packet(0x10,
             "0004 'MQTT' 05 C6 0000 08 11 00000E10 21 0014 0001 'c' 05 18 00000001 0001 'w' 0000"
             "0001 'u' 0008 'password'"),
      packet(0x10, "0006 'MQIsdp' 03 C6 003C 0001 'c' 0001 'w' 0000 0001 'u' 0002 'pw'"),
      packet(0x30, "0003 'a/b' '2.5'"),
      packet(0x32, "0010 's/1/temperature/' 0102 '21.5'"),
      packet(0x3D, "0001 't' 0007 0D 01 01 23 0005 26 0001 'k' 0002 'vv' '{}'"),
      packet(0x30, "0000 03 23 0001"),
      packet(0x34, "0003 'r/q' 0001 0E 08 0003 'r/a' 09 0002 00FF 03 0000 '12'"),
      packet(0x40, "000A"),
      packet(0x50, "0001 80 06 1F 0003 'why'"),
      packet(0x62, "0001 92 00"),
      packet(0x70, "FFFF"),
      packet(0x82, "000A 0003 'a/b' 01 0002 '+/' 02"),
      packet(0x82, "0001 03 0B C803 0001 '#' 2E"),
      packet(0x82, "0001 00 000C '$share/g/a/#' 01"),
      packet(0xA2, "0002 07 26 0001 'k' 0001 'v' 0001 'a' 0002 '/#'"),
      packet(0xC0, ""),
      packet(0xE0, "00 05 11 0000003C"),
      packet(0xE0, ""),
      packet(0xF0, "18 09 15 0001 'm' 16 0002 'dd'"),
      packet(0x20, "00 00 05 21 0064 2A 00"),
  };
}

void decode_all(std::string_view bytes) {
  while (true) {
    const FrameResult result = next_frame(bytes, 4096);
    if (result.status == FrameResult::Status::need_more) test::must(result.wanted > bytes.size());
    if (result.status != FrameResult::Status::frame) return;
    test::must(result.frame.size >= 2 && result.frame.size <= bytes.size());
    decode_any(result.frame, Version::v31);
    decode_any(result.frame, Version::v311);
    decode_any(result.frame, Version::v5);
    bytes.remove_prefix(result.frame.size);
  }
}

// A mutation of something refused anyway would reach little of a decoder.
TEST(Mutation, starts_from_packets_that_are_taken) {
  for (const std::string& bytes : packets()) {
    const Frame frame = test::frame_of(bytes);
    if (frame.type == PacketType::connect) {
      EXPECT_TRUE(decode_connect(frame));
    } else if (frame.type == PacketType::publish) {
      EXPECT_TRUE(decode_publish(frame, Version::v311) || decode_publish(frame, Version::v5));
    } else if (frame.type == PacketType::subscribe) {
      EXPECT_TRUE(decode_subscribe(frame, Version::v311) || decode_subscribe(frame, Version::v5));
    }
  }
}

TEST(Stream, any_split_gives_the_packets_of_the_whole) {
  std::string whole;
  for (const std::string& packet : packets()) {
    whole += packet;
  }
  // Two cuts at every pair of places: the stream arrives in three pieces.
  for (std::size_t first = 0; first <= whole.size(); first += 3) {
    for (std::size_t second = first; second <= whole.size(); second += 5) {
      std::string buffer;
      std::size_t taken = 0;
      std::vector<std::string> found;
      for (const std::size_t end : {first, second, whole.size()}) {
        buffer.append(whole, taken + buffer.size(), end - taken - buffer.size());
        std::size_t at = 0;
        for (FrameResult r; (r = next_frame(std::string_view(buffer).substr(at), 4096)).status ==
                            FrameResult::Status::frame;
             at += r.frame.size) {
          found.push_back(buffer.substr(at, r.frame.size));
        }
        buffer.erase(0, at);
        taken += at;
      }
      ASSERT_EQ(found, packets()) << first << ' ' << second;
    }
  }
}

TEST(Stream, no_prefix_of_a_packet_is_a_packet) {
  for (const std::string& packet : packets()) {
    for (std::size_t size = 0; size < packet.size(); ++size) {
      // An own allocation, so that AddressSanitizer sees a read beyond it.
      const std::vector<char> part(packet.begin(), packet.begin() + static_cast<long>(size));
      const FrameResult result = next_frame({part.data(), size}, 4096);
      ASSERT_EQ(result.status, FrameResult::Status::need_more);
      ASSERT_GT(result.wanted, size);
      ASSERT_LE(result.wanted, packet.size());
    }
  }
}

TEST(Mutation, random_bytes_changed_inserted_and_removed_break_no_invariant) {
  std::mt19937_64 random(20261121);
  const std::vector<std::string> seeds = packets();
  const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (int round = 0; round < 60000; ++round) {
    std::string bytes = seeds[below(seeds.size())];
    if (below(3) == 0) bytes += seeds[below(seeds.size())];
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      const std::size_t at = below(bytes.size());
      const char byte = static_cast<char>(random());
      switch (below(4)) {
        case 0:
          bytes[at] = byte;
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
          break;
        case 2:
          bytes.insert(at, 1, byte);
          break;
        default:
          if (bytes.size() > 1) bytes.erase(at, 1);
          break;
      }
    }
    const std::vector<char> exact(bytes.begin(), bytes.end());
    decode_all({exact.data(), exact.size()});
  }
}

TEST(Mutation, bodies_with_a_fitting_length_break_no_invariant) {
  // The fixed header always fits, so that mutations reach the decoders instead of the framing.
  std::mt19937_64 random(5);
  const std::vector<std::string> seeds = packets();
  for (int round = 0; round < 60000; ++round) {
    const std::string& seed = seeds[random() % seeds.size()];
    std::vector<char> body(seed.begin() + 2, seed.end());
    for (std::size_t n = 1 + random() % 3; n > 0 && !body.empty(); --n) {
      body[random() % body.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0 && !body.empty()) body.resize(random() % body.size());
    Frame frame;
    frame.type = static_cast<PacketType>(static_cast<std::uint8_t>(seed[0]) >> 4);
    frame.flags = seed[0] & 15;
    frame.body = {body.data(), body.size()};
    frame.size = body.size() + 2;
    decode_any(frame, Version::v31);
    decode_any(frame, Version::v311);
    decode_any(frame, Version::v5);
  }
}

}  // namespace
}  // namespace rowgate::mqtt
