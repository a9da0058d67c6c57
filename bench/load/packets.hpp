#pragma once
// The bytes this generator sends. A PUBLISH is finished once per topic and then only patched:
// packet id, client and sequence number have a fixed width, so every packet of a run has the same
// size.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/options.hpp"

namespace rowgate::load {

constexpr std::uint32_t max_clients = 100'000;
constexpr std::uint32_t max_topics = 1'000'000;
constexpr std::size_t prefix_size = 4;
constexpr std::size_t client_id_size = prefix_size + 6;  // "load-00042"

/// Sequence numbers start here, so that they are always ten digits: JSON allows no leading zero.
constexpr std::uint64_t first_sequence = 1'000'000'000;
constexpr std::size_t sequence_digits = 10;

std::string client_id(std::string_view prefix, std::uint32_t index);

/// A decimal counter kept as text: adding one costs less than formatting a number.
class DecimalCounter {
 public:
  explicit DecimalCounter(std::uint64_t value) noexcept;
  void increment() noexcept {
    std::size_t i = sequence_digits;
    while (i-- > 0) {
      if (digits_[i] != '9') {
        ++digits_[i];
        return;
      }
      digits_[i] = '0';
    }
  }
  const char* text() const noexcept { return digits_.data(); }

 private:
  std::array<char, sequence_digits> digits_;
};

/// The finished PUBLISH of each topic. Immutable after construction: any thread.
class PublishTemplates {
 public:
  explicit PublishTemplates(const Options& options);

  std::size_t packet_size() const noexcept { return packet_size_; }
  std::uint32_t topics() const noexcept { return topics_; }

  /// Writes packet_size() bytes at `out`. `client` is client_id_size long, `sequence` ten digits.
  /// `id` is ignored at QoS 0.
  void write(char* out, std::uint32_t topic, std::uint16_t id, bool dup, const char* client,
             const char* sequence) const noexcept;

 private:
  std::string packets_;  // topics_ packets of packet_size_ bytes
  std::size_t packet_size_ = 0;
  std::uint32_t topics_;
  bool has_id_;
  bool json_;
  std::size_t id_at_ = 0;
  std::size_t device_at_ = 0;
  std::size_t sequence_at_ = 0;
  std::size_t time_at_ = 0;
  std::size_t temperature_at_ = 0;
  std::size_t humidity_at_ = 0;
};

/// CONNECT (3.1). `clean`: Clean Session / Clean Start. Keep alive 0; in 5.0 the session outlives
/// the connection by an hour.
std::string encode_connect(std::uint32_t version, std::string_view id, bool clean);

/// What a CONNACK (3.2) said. receive_maximum is 65,535 where the server set none.
struct Connack {
  bool valid = false;
  bool session_present = false;
  std::uint8_t reason = 0;
  std::uint16_t receive_maximum = 65535;
};
/// `body` is the packet after its Remaining Length.
Connack decode_connack(std::string_view body, std::uint32_t version) noexcept;

}  // namespace rowgate::load
