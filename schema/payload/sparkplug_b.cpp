// Sparkplug B (Eclipse Sparkplug 3.0): a protobuf payload whose topic says what it is, and whose
// metrics' names stand in the birth before it. One message is one document.
#include <sparkplug_b.pb.h>

#include <algorithm>
#include <string>
#include <vector>

#include "schema/payload/decoder.hpp"
#include "schema/payload/document.hpp"
#include "schema/payload/sparkplug_value.hpp"
#include "schema/sparkplug.hpp"

namespace rowgate::schema {
namespace {

using Metric = SparkplugPayload::Metric;
namespace type = sparkplug_type;

// A payload of a few bytes can name many empty things, each of which takes memory.
constexpr int max_metrics = 200'000;
constexpr std::size_t max_elements = 1'000'000;

/// Any message of the format with the usual `oneof value`.
template <class Message>
SparkplugScalar scalar_of(const Message& message) {
  using Kind = SparkplugScalar::Kind;
  SparkplugScalar value;
  switch (message.value_case()) {
    case Message::kIntValue:
      value.kind = Kind::int_value;
      value.integer = message.int_value();
      break;
    case Message::kLongValue:
      value.kind = Kind::long_value;
      value.integer = message.long_value();
      break;
    case Message::kFloatValue:
      value.kind = Kind::real32;
      value.real32 = message.float_value();
      break;
    case Message::kDoubleValue:
      value.kind = Kind::real64;
      value.real64 = message.double_value();
      break;
    case Message::kBooleanValue:
      value.kind = Kind::boolean;
      value.boolean = message.boolean_value();
      break;
    case Message::kStringValue:
      value.kind = Kind::string;
      value.string = message.string_value();
      break;
    case Message::VALUE_NOT_SET:
      break;
    default:
      value.kind = Kind::other;
  }
  return value;
}

class SparkplugDecoder final : public Decoder {
 public:
  explicit SparkplugDecoder(SparkplugSessions* sessions) : sessions_(sessions) {}

  bool open(const PayloadInput& input) override;
  Step next() override {
    if (read_) return Step::end;
    read_ = true;
    return Step::record;
  }
  Reader& reader() override { return document_; }
  const PayloadError& error() const noexcept override { return document_.error(); }
  std::string_view wrong_record() const override {
    return by_metric_ ? std::string_view{} : wrong_;
  }
  std::string_view wrong_element(std::uint32_t i) const override {
    return by_metric_ && i < metrics_.size() ? metrics_[i].wrong : std::string_view{};
  }

 private:
  /// A metric and what its birth adds to it.
  struct Known {
    std::string_view name;
    std::uint32_t datatype = type::unknown;
    std::string_view wrong;  // why no row can be made of it; empty: nothing
  };

  Known know(const Metric& metric);
  void append_message(const SparkplugPayload& payload);
  void append_metric(const SparkplugPayload& payload, const Metric& metric, Known& known);
  void append_value(const Metric& metric, Known& known);
  bool or_null(bool appended) {
    if (!appended) document_.null();
    return appended;
  }
  template <class Value>
  bool append_scalar(std::uint32_t datatype, const Value& of);
  bool append_data_set(const SparkplugPayload::DataSet& set);
  bool append_template(const SparkplugPayload::Template& instance);
  bool append_properties(const SparkplugPayload::PropertySet& set);
  bool append_property(const SparkplugPayload::PropertyValue& property);
  std::string_view text(std::string_view copied) { return input_->arena.copy(copied); }

