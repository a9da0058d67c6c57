#pragma once
// One simulation: a machine with a gateway on it, a database, devices that publish, clients that
// subscribe, and everything that befalls them, all chosen by one seed and done in one thread, so
// that a seed always gives the same run.
//
// The world takes so many steps. In each, one of them does one thing: a client sends or reads, one
// of the gateway's threads goes round once, time passes, or a fault comes. Then all is healed,
// drained and compared (messages.hpp).
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/device.hpp"
#include "tests/simulation/fate.hpp"
#include "tests/simulation/gateway.hpp"
#include "tests/simulation/messages.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/subscriber.hpp"
#include "tests/simulation/trace.hpp"

namespace rowgate::simulation {

class World {
 public:
  World(std::uint64_t seed, Trace& trace);
  ~World();

  /// Throws Violation.
  void run();

 private:
  /// What a step may be, and how often it is.
  enum class Act : std::uint8_t {
    device,
    subscriber,
    io_turn,
    commit,
    drain,
    dispatch,
    housekeeping,
    pass_time,
    set_wall_clock,
    reload_mapping,
    stop,
    kill,
    power_cut,
    die,
    fail_disk,
    fail_store,
    fail_database,
    database_away,
    crash_database,
    misfit,
    second_gateway,
    count_
  };
  static constexpr std::size_t acts = static_cast<std::size_t>(Act::count_);

  // How the seed sets it up.
  void choose_options();
  void choose_clients();
  void choose_acts();
  void choose_database();
  void make_journal();

  // One step.
  Act choose() noexcept;
  void act(Act what);
  void act_without_gateway(Act what);
  void fault(Act what);
  void of_a_device();
  void of_a_subscriber();
  void pass_time();
  void use_mapping(std::uint64_t generation);
  void drain(storage::Lane lane);
  void step_second_gateway();
  void end_second_gateway();

  // The gateway's life.
  void boot();
  void commit();
  void dispatch(bool save);
  void graceful_stop();
  bool stop_in_order();
  /// As far as it gets. False: it cannot go on.
  bool commit_all();
  bool drain_all();
  /// What the step left: the process may have died, or must end.
  void aftermath();
  void gone(bool power_cut);
  void lane_ended(const Lanes::Ended& ended);

  // What must hold after every step.
  void check();
  void check_lane(storage::Lane lane);

  void heal();
  void come_to_rest();
  bool at_rest() const;
  void round_of_all();
  void round_of_clients();

  void hear(std::uint32_t slot, std::string_view bytes);
  void connect(Device& device);
  void connect(Subscriber& subscriber);
  template <class Client>
  void lose(Client& client);

  Trace& trace_;
  Random random_;
  Fate fate_;
  Machine machine_;
  GatewayOptions options_;
  Messages messages_;
  std::vector<Device> devices_;
  std::vector<Subscriber> subscribers_;
  std::unique_ptr<Gateway> gateway_;
  std::vector<std::size_t> client_of_;  // by the gateway's slots: devices first, then subscribers

  // A second one with the same identity, on a copy of the first one's disk.
  struct Second {
    test::MemoryDisk disk;
    std::unique_ptr<storage::Journal> journal;
    std::unique_ptr<Lanes> lanes;
  };
  std::unique_ptr<Second> second_;
  bool fenced_ = false;  // there was one since the gateway started

  std::uint64_t steps_ = 0;
  std::uint64_t weights_[acts] = {};
  std::uint64_t weight_ = 0;
  bool journal_ended_ = false;
  bool dispatch_ended_ = false;
  std::uint32_t lanes_ended_ = 0;           // a bit each
  std::array<std::uint64_t, 3> dropped_{};  // by lane, as last seen
  bool must_end_ = false;                   // as Gateway::fault() has it

  // The database's ways.
  bool database_away_ = false;
  bool misfits_ = false;
  std::uint64_t fails_one_in_ = 0;  // operations
  std::uint64_t loses_one_in_ = 0;  // answers to COMMIT
};

}  // namespace rowgate::simulation
