#pragma once
// What happened in a simulation: a hash of all of it, counts, and the last events in words.
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rowgate::simulation {

/// A promise is broken; what() says which.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Event : std::uint8_t {
  // Devices.
  connect,
  connack,
  publish,
  resend,
  pubrel,
  puback,
  pubrec,
  pubcomp,
  hang_up,
  leave,
  cut_off,
  // Subscribers.
  subscribe,
  unsubscribe,
  answered,
  copy,
  taken,
  released,
  will,
  // The gateway.
  boot,
  no_boot,
  commit,
  durable,
  drained,
  trimmed,
  stalled,
  dropped,
  journal_failed,
  lane_ended,
  stopped,
  // Faults.
  kill,
  power_cut,
  dies,
  write_fails,
  disk_full,
  sync_fails,
  directory_fails,
  read_fails,
  store_fails,
  database_away,
  database_back,
  database_fails,
  commit_lost_before,
  commit_lost_after,
  database_crashes,
  row_refused,
  table_misfits,
  second_gateway,
  second_ended,
  clock,
  wall_clock,
  mapping,
  heal,
  row,
  count_
};
inline constexpr std::size_t events = static_cast<std::size_t>(Event::count_);
std::string_view name_of(Event event) noexcept;

using Counts = std::array<std::uint64_t, events>;

class Trace {
 public:
  /// `verbose`: to standard output as well, as it happens.
  explicit Trace(bool verbose) noexcept : verbose_(verbose) {}

  void add(Event event, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0) noexcept;
  /// Part of the next events' lines.
  void step(std::uint64_t number) noexcept { step_ = number; }

  std::uint64_t hash() const noexcept { return hash_; }
  const Counts& counts() const noexcept { return counts_; }
  /// The last events, a line each.
  std::string tail() const;

 private:
  struct Entry {
    std::uint64_t step = 0;
    Event event{};
    std::uint64_t a = 0, b = 0, c = 0;
  };
  static std::string line(const Entry& entry);

  static constexpr std::size_t kept = 60;
  const bool verbose_;
  std::uint64_t step_ = 0;
  std::uint64_t hash_ = 14695981039346656037ULL;
  std::uint64_t added_ = 0;
  Counts counts_{};
  std::array<Entry, kept> last_{};
};

}  // namespace rowgate::simulation
