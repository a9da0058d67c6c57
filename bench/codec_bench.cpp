// The codec on the path of a publish: cut the packet, decode it, answer it.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "gateway/mqtt/acks.hpp"
#include "gateway/mqtt/publish.hpp"

namespace {

using namespace rowgate::mqtt;

constexpr std::string_view ascii_topic = "site/12/room/345/climate/sensA";  // 30 bytes
constexpr std::string_view utf8_topic = "gebäude/12/raum/345/wärme/s1/t";   // 32 bytes
constexpr std::string_view payload = R"({"ts":1763708400000,"temp":21.5,"hum":48.25})";
// Content type and one user property.
constexpr std::string_view properties("\x03\0\x04json\x26\0\x04unit\0\x01K", 17);

// Many packets in one buffer, as one read brings them.
std::string stream_of(Version version, std::string_view topic, std::string_view block) {
  std::string stream;
  for (PacketId id = 1; id <= 64; ++id) {
    encode_publish(stream, version,
                   {.topic = topic,
                    .payload = payload,
                    .properties = block,
                    .packet_id = id,
                    .qos = QoS::at_least_once});
  }
  return stream;
}

void decode_stream(benchmark::State& state, Version version, std::string_view topic,
                   std::string_view block) {
  const std::string stream = stream_of(version, topic, block);
  std::int64_t packets = 0;
  for (auto _ : state) {
    std::string_view rest = stream;
    while (true) {
      const FrameResult result = next_frame(rest, 1 << 20);
      if (result.status != FrameResult::Status::frame) break;
      const auto view = decode_publish(result.frame, version);
      if (!view) return state.SkipWithError(view.error().reason);
      benchmark::DoNotOptimize(view->packet_id);
      rest.remove_prefix(result.frame.size);
      ++packets;
    }
  }
  state.SetItemsProcessed(packets);
}

void decode_publish_v311(benchmark::State& state) {
  decode_stream(state, Version::v311, ascii_topic, {});
}
void decode_publish_v311_utf8_topic(benchmark::State& state) {
  decode_stream(state, Version::v311, utf8_topic, {});
}
void decode_publish_v5(benchmark::State& state) {
  decode_stream(state, Version::v5, ascii_topic, {});
}
void decode_publish_v5_properties(benchmark::State& state) {
  decode_stream(state, Version::v5, ascii_topic, properties);
}

void cut_frames(benchmark::State& state) {
  const std::string stream = stream_of(Version::v311, ascii_topic, {});
  std::int64_t packets = 0;
  for (auto _ : state) {
    std::string_view rest = stream;
    for (FrameResult r; (r = next_frame(rest, 1 << 20)).status == FrameResult::Status::frame;) {
      benchmark::DoNotOptimize(r.frame.body.data());
      rest.remove_prefix(r.frame.size);
      ++packets;
    }
  }
  state.SetItemsProcessed(packets);
}

void encode_puback(benchmark::State& state) {
  std::string out;
  out.reserve(4 * 1024);
  PacketId id = 1;
  for (auto _ : state) {
    if (out.size() == out.capacity()) out.clear();
    encode_ack(out, Version::v311, PacketType::puback, {id, ReasonCode::success});
    id = static_cast<PacketId>(id == 0xFFFF ? 1 : id + 1);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}

void encode_publish_v311(benchmark::State& state) {
  std::string out;
  out.reserve(256);
  for (auto _ : state) {
    out.clear();
    encode_publish(
        out, Version::v311,
        {.topic = ascii_topic, .payload = payload, .packet_id = 7, .qos = QoS::at_least_once});
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(decode_publish_v311);
BENCHMARK(decode_publish_v311_utf8_topic);
BENCHMARK(decode_publish_v5);
BENCHMARK(decode_publish_v5_properties);
BENCHMARK(cut_frames);
BENCHMARK(encode_puback);
BENCHMARK(encode_publish_v311);

}  // namespace
