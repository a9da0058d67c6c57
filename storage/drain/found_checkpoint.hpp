#pragma once
// The checkpoint that a lane finds in its database, held against the journal: whether the lane can
// go on from there, and what people should know of it. The lane's thread.
#include <optional>
#include <string>

#include "storage/journal/journal.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

/// `before`: where this process knew the checkpoint to be; nullopt at its first look. If the lane
/// can go on, the journal keeps what lies behind `found` from now on, and the answer is a sentence
/// to warn with, or nothing. fatal: `found` lies beyond the journal's end, or below its first byte
/// (unless accept_gap); the message says what is missing and what to do.
SinkResult<std::string> go_on_from(Journal& journal, SinkLane& sink, const DrainIdentity& identity,
                                   Position found, std::optional<Position> before, bool accept_gap);

}  // namespace rowgate::storage
