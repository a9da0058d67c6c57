#pragma once
// A mapping block for a topic, from the traffic seen on it and on its siblings. Pure; any thread.
#include <span>
#include <string>
#include <vector>

#include "gateway/topics/recent_messages.hpp"
#include "schema/mapping.hpp"

namespace rowgate::topics {

/// "[[mapping]] ..." in TOML, to be put behind the mapping in force (`catalog`): its name and table
/// are not there yet. `neighbours`: other topics; of those that look alike it learns which levels
/// vary. Precondition: `topic` has messages.
std::string suggest(const SeenTopic& topic, std::span<const SeenTopic> neighbours,
                    const schema::Catalog& catalog);

}  // namespace rowgate::topics
