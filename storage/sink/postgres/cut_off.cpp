#include "storage/sink/postgres/cut_off.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace rowgate::storage::postgres {
namespace {

/// How soon a moved deadline is noticed.
constexpr std::chrono::milliseconds slice{200};

}  // namespace

CutOff::CutOff(int socket, std::chrono::milliseconds limit, const std::atomic<Ticks>* give_up_at)
    : socket_(::fcntl(socket, F_DUPFD_CLOEXEC, 0)),
      give_up_at_(give_up_at),
      deadline_(std::chrono::steady_clock::now() + limit),
      thread_([this](const std::stop_token& stop) { watch(stop); }) {}

CutOff::~CutOff() {
  thread_.request_stop();
  thread_.join();
  if (socket_ >= 0) ::close(socket_);
}

void CutOff::allow(std::chrono::milliseconds limit) noexcept {
  deadline_ = std::chrono::steady_clock::now() + limit;
}

void CutOff::watch(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "rowgate-cut-off");
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any woken;
  while (!stop.stop_requested()) {
    const Ticks now = std::chrono::steady_clock::now();
    const Ticks until =
        give_up_at_ ? std::min(deadline_.load(), give_up_at_->load()) : deadline_.load();
    if (now >= until) {
      cut_ = true;
      if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
      return;
    }
    woken.wait_until(lock, stop, std::min(until, now + slice), [] { return false; });
  }
}

}  // namespace rowgate::storage::postgres
