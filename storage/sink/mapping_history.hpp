#pragma once
// Table rowgate_mapping: every mapping that a gateway has accepted, with who and when. Each call
// makes a connection of its own, so that it never waits for a lane nor a lane for it longer than
// one small transaction. Any thread; no exception leaves it.
//
//   rowgate_mapping(gateway text, version bigint, applied_at timestamptz, source text, who text,
//                   etag text, content text, primary key (gateway, version))
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/base/time.hpp"
#include "storage/sink/sink.hpp"

namespace rowgate::storage {

struct KeptMapping {
  std::int64_t version = 0;  // counts from 1, a gateway
  Timestamp applied_at;
  std::string source;  // start | file | signal | http | rollback
  std::string who;
  std::string etag;     // the text's hash
  std::string content;  // the text
};

class MappingHistory {
 public:
  virtual ~MappingHistory() = default;
  /// Adds it as the gateway's next version, whatever `kept.version` says, and returns that. Makes
  /// the table where it is missing. The same again (same time, same etag) adds nothing, so that a
  /// lost answer does no harm. With `unless_newest`, neither does a text that the newest version
  /// has.
  virtual SinkResult<std::int64_t> record(const KeptMapping& kept, bool unless_newest) = 0;
  /// The newest first, without their content: at most `limit` versions below `before` (0: all).
  virtual SinkResult<std::vector<KeptMapping>> list(std::int64_t before, std::size_t limit) = 0;
  virtual SinkResult<std::optional<KeptMapping>> get(std::int64_t version) = 0;
};

}  // namespace rowgate::storage
