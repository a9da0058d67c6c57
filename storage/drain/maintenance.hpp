#pragma once
// What the tables of a catalog need as time goes by (schema::Storage), done by one lane in small
// steps between its batches. One thread.
//
// Work that is left goes on after four times as long as the last step took, so it takes at most a
// fifth of the lane's time; a table with nothing left is looked at again later. What fails is a
// warning, once, and tried again; it never stops the drain.
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "schema/mapping.hpp"
#include "storage/os/clock.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

class Maintenance {
 public:
  struct Done {
    std::uint64_t rows = 0;
    std::uint64_t partitions = 0;
  };
  Maintenance(os::Clock& clock, std::function<void(const std::string&)> warn);

  /// At most one step, of the table that has waited longest. Outside a transaction.
  Done step(SinkLane& sink, const std::shared_ptr<const schema::Catalog>& catalog);

 private:
  using Ticks = std::chrono::steady_clock::time_point;
  struct Duty {
    std::size_t table;  // in the catalog
    Ticks due;
    std::string warned;  // of what, since it last went well
  };
  void use(const std::shared_ptr<const schema::Catalog>& catalog);

  os::Clock& clock_;
  std::function<void(const std::string&)> warn_;
  std::shared_ptr<const schema::Catalog> catalog_;
  std::map<std::string, Duty> duties_;  // by the table's name
};

}  // namespace rowgate::storage
