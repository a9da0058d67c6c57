// The connection: opening, reading acknowledgements, losing. client_send.cpp has the other half.
#include "bench/load/client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

namespace rowgate::load {

namespace {
constexpr std::uint64_t retry_pause_ns = 100'000'000;
constexpr std::size_t longest_packet = 4096;  // of those a publisher gets

std::uint16_t id_at(const char* p) noexcept {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(p[0]) << 8 |
                                    static_cast<unsigned char>(p[1]));
}
}  // namespace

std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

Client::Client(Lap& lap, std::uint32_t index, std::uint64_t share)
    : lap_(lap),
      index_(index),
      id_(client_id(lap.options.prefix, index)),
      share_(share),
      window_(lap.options.window),
      topic_(index % lap.options.topics),
      sequence_(first_sequence + lap.options.first),
      sent_at_(lap.options.qos > 0 ? window_ : 0),
      phase_(lap.options.qos > 0 ? window_ : 0, Phase::free) {}

Client::~Client() {
  if (fd_ >= 0) ::close(fd_);
}

void Client::connect(std::uint64_t tag) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "socket");
  const int one = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(lap_.options.port);
  if (::inet_pton(AF_INET, lap_.options.host.c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error("--host " + lap_.options.host + ": not an IPv4 address");
  }
  state_ = State::connecting;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = tag;
  if (::epoll_ctl(lap_.epoll, EPOLL_CTL_ADD, fd_, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
  const int rc = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (rc != 0 && errno != EINPROGRESS) lose(std::strerror(errno));
}

void Client::lose(std::string_view reason) {
  ::close(fd_);
  fd_ = -1;
  blocked_ = false;
  pending_.clear();
  partial_.clear();
  lap_.ledger.flush();
  if (lap_.options.reconnect) {
    state_ = State::lost;
    retry_at_ = now_ns() + retry_pause_ns;
    return;
  }
  if (lap_.counters.failed == 0) {
    fmt::print(stderr, "rowgate_load: {}: connection lost: {}\n", id_, reason);
  }
  abandon();
}

void Client::abandon() {
  if (over()) return;
  if (lap_.options.qos > 0) lap_.counters.unacked += next_ - tail_;
  ++lap_.counters.failed;
  state_ = State::failed;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Client::on_event(std::uint32_t events) {
  if (fd_ < 0) return;
  if (state_ == State::connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return lose(std::strerror(error));
    if ((events & EPOLLOUT) == 0) return;
    on_connected();
  }
  if ((events & EPOLLOUT) != 0) blocked_ = false;
  const bool ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (ending || (events & EPOLLIN) != 0) on_readable(ending);
}

void Client::on_connected() {
  // 3.1.1 has one flag for both ends of a session's life: one that shall survive must not be clean.
  const bool v5 = lap_.options.version == 5;
  const bool clean = v5 ? !was_running_ : !lap_.options.reconnect;
  const std::string packet = encode_connect(lap_.options.version, id_, clean);
  state_ = State::waiting;
  send_bytes(packet.data(), packet.size());
}

void Client::on_readable(bool ending) {
  // Edge-triggered: read until a read comes back short, or to the very end where there is one: the
  // end is not announced twice.
  while (fd_ >= 0) {
    const std::size_t kept = partial_.size();
    std::memcpy(lap_.in.data(), partial_.data(), kept);
    const std::size_t room = lap_.in.size() - kept;
    const ssize_t n = ::recv(fd_, lap_.in.data() + kept, room, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n <= 0) return lose(n == 0 ? "closed by the server" : std::strerror(errno));
    ++lap_.counters.reads;
    const std::uint64_t now = now_ns();
    lap_.progress = now;
    const std::string_view bytes(lap_.in.data(), kept + static_cast<std::size_t>(n));
    const std::size_t taken = take_packets(bytes, now);
    if (fd_ < 0) return;
    partial_.assign(bytes.substr(taken));
    if (partial_.size() > longest_packet) return lose("a packet that a publisher does not get");
    if (!ending && static_cast<std::size_t>(n) < room) return;
  }
}

std::size_t Client::take_packets(std::string_view bytes, std::uint64_t now) {
  std::size_t at = 0;
  while (bytes.size() - at >= 2 && fd_ >= 0) {
    const char* p = bytes.data() + at;
    const std::size_t left = bytes.size() - at;
    if (left >= 4 && p[1] == 2 && p[0] == 0x40) {  // the form almost all take
      on_final_ack(id_at(p + 2), true, now);
      at += 4;
      continue;
    }
    std::size_t length = 0;
    std::size_t header = 1;
    unsigned char byte = 0;
    do {
      if (header >= left) return at;
      byte = static_cast<unsigned char>(p[header]);
      length |= static_cast<std::size_t>(byte & 0x7f) << (7 * (header - 1));
      ++header;
    } while ((byte & 0x80) != 0 && header < 5);
    if (left < header + length) return at;
    const auto type = static_cast<std::uint8_t>(static_cast<unsigned char>(p[0]) >> 4);
    if (!take_other(type, bytes.substr(at + header, length), now)) {
      lose(fmt::format("unexpected packet, type {}", type));
      return bytes.size();
    }
    at += header + length;
  }
  return at;
}

bool Client::take_other(std::uint8_t type, std::string_view body, std::uint64_t now) {
  constexpr std::uint8_t connack = 2, puback = 4, pubrec = 5, pubcomp = 7, pingresp = 13,
                         server_disconnect = 14;
  if (type == connack && state_ == State::waiting) {
    on_connack(body);
    return true;
  }
  if (type == pingresp && state_ == State::flushing) {
    lap_.counters.last_ack_ns = now;
    disconnect();
    return true;
  }
  if (type == server_disconnect) {
    const int code = body.empty() ? 0 : static_cast<unsigned char>(body[0]);
    lose(fmt::format("DISCONNECT from the server, code {:#x}", code));
    return true;
  }
  if (body.size() < 2) return false;
  const bool accepted = body.size() < 3 || static_cast<unsigned char>(body[2]) < 0x80;
  // PUBCOMP "packet identifier not found" is no error while a session recovers (3.7.2.1).
  if (type == puback)
    on_final_ack(id_at(body.data()), accepted, now);
  else if (type == pubcomp)
    on_final_ack(id_at(body.data()), true, now);
  else if (type == pubrec)
    on_pubrec(id_at(body.data()), accepted, now);
  else
    return false;
  return true;
}

void Client::on_connack(std::string_view body) {
  const Connack connack = decode_connack(body, lap_.options.version);
  if (!connack.valid || connack.reason != 0) {
    return lose(fmt::format("CONNECT refused, code {}", connack.reason));
  }
  state_ = State::running;
  if (!was_running_) {
    was_running_ = true;
    window_ = std::min<std::size_t>(window_, connack.receive_maximum);
    return;
  }
  ++lap_.counters.reconnects;
  if (!connack.session_present) ++lap_.counters.sessions_lost;
  if (lap_.options.qos == 0) return;
  resend_as_dup_ = connack.session_present;
  resend_ = tail_;
  resend_end_ = next_;
}

void Client::on_final_ack(std::uint16_t id, bool accepted, std::uint64_t now) {
  const std::size_t slot = static_cast<std::size_t>(id) - 1;
  if (slot >= phase_.size() || phase_[slot] == Phase::free) {
    ++lap_.counters.unexpected;
    return;
  }
  Counters& counters = lap_.counters;
  if (accepted) {
    ++counters.acked;
    counters.latency.add(now - sent_at_[slot]);
    counters.last_ack_ns = now;
    if (lap_.ledger.enabled() && lap_.options.qos == 1) {
      lap_.ledger.record(id_, first_sequence + lap_.options.first + count_of(slot));
    }
  } else {
    ++counters.refused;
  }
  complete(slot);
}

void Client::on_pubrec(std::uint16_t id, bool accepted, std::uint64_t now) {
  const std::size_t slot = static_cast<std::size_t>(id) - 1;
  if (slot >= phase_.size() || phase_[slot] == Phase::free) {
    ++lap_.counters.unexpected;
    return;
  }
  if (!accepted) return on_final_ack(id, false, now);
  if (phase_[slot] == Phase::published) {
    ++lap_.counters.recorded;
    phase_[slot] = Phase::released;
    if (lap_.ledger.enabled()) {
      lap_.ledger.record(id_, first_sequence + lap_.options.first + count_of(slot));
    }
  }
  append_pubrel(slot);
}

void Client::complete(std::size_t slot) {
  phase_[slot] = Phase::free;
  if (slot != slot_of(tail_)) return;
  std::size_t at = slot;
  while (tail_ < next_ && phase_[at] == Phase::free) {
    ++tail_;
    if (++at == window_) at = 0;
  }
}

void Client::append_pubrel(std::size_t slot) {
  const std::size_t id = slot + 1;
  const char packet[4] = {0x62, 2, static_cast<char>(id >> 8), static_cast<char>(id & 0xff)};
  pending_.append(packet, sizeof packet);
}

}  // namespace rowgate::load
