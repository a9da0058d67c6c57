#include "tests/simulation/trace.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace rowgate::simulation {
namespace {

struct Words {
  std::string_view event, a, b, c;  // what the numbers are; empty: nothing
};

constexpr std::array<Words, events> words{{
    {"connect", "client", "clean", "connection"},
    {"connack", "client", "present", "code"},
    {"publish", "device", "qos", "message"},
    {"publish again", "device", "dup", "message"},
    {"pubrel", "device", "id", ""},
    {"puback", "device", "id", "message"},
    {"pubrec", "device", "id", "message"},
    {"pubcomp", "device", "id", "message"},
    {"hang up", "connection", "", ""},
    {"disconnect", "client", "", ""},
    {"cut off", "client", "", ""},
    {"subscribe", "client", "id", "qos"},
    {"unsubscribe", "client", "id", ""},
    {"answered", "client", "id", "code"},
    {"copy", "client", "message", "retain-dup-qos"},
    {"taken", "client", "message", "id"},
    {"released", "client", "id", ""},
    {"will", "client", "message", "delayed"},
    {"boot", "first", "durable", "lanes"},
    {"no boot", "", "", ""},
    {"commit step", "durable", "appended", ""},
    {"durable", "message", "position", ""},
    {"drained", "lane", "checkpoint", "messages"},
    {"trimmed", "first", "", ""},
    {"waits for the journal", "connections", "", ""},
    {"qos 0 dropped", "so far", "", ""},
    {"journal failed", "durable", "", ""},
    {"lane ended", "lane", "how", ""},
    {"stopped", "durable", "", ""},
    {"kill", "", "", ""},
    {"power cut", "", "", ""},
    {"dies in an operation", "done", "", ""},
    {"write fails", "bytes written", "of", ""},
    {"disk full", "bytes written", "of", ""},
    {"fdatasync fails", "", "", ""},
    {"directory operation fails", "", "", ""},
    {"read fails", "", "", ""},
    {"state store fails", "", "", ""},
    {"database away", "", "", ""},
    {"database back", "", "", ""},
    {"database operation fails", "", "", ""},
    {"commit lost, not made", "", "", ""},
    {"commit's answer lost", "", "", ""},
    {"database crashes", "forgets commits", "", ""},
    {"row refused", "", "", ""},
    {"table misfits", "on", "", ""},
    {"second gateway", "durable", "", ""},
    {"second gateway ended", "", "", ""},
    {"time passes", "us", "", ""},
    {"wall clock set", "us", "", ""},
    {"mapping", "generation", "", ""},
    {"heal", "", "", ""},
    {"row", "message", "table", ""},
}};

}  // namespace

std::string_view name_of(Event event) noexcept {
  return words[static_cast<std::size_t>(event)].event;
}

void Trace::add(Event event, std::uint64_t a, std::uint64_t b, std::uint64_t c) noexcept {
  for (const std::uint64_t n : {static_cast<std::uint64_t>(event), a, b, c}) {
    hash_ = (hash_ ^ n) * 0x9E3779B97F4A7C15ULL;
    hash_ ^= hash_ >> 29;
  }
  ++counts_[static_cast<std::size_t>(event)];
  Entry& entry = last_[static_cast<std::size_t>(added_++ % kept)];
  entry = {step_, event, a, b, c};
  if (verbose_) fmt::print("{}\n", line(entry));
}

std::string Trace::line(const Entry& entry) {
  const Words& w = words[static_cast<std::size_t>(entry.event)];
  std::string text = fmt::format("{:6} {}", entry.step, w.event);
  const auto number = [&](std::string_view what, std::uint64_t n) {
    if (!what.empty()) text += fmt::format(" {} {}", what, n);
  };
  number(w.a, entry.a);
  number(w.b, entry.b);
  number(w.c, entry.c);
  return text;
}

std::string Trace::tail() const {
  std::string text;
  for (std::uint64_t i = added_ - std::min<std::uint64_t>(added_, kept); i < added_; ++i) {
    text += line(last_[static_cast<std::size_t>(i % kept)]) + '\n';
  }
  return text;
}

}  // namespace rowgate::simulation
