#pragma once
// The sink's URL -> the sink. The only place that knows both databases.
#include <memory>
#include <string>

#include "storage/sink/mapping_history.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::cli {

/// `sqlite:FILE`, `postgresql://...` or `postgres://...`. Connects to nothing. Throws
/// std::invalid_argument with a sentence for people where an option is not one of these.
std::unique_ptr<storage::Sink> open_sink(const storage::SinkOptions& options);

/// The mappings' history beside the rows. Precondition: open_sink() takes the options.
std::unique_ptr<storage::MappingHistory> open_mapping_history(const storage::SinkOptions& options,
                                                              std::string gateway);

}  // namespace rowgate::cli
