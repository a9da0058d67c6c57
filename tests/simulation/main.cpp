// rowgate_simulation: runs seeds of the simulated core (world.hpp) and says which break a promise.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "tests/simulation/trace.hpp"
#include "tests/simulation/world.hpp"

namespace {

using rowgate::simulation::Counts;
using rowgate::simulation::Trace;

constexpr const char* usage =
    "rowgate_simulation --seeds FROM COUNT   runs COUNT seeds; exit code 1 if one breaks a "
    "promise\n"
    "                   --twice              runs each of them twice and compares the traces\n"
    "                   --seed N             runs one\n"
    "                   --verbose            prints what happens in it\n";

struct Options {
  std::uint64_t from = 0;
  std::uint64_t count = 0;
  bool twice = false;
  bool verbose = false;
};

struct Run {
  std::uint64_t hash = 0;
  std::optional<std::string> violation;
  std::string tail;
};

Run run(std::uint64_t seed, bool verbose, Counts& counts) {
  Trace trace(verbose);
  Run result;
  try {
    rowgate::simulation::World world(seed, trace);
    world.run();
  } catch (const std::exception& e) {
    result.violation = e.what();
    result.tail = trace.tail();
  }
  result.hash = trace.hash();
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += trace.counts()[i];
  return result;
}

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  const auto number = [&](int i, std::uint64_t& into) {
    if (i >= argc) return false;
    const char* const end = argv[i] + std::strlen(argv[i]);
    return std::from_chars(argv[i], end, into).ptr == end;
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--seeds") {
      if (!number(i + 1, options.from) || !number(i + 2, options.count)) return std::nullopt;
      i += 2;
    } else if (argument == "--seed") {
      if (!number(++i, options.from)) return std::nullopt;
      options.count = 1;
    } else if (argument == "--twice") {
      options.twice = true;
    } else if (argument == "--verbose") {
      options.verbose = true;
    } else {
      return std::nullopt;
    }
  }
  if (options.count == 0) return std::nullopt;
  return options;
}

void print_counts(const Counts& counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    fmt::print("{:>12} {}\n", counts[i], name_of(static_cast<rowgate::simulation::Event>(i)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  if (!options) {
    fmt::print(stderr, "{}", usage);
    return 2;
  }
  constexpr int most_failures = 5;
  const auto began = std::chrono::steady_clock::now();
  Counts counts{};
  int failures = 0;
  std::uint64_t done = 0;
  for (; done < options->count && failures < most_failures; ++done) {
    const std::uint64_t seed = options->from + done;
    Run first = run(seed, options->verbose, counts);
    if (options->twice && !first.violation) {
      Counts again{};
      if (run(seed, false, again).hash != first.hash) first.violation = "two runs differ";
    }
    if (!first.violation) continue;
    ++failures;
    fmt::print("seed {}: {}\nthe last events:\n{}replay: {} --seed {} --verbose\n\n", seed,
               *first.violation, first.tail, argv[0], seed);
    std::fflush(stdout);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  if (options->count > 1 || options->verbose) print_counts(counts);
  fmt::print("{} seeds from {} on, {} failed, {:.1f} s, {:.0f} seeds/s\n", done, options->from,
             failures, took.count(), static_cast<double>(done) / took.count());
  return failures == 0 ? 0 : 1;
}
