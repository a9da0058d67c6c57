#include "gateway/topics/sampler.hpp"

#include <pthread.h>

#include <condition_variable>
#include <mutex>

namespace rowgate::topics {

using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds interval{100};
constexpr std::chrono::microseconds share{2'000};  // of an interval
constexpr std::uint64_t most_history = 64ULL << 20;
constexpr unsigned messages_between_looks = 64;  // at the time

}  // namespace

Sampler::Sampler(storage::Journal& journal, RecentMessages& recent, os::Clock& clock)
    : journal_(journal), recent_(recent), clock_(clock), at_(journal.trimmed()) {
  if (journal.durable().value - at_.value > most_history) at_ = journal.durable();
}

Sampler::~Sampler() {
  stop();
}

void Sampler::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "rowgate-topics");
    std::mutex mutex;
    std::condition_variable_any woken;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      round(share);
      woken.wait_for(lock, stop, interval, [] { return false; });
    }
  });
}

void Sampler::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

double Sampler::coverage() const noexcept {
  const auto read = static_cast<double>(read_bytes_.load());
  const auto passed = static_cast<double>(passed_bytes_.load());
  return read + passed > 0 ? read / (read + passed) : 1;
}

void Sampler::round(std::chrono::microseconds budget) {
  // The lanes may have let go of what was not read yet.
  if (at_ < journal_.first()) at_ = journal_.first();
  const storage::Position end = journal_.durable();
  if (at_ >= end) return;
  const storage::Position from = at_;
  const steady_clock::time_point until = clock_.ticks() + budget;
  bool more = true;
  try {
    while (more && at_ < end) more = read_batch(until);
  } catch (const storage::JournalCorrupt&) {
    // Trimmed while it was being read, or damaged: a lane will say so if it is.
  } catch (const storage::JournalError&) {
    // Trimmed between the look for its file and its opening: the next round begins behind it.
  }
  read_bytes_ += at_.value - from.value;
  weight_ = 1;
  if (at_ >= end || at_ < journal_.recovered()) return;  // history has time
  const auto passed = static_cast<double>(end.value - at_.value);
  const auto read = static_cast<double>(at_.value - from.value);
  if (read > 0) weight_ = (read + passed) / read;
  passed_bytes_ += end.value - at_.value;
  at_ = end;
}

bool Sampler::read_batch(steady_clock::time_point until) {
  const auto batch = journal_.read(at_, {}, std::chrono::milliseconds(0));
  if (!batch) return false;
  storage::RecordCursor cursor(*batch, at_);
  storage::RecordView record;
  const auto lock = recent_.lock();
  unsigned seen = 0;
  while (cursor.next_special(true, record)) {
    if (record.type == storage::RecordType::publish) {
      const storage::PublishRecord& publish = record.publish;
      recent_.see({.topic = publish.topic,
                   .client_id = publish.client_id,
                   .payload = publish.payload,
                   .properties = publish.properties,
                   .received_at = publish.received_at,
                   .position = record.position.value,
                   .qos = publish.qos,
                   .retain = publish.retain},
                  weight_);
    }
    at_ = record.end;
    if (++seen % messages_between_looks == 0 && clock_.ticks() >= until) return false;
  }
  at_ = batch->end();
  return clock_.ticks() < until;
}

}  // namespace rowgate::topics
