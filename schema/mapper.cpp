#include "schema/mapper.hpp"

#include <algorithm>
#include <string>

#include "schema/machbase.hpp"
#include "schema/number.hpp"
#include "schema/payload/json.hpp"
#include "schema/payload_text.hpp"
#include "schema/plan.hpp"
#include "schema/row_writer.hpp"
#include "schema/sparkplug.hpp"
#include "schema/taking.hpp"
#include "schema/topic_cache.hpp"

namespace rowgate::schema {
namespace {

// The columns of the built-in table.
enum Telemetry : std::size_t { ts, topic, client_id, value, payload };

struct Prepared {
  Prepared(const Mapping& mapping, const Catalog& catalog)
      : plan(mapping, catalog.tables[mapping.table]), writer(plan, catalog.tables[mapping.table]) {}
  Plan plan;
  RowWriter writer;
};

}  // namespace

struct Mapper::State {
  explicit State(std::shared_ptr<const Catalog> with)
      : catalog(std::move(with)), cache(catalog->index) {
    scratch.leaves.reserve(64);
    make_room(1);
    for (const Mapping& mapping : catalog->mappings) {
      if (mapping.machbase) {
        prepared.push_back(nullptr);
        if (!machbase) machbase = std::make_unique<Machbase>(*catalog);
        continue;
      }
      prepared.push_back(std::make_unique<Prepared>(mapping, *catalog));
      make_room(std::max(prepared.back()->plan.row.size(), prepared.back()->plan.root.size()));
    }
    all.finish();
  }

  void make_room(std::size_t slots) {
    if (slots <= scratch.fields.size()) return;
    scratch.fields.resize(slots);
    scratch.root_fields.resize(slots);
  }
  /// Through one mapping, into one table.
  void take(const Taking::Way& way, BatchSet& out, Verdict& verdict);
  void take_machbase(const TopicMatch& match, const Message& message, std::uint32_t source,
                     BatchSet& out, const Only* only, Verdict& verdict);
  void take_built_in(const Message& message, std::uint32_t source, RowBatch& batch);
  std::optional<double> only_number(std::string_view text);

  std::shared_ptr<const Catalog> catalog;
  TopicCache cache;
  std::vector<std::unique_ptr<Prepared>> prepared;  // by index in the Catalog; null: machbase's
  std::unique_ptr<Machbase> machbase;
  const RowWriter* filtered_by = nullptr;
  Scratch scratch;
  SparkplugSessions* sparkplug = nullptr;
  JsonReader json;  // the built-in mapping's
  FieldTree all;    // no pointer: every field is a leaf
};

Mapper::Mapper(std::shared_ptr<const Catalog> catalog, SparkplugSessions* sparkplug)
    : state_(std::make_unique<State>(std::move(catalog))) {
  if (!has_sparkplug(*state_->catalog)) return;
  state_->sparkplug = sparkplug;
  state_->scratch.decoders.use(sparkplug);
}
Mapper::~Mapper() = default;

const Catalog& Mapper::catalog() const noexcept {
  return *state_->catalog;
}

Verdict Mapper::map(const Message& message, std::uint32_t source, bool store_unmapped,
                    BatchSet& out, const Only* only) {
  State& s = *state_;
  Verdict verdict;
  if (s.sparkplug != nullptr) s.sparkplug->see(message);
  if (s.catalog->mappings.size() == 1 && s.catalog->mappings[0].built_in) {
    s.take_built_in(message, source, out[0]);
    return {.rows = 1, .rejects = 0, .filtered = 0, .bytes = 0, .matched = true};
  }
  for (const TopicMatch& match : s.cache.find(message.topic)) {
    const Mapping& mapping = s.catalog->mappings[match.mapping];
    if (only != nullptr && only->mapping != mapping.name) continue;
    verdict.matched = true;
    if (mapping.machbase) {
      s.take_machbase(match, message, source, out, only, verdict);
      continue;
    }
    Prepared& with = *s.prepared[match.mapping];
    Taking::Way way{with.plan, with.writer, match, message, source, out[mapping.table]};
    if (only != nullptr) way.only = only->rows;
    s.take(way, out, verdict);
  }
  if (!verdict.matched && store_unmapped) add_unmapped(out.unmapped(), message, source);
  return verdict;
}

void Mapper::State::take(const Taking::Way& way, BatchSet& out, Verdict& verdict) {
  const std::size_t rows_before = way.batch.rows();
  const std::size_t bytes_before = way.batch.arena().used();
  Taking taking(scratch, way);
  taking.run();
  if (taking.filtered() > 0) {
    verdict.filtered += taking.filtered();
    filtered_by = &way.writer;
  }
  if (taking.refused()) {
    add_dead_letter(out.dead_letters(), way.message, way.source, way.plan.mapping.name,
                    taking.reason(), taking.rows());
    ++verdict.rejects;
  }
  verdict.rows += static_cast<std::uint32_t>(way.batch.rows() - rows_before);
  verdict.bytes += way.batch.arena().used() - bytes_before;
}

void Mapper::State::take_machbase(const TopicMatch& match, const Message& message,
                                  std::uint32_t source, BatchSet& out, const Only* only,
                                  Verdict& verdict) {
  std::string reason;
  // Its table is not known yet; the dead letters' memory lives as long.
  const auto payload =
      scratch.unpacker.unpack(Machbase::compression(message), message, out.dead_letters().arena());
  const auto found =
      payload ? machbase->way(message, *payload, out, reason) : std::optional<Machbase::Way>();
  if (!found) {
    add_dead_letter(out.dead_letters(), message, source, machbase_mapping,
                    payload ? reason : scratch.unpacker.reason());
    ++verdict.rejects;
    return;
  }
  make_room(std::max(found->plan->row.size(), found->plan->root.size()));
  Taking::Way way{*found->plan, *found->writer, match, message, source, out[found->table]};
  way.payload = found->payload;
  if (only != nullptr) way.only = only->rows;
  take(way, out, verdict);
}

void Mapper::forget() noexcept {
  for (const auto& with : state_->prepared) {
    if (with) with->writer.forget();
  }
}

std::string Mapper::why_filtered() const {
  return state_->filtered_by->why_filtered();
}

std::optional<double> Mapper::State::only_number(std::string_view text) {
  if (is_number(text)) return to_double(text);
  if (!text.starts_with('{') || !json.open(text) ||
      !json.read(all, scratch.fields, &scratch.leaves)) {
    return std::nullopt;
  }
  const Field* found = nullptr;
  for (const Leaf& leaf : scratch.leaves) {
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
