#pragma once
// SQLite as a sink: WAL mode, one connection a lane, prepared statements kept for its life.
#include <memory>
#include <string>

#include "storage/sink/sink.hpp"

namespace rowgate::storage::sqlite {

/// How far a commit has got when it returns (PRAGMA synchronous).
enum class Synchronous : std::uint8_t {
  full,    // on disk
  normal,  // on disk after the next WAL checkpoint; the journal covers what a power cut takes
};

/// Opens nothing yet.
std::unique_ptr<Sink> make_sink(std::string file, Synchronous synchronous);

}  // namespace rowgate::storage::sqlite
