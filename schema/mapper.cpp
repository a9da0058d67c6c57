#include "schema/mapper.hpp"

#include <algorithm>
#include <string>

#include "schema/base/utf8.hpp"
#include "schema/number.hpp"
#include "schema/payload/json.hpp"
#include "schema/payload_text.hpp"
#include "schema/plan.hpp"
#include "schema/row_writer.hpp"
#include "schema/topic_cache.hpp"

namespace rowgate::schema {
namespace {

// Rows one message may become; more would let a small payload fill a lane's memory.
constexpr std::uint32_t max_rows_a_message = 65'536;
constexpr std::size_t max_values_a_message = 4'000'000;

// The columns of the built-in table.
enum Telemetry : std::size_t { ts, topic, client_id, value, payload };

struct Prepared {
  Prepared(const Mapping& mapping, const Catalog& catalog)
      : plan(mapping, catalog), writer(plan, catalog.tables[mapping.table]) {}
  Plan plan;
  RowWriter writer;
};

}  // namespace

struct Mapper::State {
  explicit State(std::shared_ptr<const Catalog> with)
      : catalog(std::move(with)), cache(catalog->index) {
    std::size_t slots = 1;
    for (const Mapping& mapping : catalog->mappings) {
      prepared.push_back(std::make_unique<Prepared>(mapping, *catalog));
      slots =
          std::max({slots, prepared.back()->plan.row.size(), prepared.back()->plan.root.size()});
    }
    fields.resize(slots);
    root_fields.resize(slots);
    leaves.reserve(64);
    all.finish();
  }

  // Each appends the message's rows to the batch; false: `reason` says why not, or not all.
  bool take(Prepared& with, const TopicCache::Match& match, const Message& message,
            std::uint32_t source, RowBatch& batch);
  bool take_json(Prepared& with, const TopicCache::Match& match, const Message& message,
                 std::uint32_t source, RowBatch& batch);
  bool take_rows(Prepared& with, const TopicCache::Match& match, const Message& message,
                 std::uint32_t source, RowBatch& batch);
  void take_built_in(const Message& message, std::uint32_t source, RowBatch& batch);
  std::optional<double> only_number(std::string_view text);

