#pragma once
// The Sparkplug B births of rowgate_sparkplug, as the last commit left them: read when a lane first
// has a mapping that asks for them, and again after the sink was away.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "schema/mapping.hpp"
#include "schema/sparkplug.hpp"
#include "storage/drain/open_batch.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

/// All of this gateway, whichever lane kept them (a journal may get another number of lanes), but
/// none of before `from`. Makes the table where it is missing. Outside a transaction only.
SinkResult<std::vector<schema::KeptBirth>> read_births(SinkLane& sink, const std::string& gateway,
                                                       Position from);

/// What one lane's batch knows of births. The lane's thread.
class KeptBirths {
 public:
  explicit KeptBirths(std::string gateway) : gateway_(std::move(gateway)) {}

  /// The sink may know others now than the batch does.
  void reconnected() noexcept { known_ = !sparkplug_; }
  /// The batch maps with this catalog, and has the births for it. Precondition: no messages.
  SinkResult<void> use(std::shared_ptr<const schema::Catalog> catalog, SinkLane& sink,
                       OpenBatch& batch);

 private:
  std::string gateway_;
  std::shared_ptr<const schema::Catalog> catalog_;
  bool sparkplug_ = false;  // one of its mappings reads Sparkplug B
  bool known_ = true;       // as far as it needs them
  Position from_;           // earlier ones are out of date
};

}  // namespace rowgate::storage
