#pragma once
// /api/v1/mapping: the mapping in force, its validation, its history. What the routes ask for is
// MappingEndpoints, which are called on the server's API threads. Preview is api_topics.hpp's: it
// needs real messages.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gateway/http/api.hpp"
#include "schema/base/result.hpp"
#include "schema/base/time.hpp"
#include "schema/mapping_file.hpp"

namespace rowgate::http {

struct MappingText {
  std::string text;
  std::string etag;  // with its quotes
};

/// What became of a text that was to be the mapping, or was to be looked at.
struct MappingChange {
  enum class Outcome : std::uint8_t {
    accepted,       // it is in force (validate: it could be)
    stale,          // If-Match names another text than the one in force
    refused,        // `errors`
    no_file,        // the built-in mapping is in force, there is no file to write
    unknown,        // rollback: there is no such version
    not_written,    // the file cannot be written; `message`
    database_away,  // rollback, strict: the database has to be asked and does not answer
  };
  Outcome outcome = Outcome::accepted;
  std::string message{};                  // for people
  std::string etag{};                     // of the text in force now
  std::optional<std::int64_t> version{};  // in the history; absent: it is not written there yet
  std::size_t mappings = 0;
  std::size_t tables = 0;
  std::vector<schema::MappingError> errors{};
  std::vector<std::string> warnings{};  // tables that do not fit the database
};

/// One accepted mapping, as table rowgate_mapping keeps it.
struct MappingVersion {
  std::optional<std::int64_t> version{};  // absent: waits for the database
  Timestamp applied_at;
  std::string source{};  // start | file | signal | http | rollback
  std::string who{};
  std::string etag{};
  std::string text{};  // empty in a list
};

struct HistoryError {
  std::string message;  // the database does not answer
};
template <class T>
using HistoryResult = Result<T, HistoryError>;

struct MappingEndpoints {
  std::function<MappingText()> current{};
  /// `if_match`: ETags as sent, or "*".
  std::function<MappingChange(std::string text, std::string_view if_match, std::string who,
                              bool strict)>
      apply{};
  std::function<MappingChange(const std::string& text)> validate{};
  /// The newest first: `limit` versions below `before` (0: from the newest).
  std::function<HistoryResult<std::vector<MappingVersion>>(std::int64_t before, std::size_t limit)>
      history{};
  std::function<HistoryResult<std::optional<MappingVersion>>(std::int64_t version)> version{};
  std::function<MappingChange(std::int64_t version, std::string who)> rollback{};
};

/// 422 with every error: {"error", "errors": [{"line", "column", "message", "hint"}]}.
Reply mapping_refused(std::string_view sentence, const std::vector<schema::MappingError>& errors);

std::vector<ApiRoute> mapping_routes(const MappingEndpoints& endpoints);

}  // namespace rowgate::http