  SparkplugSessions* const sessions_;
  const PayloadInput* input_ = nullptr;
  SparkplugTopic topic_;
  const SparkplugBirth* birth_ = nullptr;
  std::string node_;
  SparkplugPayload own_;
  std::vector<Known> metrics_;
  std::string_view wrong_;  // with the first metric that is wrong
  std::size_t budget_ = 0;
  bool by_metric_ = false;  // each metric is a row
  bool read_ = true;
  Document document_;
};

bool SparkplugDecoder::open(const PayloadInput& input) {
  read_ = false;
  input_ = &input;
  wrong_ = {};
  metrics_.clear();
  budget_ = max_elements;
  by_metric_ = input.mapping.has_rows && input.mapping.rows == "/metrics";
  document_.begin(input.arena);
  const auto topic = sparkplug_topic(input.message.topic);
  if (!topic) {
    document_.fail("its topic is not spBv1.0/GROUP/TYPE/EDGE or spBv1.0/GROUP/TYPE/EDGE/DEVICE");
    return false;
  }
  topic_ = *topic;
  node_ = sparkplug_node(topic_);
  birth_ = sessions_ != nullptr ? sessions_->birth(topic_) : nullptr;
  const SparkplugPayload* payload = nullptr;
  if (sessions_ != nullptr) {
    payload = sessions_->parse(input.payload);
  } else if (input.payload.size() <= PayloadLimits{}.bytes &&
             own_.ParseFromArray(input.payload.data(), static_cast<int>(input.payload.size()))) {
    payload = &own_;
  }
  if (payload == nullptr) {
    document_.fail("it is no protobuf message of that kind");
  } else if (payload->metrics_size() > max_metrics) {
    document_.fail("it has more than 200,000 metrics");
  } else {
    append_message(*payload);
  }
  return document_.finish();
}

// ---- The message --------------------------------------------------------------------------------

void SparkplugDecoder::append_message(const SparkplugPayload& payload) {
  Document& d = document_;
  d.begin_object();
  const auto add_text = [&](std::string_view key, std::string_view value) {
    d.key(key);
    d.string(value);
  };
  const auto add_number = [&](std::string_view key, std::uint64_t value) {
    d.key(key);
    d.unsigned_integer(value);
  };
  add_text("group", topic_.group);
  add_text("edge", topic_.edge);
  if (!topic_.device.empty()) add_text("device", topic_.device);
  add_text("type", topic_.type_name);
  if (payload.has_timestamp()) add_number("timestamp", payload.timestamp());
  if (payload.has_seq()) add_number("seq", payload.seq());
  metrics_.reserve(static_cast<std::size_t>(payload.metrics_size()));
  for (const Metric& metric : payload.metrics()) metrics_.push_back(know(metric));
  for (const Metric& metric : payload.metrics()) {
    if (metric.name() != "bdSeq") continue;
    if (!metric.has_long_value() && !metric.has_int_value()) continue;
    const std::uint64_t bdseq = scalar_of(metric).integer;
    add_number("bdseq", bdseq);
    if (topic_.type == SparkplugTopic::Type::ndeath && birth_ != nullptr && birth_->bdseq &&
        *birth_->bdseq != bdseq) {
      d.key("stale");  // the Will of a session before the one that is known
      d.boolean(true);
    }
    break;
  }
  if (payload.has_uuid()) add_text("uuid", text(payload.uuid()));
  if (payload.has_body()) {
    d.key("body");
    d.copy_bytes(payload.body());
  }
  d.key("metrics");
  d.begin_array();
  for (int i = 0; i < payload.metrics_size(); ++i) {
    append_metric(payload, payload.metrics(i), metrics_[static_cast<std::size_t>(i)]);
  }
  d.end_array();
  d.key("values");
  d.begin_object();
  budget_ = max_elements;
  for (int i = 0; i < payload.metrics_size(); ++i) {
    Known& known = metrics_[static_cast<std::size_t>(i)];
    if (!known.wrong.empty()) {
      if (wrong_.empty()) wrong_ = known.wrong;
      continue;
    }
    d.key(known.name);
    append_value(payload.metrics(i), known);
  }
  d.end_object();
  d.end_object();
}

SparkplugDecoder::Known SparkplugDecoder::know(const Metric& metric) {
  Known known;
  known.datatype = metric.datatype();
  if (!metric.name().empty()) {
    known.name = text(metric.name());
    if (known.datatype == type::unknown && birth_ != nullptr) {
      const auto named = birth_->datatypes.find(metric.name());
      if (named != birth_->datatypes.end()) known.datatype = named->second;
    }
    if (known.datatype == type::unknown && known.name == "bdSeq") known.datatype = type::uint64;
  } else if (!metric.has_alias()) {
    known.wrong = "the metric has neither a name nor an alias";
  } else {
    const SparkplugMetric* named = birth_ != nullptr ? birth_->metric(metric.alias()) : nullptr;
    if (named == nullptr) {
      std::string why = "alias " + std::to_string(metric.alias()) + " has no name: ";
      why += birth_ == nullptr ? "no birth of " : "it is not in the birth of ";
      why += node_;
      if (!topic_.device.empty()) why.append("/").append(topic_.device);
      if (birth_ == nullptr) why += " is known";
      known.wrong = text(why);
      return known;
    }
    known.name = text(named->name);
    if (known.datatype == type::unknown) known.datatype = named->datatype;
  }
  return known;
}

void SparkplugDecoder::append_metric(const SparkplugPayload& payload, const Metric& metric,
                                     Known& known) {
  Document& d = document_;
  d.begin_object();
  if (!known.name.empty()) {
    d.key("name");
    d.string(known.name);
  }
  const auto add_number = [&](std::string_view key, std::uint64_t value) {
    d.key(key);
    d.unsigned_integer(value);
  };
  if (metric.has_alias()) add_number("alias", metric.alias());
  if (metric.has_timestamp()) {
    add_number("timestamp", metric.timestamp());
  } else if (payload.has_timestamp()) {
    add_number("timestamp", payload.timestamp());
  } else if (input_->message.received_at.micros >= 0) {  // a Will may have none
    add_number("timestamp", static_cast<std::uint64_t>(input_->message.received_at.micros / 1000));
  }
  if (const auto name = sparkplug_type_name(known.datatype); known.datatype != type::unknown) {
    if (name.empty() && known.wrong.empty()) {
      known.wrong = text("datatype " + std::to_string(known.datatype) + " of metric '" +
                         std::string(known.name) + "' is not one of Sparkplug B's");
    }
    d.key("datatype");
    d.string(name);
  }
  d.key("value");
  append_value(metric, known);
  const auto add_flag = [&](std::string_view key, bool there, bool value) {
    if (!there) return;
    d.key(key);
    d.boolean(value);
  };
  add_flag("is_historical", metric.has_is_historical(), metric.is_historical());
  add_flag("is_transient", metric.has_is_transient(), metric.is_transient());
  add_flag("is_null", metric.has_is_null(), metric.is_null());
  if (metric.has_properties()) {
    d.key("properties");
    if (!append_properties(metric.properties()) && known.wrong.empty()) {
      known.wrong =
          text("the properties of metric '" + std::string(known.name) +
               "' are not sound: a value without a name, or of another type than its own");
    }
  }
  d.end_object();
}

/// Always one value: null where the metric is wrong.
void SparkplugDecoder::append_value(const Metric& metric, Known& known) {
  const bool none = metric.is_null() || metric.value_case() == Metric::VALUE_NOT_SET;
  if (none || !known.wrong.empty()) return document_.null();
  const auto is = [&](std::uint32_t datatype) {
    return known.datatype == datatype || known.datatype == type::unknown;
  };
  bool sound = false;
  switch (metric.value_case()) {
    case Metric::kBytesValue:
      if (is(type::bytes) || is(type::file)) {
        document_.copy_bytes(metric.bytes_value());
        sound = true;
      } else {
        sound = or_null(
            append_sparkplug_array(document_, known.datatype, metric.bytes_value(), budget_));
      }
      break;
    case Metric::kDatasetValue:
      sound = is(type::data_set) ? append_data_set(metric.dataset_value()) : or_null(false);
      break;
    case Metric::kTemplateValue:
      sound = is(type::template_) ? append_template(metric.template_value()) : or_null(false);
      break;
    default:
      sound = or_null(append_sparkplug_scalar(document_, known.datatype, scalar_of(metric)));
  }
  if (sound) return;
  std::string why = "the value of metric '" + std::string(known.name) + "' ";
  if (known.datatype == type::unknown) {
    why += "has no datatype, and none is known from a birth";
  } else {
    why.append("is not of its datatype ").append(sparkplug_type_name(known.datatype));
  }
  known.wrong = text(why);
}

// ---- What is made of other values: each appends one value, and says whether it is sound ---------

template <class Value>
bool SparkplugDecoder::append_scalar(std::uint32_t datatype, const Value& of) {
  const SparkplugScalar value = scalar_of(of);
  if (value.kind == SparkplugScalar::Kind::none) {
    document_.null();
    return true;
  }
  return or_null(append_sparkplug_scalar(document_, datatype, value));
}

/// One object a row.
bool SparkplugDecoder::append_data_set(const SparkplugPayload::DataSet& set) {
  const int columns = set.columns_size();
  const auto elements =
      static_cast<std::size_t>(set.rows_size()) * static_cast<std::size_t>(std::max(columns, 1));
  if (set.types_size() != columns || elements > budget_) return or_null(false);
  budget_ -= elements;
  bool sound = true;
  document_.begin_array();
  for (const SparkplugPayload::DataSet::Row& row : set.rows()) {
    sound = sound && row.elements_size() == columns;
    document_.begin_object();
    for (int i = 0; i < std::min(columns, row.elements_size()); ++i) {
      document_.copy_key(set.columns(i));
      sound = append_scalar(set.types(i), row.elements(i)) && sound;
    }
    document_.end_object();
  }
  document_.end_array();
  return sound;
}

bool SparkplugDecoder::append_template(const SparkplugPayload::Template& instance) {
  Document& d = document_;
  d.begin_object();
  if (instance.has_template_ref()) {
    d.key("ref");
    d.copy_string(instance.template_ref());
  }
  if (instance.has_version()) {
    d.key("version");
    d.copy_string(instance.version());
  }
  if (instance.has_is_definition()) {
    d.key("is_definition");
    d.boolean(instance.is_definition());
  }
  bool sound = true;
  if (instance.parameters_size() > 0) {
    d.key("parameters");
    d.begin_object();
    for (const SparkplugPayload::Template::Parameter& parameter : instance.parameters()) {
      d.copy_key(parameter.name());
      sound = append_scalar(parameter.type(), parameter) && sound;
    }
    d.end_object();
  }
  d.key("metrics");
  d.begin_object();
  for (const Metric& metric : instance.metrics()) {
    Known member = know(metric);
    d.key(member.name);
    append_value(metric, member);
    sound = sound && member.wrong.empty();
  }
  d.end_object();
  d.end_object();
  return sound;
}

bool SparkplugDecoder::append_properties(const SparkplugPayload::PropertySet& set) {
  bool sound = set.keys_size() == set.values_size();
  document_.begin_object();
  for (int i = 0; i < std::min(set.keys_size(), set.values_size()); ++i) {
    document_.copy_key(set.keys(i));
    sound = append_property(set.values(i)) && sound;
  }
  document_.end_object();
  return sound;
}

bool SparkplugDecoder::append_property(const SparkplugPayload::PropertyValue& property) {
  if (property.is_null()) {
    document_.null();
    return true;
  }
  if (property.has_propertyset_value()) return append_properties(property.propertyset_value());
  if (!property.has_propertysets_value()) return append_scalar(property.type(), property);
  bool sound = true;
  document_.begin_array();
  for (const SparkplugPayload::PropertySet& set : property.propertysets_value().propertyset()) {
    sound = append_properties(set) && sound;
  }
  document_.end_array();
  return sound;
}

}  // namespace

std::unique_ptr<Decoder> make_sparkplug_decoder(SparkplugSessions* sessions) {
  return std::make_unique<SparkplugDecoder>(sessions);
}

}  // namespace rowgate::schema
