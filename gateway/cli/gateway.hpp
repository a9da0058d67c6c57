#pragma once
// The running gateway: owns the journal, the lanes, the listener and the HTTP server, and keeps
// their order of birth and death. Everything public is called on the main thread, except
// request_stop.
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gateway/broker/broker.hpp"
#include "gateway/cli/live_mapping.hpp"
#include "gateway/cli/mapping_watch.hpp"
#include "gateway/cli/own_messages.hpp"
#include "gateway/cli/security.hpp"
#include "gateway/cli/subscribers.hpp"
#include "gateway/config/config.hpp"
#include "gateway/http/server.hpp"
#include "gateway/net/io_threads.hpp"
#include "gateway/topics/sampler.hpp"
#include "storage/drain/lane_drain.hpp"
#include "storage/journal/journal.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::cli {

class Gateway {
 public:
  /// Opens everything, starts nothing. Throws as serve() does.
  explicit Gateway(const config::Config& config);
  ~Gateway();

  /// Runs until a signal or a fault; returns the exit code.
  int run();

 private:
  struct LaneThread {
    std::unique_ptr<storage::LaneDrain> drain;
    std::jthread thread;
  };

  void open_journal();
  void open_lanes();
  void start();
  /// mqtt.max_connections, or fewer if the process may not open so many files.
  std::uint32_t max_connections() const;
  void run_lane(std::size_t lane, std::stop_token stop);
  void stop();
  /// Until all that was appended is durable, or cannot be.
  void await_commit() const;
  void await_signal();
  void housekeeping();
  /// Gives back what every lane's sink and the sessions' store have flushed.
  void trim();
  /// Logs it once and stops the gateway with exit code 1. Any thread.
  void fault(const std::string& what);
  http::Endpoints http_endpoints();
  http::Answer ready() const;
  std::uint64_t pending() const;

  const config::Config config_;
  net::IoThreads listener_;  // claims its port before anything is written
  std::unique_ptr<os::Directory> data_dir_;
  Security security_;
  std::string identity_;
  MappingWatch watch_;  // looks before the file is read: no change is missed
  LiveMapping mapping_;
  std::unique_ptr<storage::Sink> sink_;
  std::unique_ptr<storage::Journal> journal_;
  std::unique_ptr<broker::Ledger> ledger_;
  std::unique_ptr<OwnMessages> own_;
  std::unique_ptr<Subscribers> subscribers_;
  std::unique_ptr<broker::Broker> broker_;
  std::vector<storage::LaneCounters> counters_;
  std::vector<LaneThread> lanes_;
  topics::RecentMessages recent_;
  std::unique_ptr<topics::Sampler> sampler_;
  std::unique_ptr<http::Server> http_;

  boost::asio::io_context main_{1};
  boost::asio::signal_set signals_{main_};
  boost::asio::steady_timer timer_{main_};
  unsigned ticks_ = 0;
  std::atomic<bool> accepting_{false};
  std::atomic<bool> faulted_{false};
};

}  // namespace rowgate::cli
