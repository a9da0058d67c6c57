#pragma once
// The seam to a payload format: bytes -> one document, or one after another (the lines of NDJSON,
// the rows of CSV, the points of a line protocol). One decoder a file; a Mapper has one of each
// that it needs, and reuses its memory from message to message. Nothing a payload contains throws.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/mapping.hpp"
#include "schema/message.hpp"
#include "schema/payload/reader.hpp"
#include "schema/row_batch.hpp"

namespace rowgate::schema {

class SparkplugSessions;

struct PayloadInput {
  std::string_view payload;  // not compressed any more; lives as long as the rows
  const Message& message;
  const Mapping& mapping;
  Arena& arena;  // for what rows view and the payload does not hold; lives as long as the rows
};

class Decoder {
 public:
  /// What next() found.
  enum class Step : std::uint8_t {
    record,      // reader() has it
    bad_record,  // one that is wrong by itself: error(); next() goes on behind it
    end,
    failed,  // the rest of the payload cannot be read: error()
  };

  virtual ~Decoder() = default;
  /// False: error(). Not all that is wrong is found here; next() finds the rest.
  virtual bool open(const PayloadInput& input) = 0;
  virtual Step next() = 0;
  /// Of the record found last; valid until the next call of next() or open().
  virtual Reader& reader() = 0;
  virtual const PayloadError& error() const noexcept = 0;
  /// The format is one of many records, each of them a row; place() tells them apart.
  virtual bool many() const noexcept { return false; }
  /// Where the record found last stands, for a person: "line 3".
  virtual std::string place() const { return {}; }
  /// Why no row can be made of the record found last, although it could be read; empty: nothing.
  virtual std::string_view wrong_record() const { return {}; }
  /// The same of an element of the array that `rows` names.
  virtual std::string_view wrong_element(std::uint32_t) const { return {}; }
};

/// "JSON", "CSV": the format as a reason names it.
std::string_view payload_format(Payload payload) noexcept;

/// One decoder a format, made when it is first asked for.
class Decoders {
 public:
  Decoder& of(Payload payload);
  /// Births that Sparkplug B's messages are read by; null: none. It outlives the decoders.
  void use(SparkplugSessions* sessions) { sessions_ = sessions; }

 private:
  SparkplugSessions* sessions_ = nullptr;
  std::vector<std::unique_ptr<Decoder>> made_;  // by Payload
};

// Each in a file of its own.
std::unique_ptr<Decoder> make_json_decoder();
std::unique_ptr<Decoder> make_scalar_decoder();
std::unique_ptr<Decoder> make_raw_decoder();
std::unique_ptr<Decoder> make_msgpack_decoder();
std::unique_ptr<Decoder> make_cbor_decoder();
std::unique_ptr<Decoder> make_sparkplug_decoder(SparkplugSessions* sessions);
std::unique_ptr<Decoder> make_ndjson_decoder();
std::unique_ptr<Decoder> make_csv_decoder();
std::unique_ptr<Decoder> make_influx_decoder();
std::unique_ptr<Decoder> make_senml_decoder();
std::unique_ptr<Decoder> make_influx_fields_decoder();

}  // namespace rowgate::schema
