#include "bench/load/loop.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <system_error>
#include <utility>

namespace rowgate::load {

namespace {
constexpr std::size_t buffer_size = 512 * 1024;  // a write, and all PUBRELs of the largest window
constexpr std::uint64_t connect_limit_ns = 10'000'000'000;
constexpr std::uint64_t check_every_ns = 20'000'000;

double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

std::pair<double, double> thread_cpu() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return {seconds_of(usage.ru_utime), seconds_of(usage.ru_stime)};
}

std::uint64_t share_of(const Options& options, std::uint32_t index) {
  if (options.messages == 0) return std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t rest = options.messages % options.clients;
  return options.messages / options.clients + (index < rest ? 1 : 0);
}
}  // namespace

Loop::Loop(const Options& options, const PublishTemplates& templates, std::uint32_t first,
           std::uint32_t step)
    : lap_(options, templates) {
  lap_.out.resize(buffer_size);
  lap_.in.resize(buffer_size);
  lap_.epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (lap_.epoll < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  for (std::uint32_t i = first; i < options.clients; i += step) {
    clients_.emplace_back(lap_, i, share_of(options, i));
  }
}

Loop::~Loop() {
  ::close(lap_.epoll);
}

void Loop::run(std::latch& connected, const std::atomic<bool>& stop) {
  connect_all(stop);
  connected.arrive_and_wait();
  const auto [user, system] = thread_cpu();
  times_.start_ns = lap_.start = lap_.progress = now_ns();
  publish(stop);
  const auto [user_end, system_end] = thread_cpu();
  times_.end_ns = now_ns();
  times_.user_s = user_end - user;
  times_.system_s = system_end - system;
  lap_.ledger.flush();
}

void Loop::connect_all(const std::atomic<bool>& stop) {
  // In groups, because a listener's backlog is short.
  constexpr std::size_t group = 64;
  const std::uint64_t limit = now_ns() + connect_limit_ns;
  for (std::size_t begin = 0; begin < clients_.size(); begin += group) {
    const std::size_t end = std::min(clients_.size(), begin + group);
    for (std::size_t i = begin; i < end; ++i) clients_[i].connect(i);
    std::size_t waiting = begin;
    while (waiting < end && now_ns() < limit && !stop) {
      turn(50);
      reopen_lost();
      while (waiting < end &&
             (clients_[waiting].state() == Client::State::running || clients_[waiting].over())) {
        ++waiting;
      }
    }
    for (std::size_t i = waiting; i < end; ++i) {
      if (clients_[i].state() != Client::State::running) clients_[i].abandon();
    }
  }
}

void Loop::publish(const std::atomic<bool>& stop) {
  const Options& o = lap_.options;
  const auto grace = static_cast<std::uint64_t>(o.grace * 1e9);
  const std::uint64_t last = o.seconds > 0
                                 ? lap_.start + static_cast<std::uint64_t>(o.seconds * 1e9)
                                 : std::numeric_limits<std::uint64_t>::max();
  bool publishing = true;
  for (std::uint32_t i = 0; i < clients_.size(); ++i) pump(i);
  while (true) {
    turn(timeout_ms());
    const std::uint64_t now = now_ns();
    if (o.rate > 0) {
      for (std::uint32_t i = 0; i < clients_.size(); ++i) pump(i);
    }
    if (publishing && (now >= last || stop)) {
      publishing = false;
      for (std::uint32_t i = 0; i < clients_.size(); ++i) {
        clients_[i].stop();
        pump(i);
      }
    }
    if (now < next_check_) continue;
    next_check_ = now + check_every_ns;
    reopen_lost();
    if (now > lap_.progress + grace && (!publishing || o.rate <= 0)) {
      fmt::print(stderr, "rowgate_load: nothing moved for {} s, giving up\n", o.grace);
      for (Client& client : clients_) client.abandon();
    }
    over_ = 0;
    for (const Client& client : clients_) over_ += client.over() ? 1U : 0U;
    if (over_ == clients_.size()) return;
  }
}

int Loop::timeout_ms() const noexcept {
  if (!ready_.empty()) return 0;
  return lap_.options.rate > 0 ? 1 : 20;
}

void Loop::turn(int timeout) {
  std::array<epoll_event, 256> events;
  const int n = ::epoll_wait(lap_.epoll, events.data(), static_cast<int>(events.size()), timeout);
  if (n < 0 && errno != EINTR)
    throw std::system_error(errno, std::generic_category(), "epoll_wait");
  next_ready_.clear();
  std::swap(ready_, next_ready_);
  for (int i = 0; i < n; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    const auto tag = static_cast<std::uint32_t>(event.data.u64);
    clients_[tag].on_event(event.events);
    pump(tag);
  }
  for (const std::uint32_t tag : next_ready_) pump(tag);
}

void Loop::pump(std::uint32_t tag) {
  if (clients_[tag].pump()) ready_.push_back(tag);
}

void Loop::reopen_lost() {
  const std::uint64_t now = now_ns();
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (clients_[i].state() != Client::State::lost || clients_[i].retry_at() > now) continue;
    clients_[i].connect(i);
  }
}

}  // namespace rowgate::load
