#pragma once
// The checkpoint that a lane finds in its database, held against the journal and against where the
// lane left it: whether the lane can go on from there, and what people should know of it. The
// lane's thread.
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

/// Whether the checkpoint of a connected lane is still at `left`, where the lane left it. Where it
/// is elsewhere: `retry`, for connecting again finds out what that means.
SinkResult<void> look(SinkLane& sink, Position left);

/// What a commit from `left` came to, outside its transaction. Where it is `fenced`, but the
/// checkpoint lies behind `left`: `retry`. No gateway moves it there: the database went back.
SinkError fenced_or_back(SinkLane& sink, Position left, SinkError error);

}  // namespace rowgate::storage
