#pragma once
// The Sparkplug B births of rowgate_sparkplug, as the last commit left them.
#include <string>
#include <vector>

#include "schema/payload/sparkplug.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

/// All of this gateway, whichever lane kept them (a journal may get another number of lanes), but
/// none of before `from`. Makes the table where it is missing. Outside a transaction only.
SinkResult<std::vector<schema::KeptBirth>> read_births(SinkLane& sink, const std::string& gateway,
                                                       Position from);

}  // namespace rowgate::storage
