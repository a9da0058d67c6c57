// What two clients send, from their first byte to their last, against Session and a journal in
// memory that is never slow. The input is cut in pieces: a byte that says which client and how many
// bytes, then the bytes. What the server answers must be packets a server may send, in the version
// asked for.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/broker/broker.hpp"
#include "gateway/broker/session.hpp"
#include "gateway/mqtt/frame.hpp"
#include "schema/mapping.hpp"
#include "tests/fuzz/must.hpp"
#include "tests/support/memory_disk.hpp"

using namespace rowgate;
using namespace rowgate::broker;

namespace {

struct NoPeers final : Peers {
  void take_over(ConnectionRef, ConnectionRef) override {}
  void proceed(ConnectionRef) override {}
  void deliver(Delivery&&) override {}
  void send_off() override {}
  void authenticated(ConnectionRef, security::Verdict&&) override {}
};

void check_answers(std::string_view out) {
  while (!out.empty()) {
    const auto found = mqtt::next_frame(out, 1U << 28);
    must(found.status == mqtt::FrameResult::Status::frame);
    switch (found.frame.type) {
      case mqtt::PacketType::connect:
      case mqtt::PacketType::subscribe:
      case mqtt::PacketType::unsubscribe:
      case mqtt::PacketType::pingreq:
        must(false);
        break;
      default:
        break;
    }
    out.remove_prefix(found.frame.size);
  }
}

/// One client's connection.
class Client {
 public:
  Client(Broker& broker, std::uint32_t slot)
      : broker_(broker), session_(broker, ConnectionRef{0, slot, 1}, {}) {
    session_.meet({"127.0.0.1", "", false});
  }

  void give(std::string_view bytes, Moment now) {
    if (ended_) return;
    buffer_.append(bytes);
    std::string out;
    // A packet that found no room is given again, as the connection does; here it never finds more.
    const Session::Received received = session_.receive(buffer_, now, out, acks_);
    must(received.consumed <= buffer_.size());
    buffer_.erase(0, received.consumed);
    acks_.release(broker_.journal.appended(),
                  [&](const PendingAck& ack) { session_.acknowledge(ack, out); });
    if (received.next == Session::Next::read) must(received.wanted > buffer_.size());
    check_answers(out);
    if (received.next == Session::Next::close) end(now);
  }
  void tick(Moment now) {
    if (ended_) return;
    std::string out;
    const bool close = session_.tick(now, false, out) == Session::Next::close;
    check_answers(out);
    if (close) end(now);
  }
  void end(Moment now) {
    if (ended_) return;
    ended_ = true;
    session_.closed(now);
  }

 private:
  Broker& broker_;
  Session session_;
  AckQueue acks_;
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  test::MemoryDisk disk;
  storage::JournalOptions options;
  options.segment_bytes = options.batch_bytes = 64U << 10;
  options.window_bytes = 64U << 10;
  options.max_bytes = 1U << 20;
  const auto journal = storage::Journal::open(disk.directory(), options);
  static LiveCatalog catalog{schema::built_in_catalog()};
  Ledger ledger(1, 1);
  NoPeers peers;
  DispatchInbox inbox;
  Retained retained({100, 64U << 10});
  Broker broker{*journal, catalog, ledger, peers, inbox, retained, {}};
  broker.options.max_packet_bytes = 4096;
  broker.options.receive_maximum = 8;
  broker.options.topic_alias_maximum = 4;
  broker.applied = [&] { return journal->appended(); };

  Moment now{Timestamp{1'700'000'000'000'000}, std::chrono::steady_clock::time_point{}};
  std::array<std::unique_ptr<Client>, 2> clients;
  for (std::uint32_t i = 0; i < clients.size(); ++i) {
    clients[i] = std::make_unique<Client>(broker, i + 1);
  }
  std::string_view rest(reinterpret_cast<const char*>(bytes), size);
  while (!rest.empty()) {
    const auto head = static_cast<std::uint8_t>(rest[0]);
    const std::string_view piece = rest.substr(1, head >> 1);
    rest.remove_prefix(1 + piece.size());
    Client& client = *clients[head & 1];
    if (piece.empty()) {
      now.ticks += std::chrono::seconds(1);
      client.tick(now);
    } else {
      client.give(piece, now);
    }
  }
  for (const auto& client : clients) client->end(now);
  broker.visit_due(now, 0);
  journal->stop();
  return 0;
}
