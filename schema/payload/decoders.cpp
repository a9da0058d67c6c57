// Which decoder reads which format, and the decoders of one line: JSON, scalar, raw.
#include "schema/base/utf8.hpp"
#include "schema/payload/decoder.hpp"
#include "schema/payload/document.hpp"
#include "schema/payload/json.hpp"

namespace rowgate::schema {
namespace {

/// Formats whose payload is one record.
class OneRecord : public Decoder {
 public:
  Step next() final {
    if (read_) return Step::end;
    read_ = true;
    return Step::record;
  }

 protected:
  void begin() noexcept { read_ = false; }

 private:
  bool read_ = true;
};

class JsonDecoder final : public OneRecord {
 public:
  bool open(const PayloadInput& input) override {
    begin();
    return json_.open(input.payload);
  }
  Reader& reader() override { return json_; }
  const PayloadError& error() const noexcept override { return json_.error(); }

 private:
  JsonReader json_;
};

/// The payload as one value without fields.
class ValueDecoder final : public OneRecord {
 public:
  explicit ValueDecoder(Field::Kind kind) : kind_(kind) {}
  bool open(const PayloadInput& input) override {
    begin();
    document_.begin(input.arena);
    Field field;
    field.kind = kind_;
    field.text = input.payload;
    if (kind_ == Field::Kind::text) {
      if (!is_utf8(input.payload) || has_nul(input.payload)) {
        document_.fail("it is not UTF-8 without NUL (payload = \"raw\" takes any bytes)");
      }
      field.text = trimmed(input.payload);
    }
    document_.field(field);
    return document_.finish();
  }
  Reader& reader() override { return document_; }
  const PayloadError& error() const noexcept override { return document_.error(); }

 private:
  Field::Kind kind_;
  Document document_;
};

std::unique_ptr<Decoder> make_decoder(Payload payload, SparkplugSessions* sessions) {
  switch (payload) {
    case Payload::json:
      return make_json_decoder();
    case Payload::scalar:
      return make_scalar_decoder();
    case Payload::raw:
      return make_raw_decoder();
    case Payload::ndjson:
      return make_ndjson_decoder();
    case Payload::csv:
      return make_csv_decoder();
    case Payload::influx:
      return make_influx_decoder();
    case Payload::senml:
      return make_senml_decoder();
    case Payload::influx_fields:
      return make_influx_fields_decoder();
    case Payload::msgpack:
      return make_msgpack_decoder();
    case Payload::cbor:
      return make_cbor_decoder();
    case Payload::sparkplug_b:
      return make_sparkplug_decoder(sessions);
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<Decoder> make_json_decoder() {
  return std::make_unique<JsonDecoder>();
}

std::unique_ptr<Decoder> make_scalar_decoder() {
  return std::make_unique<ValueDecoder>(Field::Kind::text);
}

std::unique_ptr<Decoder> make_raw_decoder() {
  return std::make_unique<ValueDecoder>(Field::Kind::bytes);
}

std::string_view payload_format(Payload payload) noexcept {
  switch (payload) {
    case Payload::json:
      return "JSON";
    case Payload::scalar:
      return "text";
    case Payload::raw:
      return "raw";
    case Payload::ndjson:
      return "JSON";
    case Payload::csv:
      return "CSV";
    case Payload::msgpack:
      return "MessagePack";
    case Payload::cbor:
      return "CBOR";
    case Payload::influx:
    case Payload::influx_fields:
      return "line protocol";
    case Payload::senml:
      return "SenML";
    case Payload::sparkplug_b:
      return "Sparkplug B";
  }
  return "known";
}

Decoder& Decoders::of(Payload payload) {
  const auto index = static_cast<std::size_t>(payload);
  if (made_.size() <= index) made_.resize(index + 1);
  if (!made_[index]) made_[index] = make_decoder(payload, sessions_);
  return *made_[index];
}

}  // namespace rowgate::schema
