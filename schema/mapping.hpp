#pragma once
// A mapping as plain data, and the Catalog: an immutable set of mappings that belong together, with
// the tables they write and the trie that finds them by topic. The file form is mapping_file.hpp's.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "schema/literal.hpp"
#include "schema/table.hpp"
#include "schema/topic_index.hpp"
#include "schema/value.hpp"

namespace rowgate::schema {

enum class Payload : std::uint8_t {
  json,
  scalar,
  raw,
  ndjson,
  csv,
  msgpack,
  cbor,
  influx,
  influx_fields,  // a row a field: machbase-neo's db/metrics
  senml,
  sparkplug_b
};
/// Fields can be asked for by pointer; scalar and raw are one value.
constexpr bool has_fields(Payload payload) noexcept {
  return payload != Payload::scalar && payload != Payload::raw;
}
/// Each record of the payload is a row, so that `rows` has nothing to say.
constexpr bool is_rows(Payload payload) noexcept {
  return payload == Payload::csv || payload == Payload::influx ||
         payload == Payload::influx_fields || payload == Payload::senml;
}
enum class TimeFormat : std::uint8_t { unix_s, unix_ms, unix_us, unix_ns, iso8601 };
enum class Layout : std::uint8_t { wide, narrow };
/// How a payload is packed. `automatic`: as the publisher says, by the MQTT 5 user property
/// `content-encoding` or a content type that ends in +gzip, +zlib or +zstd; else not at all.
enum class Compression : std::uint8_t { automatic, none, gzip, zlib, zstd };
/// A message of many rows of which some do not fit: store the others, or none.
enum class RowsOnError : std::uint8_t { each, all_or_nothing };
/// What a value that does not fit its column does.
enum class OnError : std::uint8_t { dead_letter, null };
/// What a value of another type than its column's does: be refused, be converted where that loses
/// nothing or little, or go as text to the column beside it.
enum class Drift : std::uint8_t { strict, coerce, spill };
enum class Meta : std::uint8_t { client_id, topic, qos, retain, received_at, user_property };

struct FromTopic {
  std::size_t capture = 0;  // index into the pattern's captures
};
struct FromField {
  std::string pointer;  // JSON Pointer (RFC 6901), relative to the row; "" is the whole
  bool root = false;    // relative to the document instead; differs only under `rows`
};
struct FromMeta {
  Meta meta = Meta::client_id;
  std::string user_property;
};
struct Constant {
  Literal value;
};
/// The fields that no column takes, as a JSON object.
struct RestOfFields {};
/// The text of what did not fit another column of the mapping (Drift::spill).
struct SpillOf {
  std::size_t rule = 0;  // index in Mapping::columns
};
using ValueSource = std::variant<FromTopic, FromField, FromMeta, Constant, RestOfFields, SpillOf>;

/// Report by exception: the row is stored if the value changed by more than the deadband.
struct StoreRule {
  double deadband = 0.0;                                      // 0: any change
  bool percent = false;                                       // of the value stored last
  std::optional<std::chrono::microseconds> at_least_every{};  // by the row's own time
};

struct ColumnRule {
  std::string name;
  Type type = Type::text;
  ValueSource source;
  bool required = false;  // absent or null: the row is a dead letter
  OnError on_error = OnError::dead_letter;
  double scale = 1.0;  // value * scale + offset; numbers only
  double offset = 0.0;
  std::optional<std::string> null_if;  // the field's JSON text (a string's content) that means NULL
  std::optional<TimeFormat> format;    // timestamptz only; absent: iso8601 or, for numbers, unix_ms
  Drift drift = Drift::strict;
  std::optional<Literal> min{};  // of the column's value, after scale and offset
  std::optional<Literal> max{};
  std::vector<Literal> values{};                       // empty: any
  std::vector<std::pair<std::string, Literal>> map{};  // from the field; empty: as it is
  std::optional<Literal> map_otherwise{};              // absent: what is not in `map` does not fit
  std::optional<StoreRule> store{};
  std::size_t column = 0;  // index in the Catalog's table
};

struct TimeRule {
  std::string column = "ts";
  std::optional<FromField> from;  // absent: the receive time
  TimeFormat format = TimeFormat::iso8601;
  std::size_t index = 0;  // index of the column in the Catalog's table
};

/// One condition of `filter`: a row of which it does not hold is not made.
struct Condition {
  enum class Test : std::uint8_t { is, is_not, in, not_in, exists, absent, range };
  struct Bound {
    double value = 0.0;
    bool inclusive = false;
  };
  ValueSource source;  // FromField, FromTopic or FromMeta
  Test test = Test::exists;
  std::vector<Literal> values{};  // is, is_not: one; in, not_in
  std::optional<Bound> least{};   // range
  std::optional<Bound> most{};
  std::string text{};  // for a person: "/temp above 3"
};

/// What a format asks to know beside its name.
struct PayloadOptions {
  Compression compression = Compression::automatic;
  // csv
  bool header = false;  // the first line names the fields
  char delimiter = ',';
  char quote = '"';
  std::vector<std::string> fields;  // their names where there is no header; empty: /0, /1, ...
  // influx
  TimeFormat precision = TimeFormat::unix_ns;
};

struct Mapping {
  std::string name;
  std::string pattern;  // as written
  std::vector<std::string> captures;
  Payload payload = Payload::json;
  PayloadOptions options;
  RowsOnError rows_on_error = RowsOnError::each;
  std::string rows;  // JSON Pointer to the array whose elements are rows; "" with no `rows` key
  bool has_rows = false;
  TimeRule time;
  std::vector<ColumnRule> columns;
  bool auto_columns = false;        // columns = "auto"
  Drift drift = Drift::strict;      // of automatic columns; of the others it is in their rules
  std::vector<Condition> filter;    // all of them must hold
  std::vector<std::string> series;  // columns that say which rows belong together; empty: the
                                    // table's key without the time, or the topic
  std::optional<StoreRule> store;   // of `value`, layout = "narrow"
  Layout layout = Layout::wide;
  bool built_in = false;  // the mapping that stores everything when there is no mapping file
  bool presence = false;  // event = "presence": its pattern is presence_pattern
  bool reject = false;    // on_error = "reject": what does not fit is refused on arrival
  bool machbase = false;  // machbase.hpp says what becomes of its messages, and in which table
  std::size_t tuple = 0;  // a row is an array of so many values; 0: it need not be
  std::size_t table = 0;  // index in the Catalog
};

class Catalog {
 public:
  std::vector<Mapping> mappings;
  std::vector<Table> tables;  // the union of what the mappings write, by table name
  TopicIndex index;           // topic -> indexes into mappings
  std::uint64_t generation = 0;
  bool presence = false;  // one of the mappings has event = "presence"
  bool machbase = false;  // machbase_neo = true
  /// The mappings with on_error = "reject", alone; null where there is none.
  std::shared_ptr<const Catalog> rejecting;
};

/// Connects and disconnects are messages of the gateway's own, below this topic: a level more for
/// the client id, with its slashes. No pattern of a mapping file begins with this level, nor with
/// `$SYS`.
inline constexpr std::string_view presence_topic = "$presence";
inline constexpr std::string_view presence_pattern = "$presence/{client_id...}";

/// The mapping in force without a mapping file: every message into
/// telemetry(ts, topic, client_id, value, payload).
std::shared_ptr<const Catalog> built_in_catalog();

}  // namespace rowgate::schema
