#include "bench/flood/attacker.hpp"

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
#include <system_error>
#include <vector>

#include "bench/flood/packets.hpp"

namespace rowgate::flood {
namespace {

constexpr std::uint64_t giant_bytes = 268'435'455;
constexpr std::uint64_t loris_pause_ns = 500'000'000;
constexpr std::uint64_t bad_packet_life_ns = 500'000'000;  // noise may be the beginning of a packet

void set(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

const std::vector<char>& zeros() {
  static const std::vector<char> all(65536);
  return all;
}

}  // namespace

std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

Attacker::~Attacker() {
  if (fd_ >= 0) ::close(fd_);
}

void Attacker::connect(const Options& options, int epoll, Counts& counts) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "socket");
  ++counts.opened;
  ++round_;
  const linger reset{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  set(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
  if (kind_ == Kind::slow_reader) set(fd_, SOL_SOCKET, SO_RCVBUF, 4096);

  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(0x7F000101U + (index_ + round_) % options.addresses);
  set(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(options.port);
  ::inet_pton(AF_INET, options.host.c_str(), &to.sin_addr);
  if (::bind(fd_, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0 ||
      (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
       errno != EINPROGRESS)) {
    ++counts.failed;
    close(counts, false);
    return;
  }
  connecting_ = true;
  head_had_ = 0;
  sent_ = 0;
  giant_ = 0;
  due_ns_ = now_ns() + (kind_ == Kind::bad_packets ? bad_packet_life_ns : 0);
  const std::string id = fmt::format("flood-{}-{}", static_cast<unsigned>(kind_), index_);
  if (kind_ == Kind::bad_packets) {
    out_ = bad_packet(index_ + round_, id);
  } else if (kind_ == Kind::giant) {
    const bool publish = round_ % 2 == 0;
    out_ = (publish ? connect_packet(id) : std::string()) + giant_head(publish);
    giant_ = giant_bytes;
  } else {
    out_ = connect_packet(id);
    if (kind_ == Kind::slow_reader) {
      out_ += subscribe_to_everything(static_cast<std::uint8_t>(index_ % 3));
    }
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd_, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

void Attacker::on_event(std::uint32_t events, Counts& counts) {
  if (fd_ < 0) return;  // closed since the event was reported
  if (connecting_ && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    connecting_ = false;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      ++counts.failed;
      close(counts, false);
      return;
    }
  }
  if ((events & EPOLLOUT) != 0 && kind_ != Kind::slow_loris) send_all(counts);
  // A slow reader reads its CONNACK, and nothing more.
  if (fd_ >= 0 && (events & EPOLLIN) != 0 && !(kind_ == Kind::slow_reader && connected_)) {
    on_readable(counts);
  }
  if (fd_ >= 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) close(counts, true);
}

void Attacker::tick(std::uint64_t now, Counts& counts) {
  if (fd_ < 0 || now < due_ns_) return;
  if (kind_ == Kind::bad_packets) {
    close(counts, false);
    return;
  }
  if (connecting_ || sent_ + 1 >= out_.size()) return;
  due_ns_ = now + loris_pause_ns;
  if (::send(fd_, out_.data() + sent_, 1, MSG_NOSIGNAL) == 1) {
    ++sent_;
  } else if (errno != EAGAIN) {
    close(counts, true);
  }
}

void Attacker::send_all(Counts& counts) {
  while (sent_ < out_.size() || giant_ > 0) {
    const bool head = sent_ < out_.size();
    const char* const from = head ? out_.data() + sent_ : zeros().data();
    const std::size_t size =
        head ? out_.size() - sent_ : std::min<std::size_t>(giant_, zeros().size());
    const ssize_t n = ::send(fd_, from, size, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) close(counts, true);
      return;
    }
    if (head) {
      sent_ += static_cast<std::size_t>(n);
    } else {
      giant_ -= static_cast<std::uint64_t>(n);
    }
  }
}

void Attacker::on_readable(Counts& counts) {
  std::array<char, 4096> bytes;
  // Of a slow reader no more than CONNACK is taken from the socket.
  const std::size_t most = kind_ == Kind::slow_reader ? head_.size() - head_had_ : bytes.size();
  for (;;) {
    const ssize_t n = ::recv(fd_, bytes.data(), most, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
      close(counts, true);
      return;
    }
    if (n < 0) return;
    for (ssize_t i = 0; i < n && head_had_ < head_.size(); ++i) {
      head_[head_had_++] = bytes[static_cast<std::size_t>(i)];
      if (head_had_ < head_.size()) continue;
      if (head_[0] == 0x20 && head_[3] == 0) {
        ++counts.accepted;
        ++counts.connected;
        connected_ = true;
      } else {
        ++counts.refused;
      }
    }
    if (connected_ && kind_ == Kind::connects) {
      close(counts, false);
      return;
    }
    if (connected_ && kind_ == Kind::slow_reader) return;
  }
}

void Attacker::close(Counts& counts, bool by_server) {
  if (by_server) ++counts.ended;
  if (connected_) --counts.connected;
  connected_ = connecting_ = false;
  ::close(fd_);
  fd_ = -1;
}

}  // namespace rowgate::flood