  std::shared_ptr<const Catalog> catalog;
  TopicCache cache;
  JsonReader json;
  std::vector<std::unique_ptr<Prepared>> prepared;  // by index in the Catalog
  std::vector<Field> fields;
  std::vector<Field> root_fields;
  std::vector<Leaf> leaves;
  FieldTree all;  // no pointer: every field is a leaf
  std::string reason;
};

Mapper::Mapper(std::shared_ptr<const Catalog> catalog)
    : state_(std::make_unique<State>(std::move(catalog))) {}
Mapper::~Mapper() = default;

const Catalog& Mapper::catalog() const noexcept {
  return *state_->catalog;
}

Verdict Mapper::map(const Message& message, std::uint32_t source, bool store_unmapped,
                    BatchSet& out) {
  State& s = *state_;
  Verdict verdict;
  if (s.catalog->mappings.size() == 1 && s.catalog->mappings[0].built_in) {
    s.take_built_in(message, source, out[0]);
    return {.rows = 1, .rejects = 0, .matched = true};
  }
  for (const TopicCache::Match& match : s.cache.find(message.topic)) {
    verdict.matched = true;
    Prepared& with = *s.prepared[match.mapping];
    RowBatch& batch = out[with.plan.mapping.table];
    const std::size_t before = batch.rows();
    if (!s.take(with, match, message, source, batch)) {
      add_dead_letter(out.dead_letters(), message, source, with.plan.mapping.name, s.reason);
      ++verdict.rejects;
    }
    verdict.rows += static_cast<std::uint32_t>(batch.rows() - before);
  }
  if (!verdict.matched && store_unmapped) add_unmapped(out.unmapped(), message, source);
  return verdict;
}

bool Mapper::State::take(Prepared& with, const TopicCache::Match& match, const Message& message,
                         std::uint32_t source, RowBatch& batch) {
  if (with.plan.mapping.payload == Payload::json) {
    return take_json(with, match, message, source, batch);
  }
  fields[0] = {};
  if (with.plan.mapping.payload == Payload::raw) {
    fields[0].kind = Field::Kind::bytes;
    fields[0].text = message.payload;
  } else {
    if (!is_utf8(message.payload) || has_nul(message.payload)) {
      reason = "the payload is not text (UTF-8 without NUL); use payload = \"raw\"";
      return false;
    }
    fields[0].kind = Field::Kind::text;
    fields[0].text = trimmed(message.payload);
  }
  return with.writer.write({message, match, fields, root_fields, {}, json}, source, batch, reason);
}

bool Mapper::State::take_json(Prepared& with, const TopicCache::Match& match,
                              const Message& message, std::uint32_t source, RowBatch& batch) {
  const Plan& plan = with.plan;
  leaves.clear();
  const bool rows = plan.mapping.has_rows;
  std::vector<Leaf>* const wanted = plan.leaves && !rows ? &leaves : nullptr;
  if (!json.open(message.payload) ||
      !json.read(rows ? plan.root : plan.row, rows ? root_fields : fields, wanted)) {
    reason = "the payload is not JSON: ";
    reason += json.error().what;
    if (json.error().offset != JsonError::nowhere) {
      reason += ", at byte " + std::to_string(json.error().offset);
    }
    return false;
  }
  if (rows) return take_rows(with, match, message, source, batch);
  return with.writer.write({message, match, fields, root_fields, leaves, json}, source, batch,
                           reason);
}

bool Mapper::State::take_rows(Prepared& with, const TopicCache::Match& match,
                              const Message& message, std::uint32_t source, RowBatch& batch) {
  const Plan& plan = with.plan;
  const Field array = root_fields[plan.rows_slot];
  const std::string name = plan.mapping.rows.empty() ? "the payload" : plan.mapping.rows;
  if (array.kind == Field::Kind::absent) {
    reason = "the payload has no " + name + ", where rows are expected";
    return false;
  }
  if (array.kind != Field::Kind::array) {
    reason = name + " is not an array, which rows are read from";
    return false;
  }
  if (array.elements > max_rows_a_message) {
    reason = name + " has " + std::to_string(array.elements) + " elements; at most " +
             std::to_string(max_rows_a_message) + " rows are taken from a message";
    return false;
  }
  std::uint32_t refused = 0;
  std::string first;
  const std::size_t before = batch.rows();
  json.begin(array);
  for (std::uint32_t i = 0; i < array.elements; ++i) {
    const bool read = json.element(plan.row, fields, plan.leaves ? &leaves : nullptr);
    const std::size_t made = batch.rows() - before;
    const bool too_many =
        made > max_rows_a_message || made * batch.table().columns.size() > max_values_a_message;
    if (!read || too_many) {
      while (batch.rows() > before) batch.drop_last_row();
      reason = read ? "it would make more than " + std::to_string(max_rows_a_message) +
                          " rows or " + std::to_string(max_values_a_message) + " values"
                    : "element " + std::to_string(i) + " of " + name + " has too many fields";
      return false;
    }
    const RowInput input{message, match, fields, root_fields, leaves, json};
    if (with.writer.write(input, source, batch, reason)) continue;
    if (++refused == 1) first = "element " + std::to_string(i) + " of " + name + ": " + reason;
  }
  if (refused == 0) return true;
  reason =
      std::to_string(refused) + " of " + std::to_string(array.elements) +
      (plan.mapping.reject ? " rows do not fit; " : " rows do not fit (the others are stored); ") +
      first;
  return false;
}

std::optional<double> Mapper::State::only_number(std::string_view text) {
  if (is_number(text)) return to_double(text);
  if (!text.starts_with('{') || !json.open(text) || !json.read(all, fields, &leaves)) {
    return std::nullopt;
  }
  const Field* found = nullptr;
  for (const Leaf& leaf : leaves) {
    if (leaf.field.kind != Field::Kind::number) continue;
    if (found != nullptr) return std::nullopt;
    found = &leaf.field;
  }
  return found != nullptr ? to_double(found->text) : std::nullopt;
}

void Mapper::State::take_built_in(const Message& message, std::uint32_t source, RowBatch& batch) {
  const std::span<Value> row = batch.add_row(source);
  row[Telemetry::ts] = Value::of_timestamp(message.received_at);
  row[Telemetry::topic] = Value::of_bytes(Type::text, message.topic);
  row[Telemetry::client_id] = Value::of_bytes(Type::text, message.client_id);
  const PayloadText shown = payload_text(message.payload, batch.arena());
  row[Telemetry::payload] = Value::of_bytes(Type::text, shown.text);
  if (shown.hex) return;
  if (const auto number = only_number(trimmed(message.payload))) {
    row[Telemetry::value] = Value::of_double(*number);
  }
}

}  // namespace rowgate::schema
