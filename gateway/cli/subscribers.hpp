#pragma once
// The subscriber's side of the running gateway: the dispatcher with its thread, its store and what
// sessions share with it. Public functions on the main thread, but where they say otherwise.
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "gateway/broker/broker.hpp"
#include "gateway/broker/dispatch_loop.hpp"
#include "gateway/config/config.hpp"

namespace rowgate::cli {

class Subscribers {
 public:
  /// Opens DATA_DIR/sessions.db. Copies go to `peers`, on the dispatch thread. Throws as serve()
  /// does.
  Subscribers(const config::Config& config, storage::Journal& journal, broker::Peers& peers);
  ~Subscribers();

  // For the sessions. Any thread.
  broker::DispatchInbox& inbox() noexcept { return inbox_; }
  broker::Retained& retained() noexcept { return retained_; }
  const broker::DispatchCounters& counters() const noexcept { return counters_; }
  storage::Position applied() const noexcept { return loop_.applied(); }
  /// What lies below the journal may drop, as far as sessions go.
  storage::Position flushed() const noexcept { return loop_.flushed(); }

  /// Before the journal starts; `visit` gets each session that was kept. Throws as serve() does.
  void recover(const std::function<void(const broker::KeptSession&)>& visit);
  /// `fault` is called, on the dispatch thread, with a sentence for people if it has to give up.
  void start(std::function<void(const std::string&)> fault);
  /// Once no session is left and before the journal stops: all that is durable takes effect and is
  /// stored.
  void stop();

 private:
  std::unique_ptr<storage::StateStore> store_;
  broker::DispatchCounters counters_;
  broker::Retained retained_;
  broker::DispatchInbox inbox_;
  broker::Dispatch dispatch_;
  broker::DispatchLoop loop_;
  std::jthread thread_;
};

}  // namespace rowgate::cli
