// rowgate_flood: clients that behave badly, in great number, from one thread. Prints "ready" once
// all kinds that stay are there, and its counts at the end, on a signal too.
#include <fmt/format.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <deque>
#include <exception>
#include <system_error>
#include <vector>

#include "bench/flood/attacker.hpp"

namespace {

using namespace rowgate::flood;

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void request_stop(int) {
  stop_requested = true;
}

class Flood {
 public:
  explicit Flood(const Options& options)
      : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    // Slow readers first: the idle ones take seconds.
    add(Kind::slow_reader, options.slow_readers);
    add(Kind::giant, options.giants);
    add(Kind::bad_packets, options.bad_packets);
    add(Kind::slow_loris, options.slow_loris);
    add(Kind::idle, options.idle);
    staying_ = attackers_.size();
    add(Kind::connects, options.connects);  // at most one second's are open at a time
  }

  void run() {
    const std::uint64_t start = now_ns();
    std::uint64_t last = start;
    while (!stop_requested) {
      turn();
      const std::uint64_t now = now_ns();
      if (options_.seconds > 0 && static_cast<double>(now - start) * 1e-9 > options_.seconds) break;
      const double elapsed = static_cast<double>(now - last) * 1e-9;
      last = now;
      reopen(elapsed);
      burst(elapsed);
      if (!ready_ && is_ready()) {
        ready_ = true;
        fmt::print("ready after {:.1f} s\n", static_cast<double>(now - start) * 1e-9);
        std::fflush(stdout);
      }
    }
  }

  void print() const {
    for (std::size_t i = 0; i < kinds; ++i) {
      const Counts& c = counts_[i];
      fmt::print("{} opened {} accepted {} refused {} ended {} failed {} connected {}\n",
                 kind_names[i], c.opened, c.accepted, c.refused, c.ended, c.failed, c.connected);
    }
  }

 private:
  void add(Kind kind, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) attackers_.emplace_back(kind, i);
  }
  Counts& counts(const Attacker& of) { return counts_[static_cast<std::size_t>(of.kind())]; }

  void turn() {
    std::array<epoll_event, 256> events;
    const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1);
    if (n < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "epoll_wait");
    }
    for (int i = 0; i < n; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      auto& attacker = *static_cast<Attacker*>(event.data.ptr);
      attacker.on_event(event.events, counts(attacker));
    }
  }

  /// Opens what is not open, each kind at the agreed pace, so that one whose connections end at
  /// once does not keep the others from opening theirs; and tells those whose time has come.
  void reopen(double elapsed) {
    for (std::size_t i = 0; i < kinds; ++i) {
      const Kind kind{static_cast<std::uint8_t>(i)};
      const bool ends = kind == Kind::bad_packets || kind == Kind::giant;
      const std::uint32_t pace = ready_ || ends ? options_.reopens : options_.fill;
      opening_[i] = std::min(opening_[i] + elapsed * pace, 200.0);
    }
    const std::uint64_t now = now_ns();
    if (now < next_round_) return;
    next_round_ = now + 10'000'000;
    for (std::size_t i = 0; i < staying_; ++i) {
      Attacker& attacker = attackers_[i];
      if (attacker.kind() == Kind::slow_loris || attacker.kind() == Kind::bad_packets)
        attacker.tick(now, counts(attacker));
      double& opening = opening_[static_cast<std::size_t>(attacker.kind())];
      if (attacker.open() || opening < 1) continue;
      opening -= 1;
      attacker.connect(options_, epoll_, counts(attacker));
    }
  }

  void burst(double elapsed) {
    if (options_.connects == 0) return;
    connecting_ = std::min(connecting_ + elapsed * options_.connects, 100.0);
    // The next in turn; one that is still open has waited a second for its CONNACK.
    for (; connecting_ >= 1; connecting_ -= 1) {
      Attacker& attacker = attackers_[staying_ + next_connect_];
      next_connect_ = (next_connect_ + 1) % options_.connects;
      if (!attacker.open()) attacker.connect(options_, epoll_, counts(attacker));
    }
  }

  bool is_ready() const {
    const auto at = [&](Kind kind) { return counts_[static_cast<std::size_t>(kind)].connected; };
    return at(Kind::idle) >= options_.idle && at(Kind::slow_reader) >= options_.slow_readers;
  }

  Options options_;
  int epoll_;
  std::deque<Attacker> attackers_;
  std::size_t staying_ = 0;  // of attackers_, the first ones
  std::size_t next_connect_ = 0;
  std::array<double, kinds> opening_{};  // how many may be opened now
  double connecting_ = 0;                // the same of Kind::connects
  std::uint64_t next_round_ = 0;
  bool ready_ = false;
  std::array<Counts, kinds> counts_{};
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  // The attackers' CPU time is other machines' in real life. Here, where one machine plays all
  // parts, they take what the gateway and those who behave leave over: it is the gateway's answer
  // to the flood that is measured, not the wait for a core. What they did is in their counts.
  const sched_param none{};
  if (::sched_setscheduler(0, SCHED_IDLE, &none) != 0) std::perror("SCHED_IDLE");
  try {
    Flood flood(options);
    flood.run();
    flood.print();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "rowgate_flood: {}\n", error.what());
    return 1;
  }
}
