#pragma once
// Whether a publish fits the mappings with on_error = "reject": asked before it is taken into the
// journal, so that its publisher can be told. The message is mapped into rows that nobody keeps;
// the lane does it again for good.
//
// One for all I/O threads: each has a Mapper of its own, made when the Catalog in force first needs
// one. Where no mapping rejects, the question costs one relaxed load.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gateway/broker/live_catalog.hpp"
#include "schema/message.hpp"

namespace rowgate::broker {

class ArrivalCheck {
 public:
  /// I/O threads are numbered below `threads`.
  ArrivalCheck(const LiveCatalog& live, std::size_t threads);
  ~ArrivalCheck();

  /// On I/O thread `thread`: whether any mapping rejects, so that refuse() must be asked.
  bool rejects(std::size_t thread) const {
    Cell& cell = cells_[thread];
    if (cell.generation != live_.generation()) [[unlikely]]
      load(cell);
    return cell.scratch != nullptr;
  }
  /// On I/O thread `thread`. nullopt: take it. Else why not, for the publisher (0x99, payload
  /// format invalid): UTF-8 without U+0000. A QoS 2 packet id that is open already must not be
  /// judged again: what was taken stays taken.
  std::optional<std::string> refuse(std::size_t thread, const schema::Message& message) {
    if (!rejects(thread)) return std::nullopt;
    return check(*cells_[thread].scratch, message);
  }

 private:
  struct Scratch;
  struct alignas(64) Cell {
    std::uint64_t generation = UINT64_MAX;  // of the Catalog that `scratch` is for
    std::unique_ptr<Scratch> scratch;       // null: no mapping rejects
  };
  void load(Cell& cell) const;
  static std::optional<std::string> check(Scratch& scratch, const schema::Message& message);

  const LiveCatalog& live_;
  std::unique_ptr<Cell[]> cells_;
};

}  // namespace rowgate::broker
