// Whether a message costs the same however many mappings there are, and however many topics: the
// cost of finding its mapping, and of tables that lie cold. Topics stand one behind the other in
// the order they are published, as in the journal.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"

namespace {

using namespace rowgate;
using namespace rowgate::schema;

constexpr std::uint32_t messages_a_batch = 20'000;
constexpr std::string_view payload =
    R"({"ts":1795244979123,"temp":21.53,"hum":40.5,"press":1013.25,"n":123456,"state":"ok"})";

std::shared_ptr<const Catalog> catalog_of(std::size_t mappings) {
  static std::map<std::size_t, std::shared_ptr<const Catalog>> made;
  auto& catalog = made[mappings];
  if (catalog) return catalog;
  std::string toml;
  for (std::size_t i = 0; i < mappings; ++i) {
    const std::string line = "line" + std::to_string(i);
    toml += "[[mapping]]\nname = \"" + line + "\"\ntable = \"" + line + "\"\ntopic = \"plant/" +
            line + R"(/{device}/climate"
time = { from = "/ts", format = "unix_ms" }
[mapping.columns]
device      = { topic = "device" }
temperature = { from = "/temp", type = "double" }
humidity    = { from = "/hum", type = "double" }
pressure    = { from = "/press", type = "double" }
counter     = { from = "/n", type = "bigint" }
state       = { from = "/state", type = "text" }
)";
  }
  auto parsed = parse_mapping_file(toml, 1);
  if (!parsed) std::abort();
  return catalog = *parsed;
}

// `n` topics in an order that no cache expects, in one piece of memory.
class Topics {
 public:
  template <class Name>
  Topics(std::size_t n, const Name& name) {
    constexpr std::size_t step = 7'368'787;  // a prime: every topic comes once a round
    for (std::size_t i = 0; i < n; ++i) {
      const std::string topic = name(i * step % n);
      ends_.push_back(ends_.back() + topic.size());
      all_ += topic;
    }
  }
  std::string_view next() {
    if (++at_ == ends_.size()) at_ = 1;
    return std::string_view(all_).substr(ends_[at_ - 1], ends_[at_] - ends_[at_ - 1]);
  }

 private:
  std::string all_;
  std::vector<std::size_t> ends_{0};
  std::size_t at_ = 0;
};

void run(benchmark::State& state, std::size_t mappings, Topics topics) {
  const auto catalog = catalog_of(mappings);
  Mapper mapper(catalog);
  BatchSet batches(*catalog);
  Message message;
  message.client_id = "device-0042";
  message.payload = payload;
  message.received_at = Timestamp{1'795'244'979'123'456};
  std::uint32_t n = 0;
  std::uint64_t rows = 0;
  const auto one = [&] {
    message.topic = topics.next();
    rows += mapper.map(message, n, true, batches).rows;
    if (++n < messages_a_batch) return;
    batches.clear();
    n = 0;
  };
  for (std::uint32_t i = 0; i < 3 * messages_a_batch; ++i) one();  // memory has grown
  rows = 0;
  for (auto _ : state) one();
  if (rows != static_cast<std::uint64_t>(state.iterations())) {
    state.SkipWithError("messages were refused");
  }
}

// A thousand devices of one line, among so many mappings.
void mappings(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  run(state, n, Topics(1000, [&](std::size_t i) {
        return "plant/line" + std::to_string(n / 2) + "/device-" + std::to_string(i) + "/climate";
      }));
}

// The same devices over all of the lines, a table each.
void tables(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  run(state, n, Topics(10'000, [&](std::size_t i) {
        return "plant/line" + std::to_string(i % n) + "/device-" + std::to_string(i) + "/climate";
      }));
}

void topics(benchmark::State& state) {
  run(state, 1, Topics(static_cast<std::size_t>(state.range(0)), [](std::size_t i) {
        return "plant/line0/device-" + std::to_string(1'000'000 + i) + "/climate";
      }));
}

BENCHMARK(mappings)->Arg(1)->Arg(100)->Arg(10'000);
BENCHMARK(tables)->Arg(1)->Arg(100)->Arg(10'000);
BENCHMARK(topics)->Arg(10)->Arg(1'000)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
