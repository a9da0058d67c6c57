#pragma once
// Bounds a wait for a server that libpq itself would wait for without end, because the connection
// lives and only the server is silent: when the time is over, the socket is shut down, and whoever
// waits for it fails. One short-lived thread a piece of work; allow() is for that piece's thread.
#include <atomic>
#include <chrono>
#include <thread>

namespace rowgate::storage::postgres {

class CutOff {
 public:
  using Ticks = std::chrono::steady_clock::time_point;
  /// From now on; `give_up_at` may be moved meanwhile by another thread; null: never.
  CutOff(int socket, std::chrono::milliseconds limit, const std::atomic<Ticks>* give_up_at);
  ~CutOff();
  CutOff(const CutOff&) = delete;
  CutOff& operator=(const CutOff&) = delete;

  /// So long from now, instead.
  void allow(std::chrono::milliseconds limit) noexcept;
  /// Whether it came to that.
  bool cut() const noexcept { return cut_; }

 private:
  void watch(const std::stop_token& stop);

  const int socket_;  // a duplicate: the number of the original may be used again meanwhile
  const std::atomic<Ticks>* const give_up_at_;
  std::atomic<Ticks> deadline_;
  std::atomic<bool> cut_{false};
  std::jthread thread_;
};

}  // namespace rowgate::storage::postgres
