// The sending half of Client: what may go out now, in as few writes as possible.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bench/load/client.hpp"

namespace rowgate::load {

namespace {
constexpr std::size_t write_size = 64 * 1024;
constexpr int writes_a_turn = 4;  // so that one client does not keep the others waiting
/// A message this much behind its schedule was held up by the server, not by our clock tick.
constexpr std::uint64_t schedule_slack_ns = 2'000'000;
}  // namespace

bool Client::pump() {
  if (state_ != State::running || blocked_ || lap_.start == 0) return false;
  for (int i = 0; i < writes_a_turn; ++i) {
    const std::size_t used = build(now_ns());
    if (used == 0) {
      finish_if_all_acked();
      return false;
    }
    send_bytes(lap_.out.data(), used);
    if (blocked_ || fd_ < 0) return false;
  }
  return true;
}

std::uint64_t Client::allowance(std::uint64_t now) const noexcept {
  const Options& o = lap_.options;
  std::uint64_t allowed = share_ - next_;
  if (o.rate > 0) {
    const double clients = o.clients;
    const double seconds = static_cast<double>(now - lap_.start) * 1e-9;
    // Each client starts at its own fraction of a period, so that they do not send in step.
    const double due = seconds * o.rate / clients + static_cast<double>(index_) / clients;
    const auto total = static_cast<std::uint64_t>(due);
    allowed = std::min(allowed, total > next_ ? total - next_ : 0);
  }
  if (o.qos == 0) return allowed;
  const std::uint64_t in_flight = next_ - tail_;
  allowed = std::min(allowed, window_ - in_flight);
  // Under full load wait until a quarter of the window is free: fewer, larger writes.
  const std::uint64_t least = std::min<std::uint64_t>(window_ / 4, share_ - next_);
  if (o.rate <= 0 && in_flight > 0 && allowed < least) return 0;
  return allowed;
}

std::uint64_t Client::send_time(std::uint64_t now) const noexcept {
  const Options& o = lap_.options;
  if (o.rate <= 0) return now;
  // At a fixed rate a stalled server must not hide its stall by delaying our sends.
  const double clients = o.clients;
  const double due = (static_cast<double>(next_ + 1) - static_cast<double>(index_) / clients) *
                     clients / o.rate * 1e9;
  const auto intended = lap_.start + static_cast<std::uint64_t>(std::max(due, 0.0));
  return now > intended + schedule_slack_ns ? intended : now;
}

std::size_t Client::build(std::uint64_t now) {
  std::size_t used = pending_.size();
  std::memcpy(lap_.out.data(), pending_.data(), used);
  pending_.clear();
  build_resends(used);

  const std::size_t size = lap_.templates.packet_size();
  if (resend_ != resend_end_ || used + size > write_size) return used;
  const std::uint64_t count = std::min<std::uint64_t>(allowance(now), (write_size - used) / size);
  if (count == 0) return used;
  const bool acked = lap_.options.qos > 0;
  std::size_t slot = acked ? slot_of(next_) : 0;
  const std::uint32_t topics = lap_.options.topics;
  const std::uint32_t step = lap_.options.clients % topics;
  char* out = lap_.out.data() + used;
  for (std::uint64_t i = 0; i < count; ++i) {
    lap_.templates.write(out, topic_, static_cast<std::uint16_t>(slot + 1), false, id_.data(),
                         sequence_.text());
    out += size;
    if (acked) {
      phase_[slot] = Phase::published;
      sent_at_[slot] = send_time(now);
      if (++slot == window_) slot = 0;
    }
    topic_ += step;
    if (topic_ >= topics) topic_ -= topics;
    sequence_.increment();
    ++next_;
  }
  lap_.counters.sent += count;
  return used + count * size;
}

void Client::build_resends(std::size_t& used) {
  const std::size_t size = lap_.templates.packet_size();
  const Options& o = lap_.options;
  while (resend_ != resend_end_ && used + size <= write_size) {
    const std::uint64_t k = resend_++;
    const std::size_t slot = slot_of(k);
    if (phase_[slot] == Phase::free) continue;
    const std::size_t id = slot + 1;
    char* out = lap_.out.data() + used;
    if (phase_[slot] == Phase::released) {
      const char packet[4] = {0x62, 2, static_cast<char>(id >> 8), static_cast<char>(id & 0xff)};
      std::memcpy(out, packet, sizeof packet);
      used += sizeof packet;
      continue;
    }
    const auto topic = static_cast<std::uint32_t>((index_ + k * o.clients) % o.topics);
    const DecimalCounter sequence(first_sequence + o.first + k);
    lap_.templates.write(out, topic, static_cast<std::uint16_t>(id), resend_as_dup_, id_.data(),
                         sequence.text());
    used += size;
    ++lap_.counters.resent;
  }
}

void Client::send_bytes(const char* bytes, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::send(fd_, bytes + done, size - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      blocked_ = true;
      break;
    }
    if (n < 0) return lose(std::strerror(errno));
    ++lap_.counters.writes;
    lap_.progress = now_ns();
    done += static_cast<std::size_t>(n);
  }
  if (done < size) pending_.assign(bytes + done, size - done);
}

void Client::finish_if_all_acked() {
  if (next_ != share_ || !pending_.empty() || resend_ != resend_end_) return;
  if (lap_.options.qos == 0) {
    // The answer says that the server has read all before it.
    const char pingreq[2] = {static_cast<char>(0xc0), 0};
    state_ = State::flushing;
    send_bytes(pingreq, sizeof pingreq);
    return;
  }
  if (tail_ == next_) disconnect();
}

void Client::disconnect() {
  const char packet[2] = {static_cast<char>(0xe0), 0};
  send_bytes(packet, sizeof packet);
  state_ = State::done;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace rowgate::load
