// rowgate_load: an MQTT load generator that costs so little that it does not measure itself.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/loop.hpp"
#include "bench/load/options.hpp"

namespace {

using rowgate::load::Counters;
using rowgate::load::Loop;
using rowgate::load::Options;

std::atomic<bool> stop_requested{false};
extern "C" void request_stop(int) {
  stop_requested = true;
}

/// One run, summed over its threads. Rates are a second, latencies microseconds.
struct Outcome {
  Counters counters;
  double seconds = 0;
  double user_s = 0;
  double system_s = 0;
  std::int64_t start_unix_ns = 0;
  std::int64_t last_ack_unix_ns = 0;
};

std::int64_t unix_time_of(std::uint64_t steady_ns) {
  const auto system = std::chrono::system_clock::now().time_since_epoch();
  const auto offset = std::chrono::duration_cast<std::chrono::nanoseconds>(system).count() -
                      static_cast<std::int64_t>(rowgate::load::now_ns());
  return static_cast<std::int64_t>(steady_ns) + offset;
}

Outcome sum(const std::vector<std::unique_ptr<Loop>>& loops) {
  Outcome outcome;
  std::uint64_t start = loops.front()->times().start_ns;
  std::uint64_t end = 0;
  for (const auto& loop : loops) {
    outcome.counters.merge(loop->counters());
    outcome.user_s += loop->times().user_s;
    outcome.system_s += loop->times().system_s;
    start = std::min(start, loop->times().start_ns);
    end = std::max(end, loop->times().end_ns);
  }
  // The loop looks for its end every 20 ms; the last acknowledgement is the exact one.
  if (outcome.counters.last_ack_ns > start) end = outcome.counters.last_ack_ns;
  outcome.seconds = static_cast<double>(end - start) * 1e-9;
  outcome.start_unix_ns = unix_time_of(start);
  outcome.last_ack_unix_ns = unix_time_of(end);
  return outcome;
}

void print(const Options& o, const Outcome& out) {
  const Counters& c = out.counters;
  const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) * 1e-3; };
  const double sent = static_cast<double>(c.sent);
  const double acked = static_cast<double>(o.qos > 0 ? c.acked : c.sent);
  const double cpu = sent > 0 ? (out.user_s + out.system_s) * 1e6 / sent : 0;
  struct Line {
    const char* name;
    std::string value;
  };
  const std::vector<Line> lines{
      {"qos", fmt::format("{}", o.qos)},
      {"clients", fmt::format("{}", o.clients)},
      {"window", fmt::format("{}", o.window)},
      {"sent", fmt::format("{}", c.sent)},
      {"acked", fmt::format("{}", c.acked)},
      {"recorded", fmt::format("{}", c.recorded)},
      {"unacked", fmt::format("{}", c.unacked)},
      {"refused", fmt::format("{}", c.refused)},
      {"resent", fmt::format("{}", c.resent)},
      {"unexpected", fmt::format("{}", c.unexpected)},
      {"reconnects", fmt::format("{}", c.reconnects)},
      {"sessions_lost", fmt::format("{}", c.sessions_lost)},
      {"failed_clients", fmt::format("{}", c.failed)},
      {"seconds", fmt::format("{:.6f}", out.seconds)},
      {"messages_per_second", fmt::format("{:.0f}", out.seconds > 0 ? acked / out.seconds : 0)},
      {"latency_p50_us", fmt::format("{:.1f}", us(c.latency.quantile(0.5)))},
      {"latency_p90_us", fmt::format("{:.1f}", us(c.latency.quantile(0.9)))},
      {"latency_p99_us", fmt::format("{:.1f}", us(c.latency.quantile(0.99)))},
      {"latency_max_us", fmt::format("{:.1f}", us(c.latency.max()))},
      {"cpu_us_per_message", fmt::format("{:.3f}", cpu)},
      {"cpu_user_s", fmt::format("{:.3f}", out.user_s)},
      {"cpu_system_s", fmt::format("{:.3f}", out.system_s)},
      {"writes", fmt::format("{}", c.writes)},
      {"reads", fmt::format("{}", c.reads)},
      {"start_unix_ns", fmt::format("{}", out.start_unix_ns)},
      {"last_ack_unix_ns", fmt::format("{}", out.last_ack_unix_ns)},
  };
  const bool json = o.format == rowgate::load::Format::json;
  const char* separator = json ? "{" : "";
  for (const Line& line : lines) {
    if (json) {
      fmt::print("{}\"{}\": {}", separator, line.name, line.value);
      separator = ", ";
    } else {
      fmt::print("{:<20} {}\n", line.name, line.value);
    }
  }
  if (json) fmt::print("}}\n");
}

int run(const Options& options) {
  const rowgate::load::PublishTemplates templates(options);
  std::vector<std::unique_ptr<Loop>> loops;
  for (std::uint32_t i = 0; i < options.threads; ++i) {
    loops.push_back(std::make_unique<Loop>(options, templates, i, options.threads));
  }
  std::latch connected(static_cast<std::ptrdiff_t>(options.threads));
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < loops.size(); ++i) {
      threads.emplace_back([&, i] { loops[i]->run(connected, stop_requested); });
    }
    loops.front()->run(connected, stop_requested);
  }
  const Outcome outcome = sum(loops);
  print(options, outcome);
  const Counters& c = outcome.counters;
  return c.failed == 0 && c.unacked == 0 && c.refused == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = rowgate::load::parse_options(argc, argv);
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  try {
    return run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "rowgate_load: {}\n", error.what());
    return 1;
  }
}
