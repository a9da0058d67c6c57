#include "storage/drain/open_batch.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace rowgate::storage {

using std::chrono::milliseconds;

namespace {
constexpr milliseconds gather_time{5};
}

OpenBatch::OpenBatch(Journal& journal, os::Clock& clock, std::string gateway, Lane lane,
                     Limits limits)
    : journal_(journal),
      clock_(clock),
      gateway_(std::move(gateway)),
      lane_(lane),
      limits_(limits) {}

void OpenBatch::use(std::shared_ptr<const schema::Catalog> catalog) {
  if (catalog == catalog_) return;
  mapper_ = std::make_unique<schema::Mapper>(catalog, &sparkplug_);
  tables_.emplace(*catalog);
  catalog_ = std::move(catalog);
}

void OpenBatch::seek(Position from) {
  sparkplug_.revert();
  clear();
  if (mapper_) mapper_->forget();  // what it took for stored may not be
  cursor_.reset();
  current_.reset();
  held_.clear();
  held_bytes_ = 0;
  read_at_ = from;
  filling_.reset();
}

void OpenBatch::clear() {
  sparkplug_.settle();
  if (tables_) tables_->clear();
  messages_.clear();
  fates_.clear();
  rows_ = 0;
  bytes_ = 0;
  last_refused_.reset();
  refused_rows_.clear();
  // The batch in hand has more messages for the next commit.
  held_.clear();
  held_bytes_ = 0;
  if (current_) held_.push_back(current_);
}

bool OpenBatch::full() const noexcept {
  // Other lanes' records keep memory too, so what is held is bounded as well.
  return rows_ >= limits_.rows || bytes_ >= limits_.bytes || held_bytes_ >= 4 * limits_.bytes;
}

milliseconds OpenBatch::age() const noexcept {
  return std::chrono::duration_cast<milliseconds>(clock_.ticks() - first_at_);
}

bool OpenBatch::read_batch(std::stop_token stop, milliseconds wait) {
  current_ = journal_.read(read_at_, std::move(stop), wait);
  if (!current_) return false;
  cursor_.emplace(*current_, read_at_);
  held_.push_back(current_);
  return true;
}

bool OpenBatch::map_batch() {
  RecordView record;
  while (cursor_->next_publish(lane_, record)) {
    add(record);
    read_at_ = record.end;
    if (full()) return false;
  }
  read_at_ = current_->end();
  held_bytes_ += current_->bytes().size();
  if (messages_.empty()) {  // nothing in it was ours
    held_.clear();
    held_bytes_ = 0;
  }
  cursor_.reset();
  current_.reset();
  return !full();
}

void OpenBatch::add(const RecordView& record) {
  const PublishRecord& publish = record.publish;
  if (messages_.empty()) first_at_ = clock_.ticks();
  const auto source = static_cast<std::uint32_t>(messages_.size());
  const schema::Message& message = messages_.emplace_back(schema::Message{
      .topic = publish.topic,
      .client_id = publish.client_id,
      .payload = publish.payload,
      .properties = publish.properties,
      .received_at = publish.received_at,
      .position = record.position.value,
      .qos = publish.qos,
      .retain = publish.retain,
  });
  const schema::Verdict verdict = mapper_->map(message, source, limits_.store_unmapped, *tables_);
  if (sparkplug_.saw_birth())
    schema::add_birth(tables_->births(), gateway_, lane_.value, message, source);
  fates_.push_back(!verdict.matched  ? Fate::unmapped
                   : verdict.rejects ? Fate::dead_letter
                                     : Fate::stored);
  rows_ += std::max<std::size_t>(verdict.rows + verdict.rejects, 1);
  bytes_ += record.end.value - record.position.value + verdict.bytes;
}

std::optional<Rest> OpenBatch::fill(milliseconds idle) {
  if (!filling_) filling_ = Filling{clock_.ticks(), read_at_};
  while (!full()) {
    if (!current_) {
      const bool caught_up = read_at_ >= journal_.durable();
      if (limits_.eager && caught_up && read_at_ > filling_->from) break;
      const milliseconds waited =
          std::chrono::duration_cast<milliseconds>(clock_.ticks() - filling_->since);
      const milliseconds left = messages_.empty() ? idle - waited : limits_.age - age();
      if (left.count() <= 0 || filling_->in_vain) break;
      if (caught_up) {
        // A lane that has caught up has time to spare: a wake-up for each of the journal's commits
        // would cost more than the rows they bring.
        const milliseconds gather = messages_.empty() ? milliseconds(0) : gather_time;
        return Rest{std::min(left, gather), left - std::min(left, gather)};
      }
      if (!read_batch({}, milliseconds(0))) break;
    }
    if (!map_batch()) break;
  }
  filling_.reset();
  return std::nullopt;
}

void OpenBatch::rest(const Rest& rest, std::stop_token stop) {
  if (rest.pause.count() > 0) {
    std::mutex mutex;
    std::condition_variable_any woken;
    std::unique_lock lock(mutex);
    woken.wait_for(lock, stop, rest.pause, [] { return false; });
  }
  if (!filling_ || rest.journal.count() <= 0) return;
  filling_->in_vain = !read_batch(std::move(stop), rest.journal);
}

void OpenBatch::fill_up_to(Position end) {
  filling_.reset();
  while (!full() && (current_ || read_at_ < end)) {
    if (!current_ && !read_batch({}, milliseconds(0))) return;
    if (!map_batch()) return;
  }
}

void OpenBatch::refuse(std::size_t table, std::size_t row, std::string_view reason) {
  const std::uint32_t source = (*tables_)[table].source(row);
  const std::uint32_t number = (*tables_)[table].number(row);
  if (last_refused_ && last_refused_->table == table && last_refused_->source == source)
    return also_refused(number);
  last_refused_ = Refused{table, source};
  const schema::Message& of = messages_[source];
  std::string_view mapping;
  for (const schema::TopicMatch& match : catalog().index.match(of.topic)) {
    const schema::Mapping& candidate = catalog().mappings[match.mapping];
    if (candidate.table != table && !candidate.machbase) continue;
    mapping = candidate.name;
    break;
  }
  schema::add_dead_letter(tables_->dead_letters(), of, source, mapping, reason);
  fates_[source] = Fate::dead_letter;
  refused_rows_.emplace_back();
  also_refused(number);
}

// Refused rows come in their order. The text grows at its end: a message may have 65,536 of them.
void OpenBatch::also_refused(std::uint32_t number) {
  if (number == schema::RowBatch::no_number) return;
  schema::RowRange& last = last_refused_->last;
  std::string& text = refused_rows_.back();
  if (text.empty() || number > last.last + 1) {
    if (!text.empty()) text += ',';
    last_refused_->last_at = text.size();
    last = {number, number};
  } else {
    last.last = std::max(last.last, number);
  }
  text.resize(last_refused_->last_at);
  text += schema::format_rows({&last, 1});
  schema::RowBatch& letters = tables_->dead_letters();
  letters.last_row()[*letters.table().column("rows")] =
      schema::Value::of_bytes(schema::Type::text, text);
}

}  // namespace rowgate::storage
