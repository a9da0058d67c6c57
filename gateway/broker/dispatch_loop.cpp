#include "gateway/broker/dispatch_loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace rowgate::broker {
namespace {

using std::chrono::milliseconds;

/// How long a look at the journal waits while somebody is subscribed.
constexpr milliseconds read_wait{100};
/// Without any subscription: not woken for every commit, only so often.
constexpr milliseconds rest_wait{50};
/// At the end, for the journal's last commit.
constexpr milliseconds last_wait{5000};
/// Changes of the store gather this long; many do not wait.
constexpr milliseconds gather{300};
constexpr std::size_t many_changes = 4000;
/// A checkpoint without changes, so that the journal's segments can go.
constexpr milliseconds idle_checkpoint{1000};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

DispatchLoop::DispatchLoop(Dispatch& dispatch, DispatchInbox& inbox, storage::Journal& journal,
                           storage::StateStore& store, os::Clock& clock,
                           std::uint64_t checkpoint_every)
    : dispatch_(dispatch),
      inbox_(inbox),
      journal_(journal),
      store_(store),
      clock_(clock),
      checkpoint_every_(checkpoint_every) {
  inbox_.on_mail([this] {
    const std::lock_guard lock(waking_);
    has_mail_ = true;
    wait_.request_stop();
    woken_.notify_all();
  });
}

void DispatchLoop::recover() {
  position_ = store_.checkpoint();
  if (position_ > journal_.durable()) {
    throw std::runtime_error(fmt::format(
        "the sessions are known up to position {}, beyond the end of the journal at {}: the "
        "journal is an older copy; put the newer one back, or move sessions.db away to start "
        "without the sessions",
        position_.value, journal_.durable().value));
  }
  if (position_ < journal_.first()) {
    throw std::runtime_error(fmt::format(
        "the sessions are known up to position {}, but the journal begins at {}: sessions.db is an "
        "older copy; put the newer one back, or move it away to start without the sessions",
        position_.value, journal_.first().value));
  }
  dispatch_.load(store_);
  flushed_ = position_.value;
  while (position_ < journal_.durable()) {
    const auto batch = journal_.read(position_, {}, milliseconds(0));
    if (!batch) break;
    apply(*batch);
  }
  read_at_ = clock_.ticks();
}

std::string DispatchLoop::run(std::stop_token stop) noexcept {
  try {
    loop(std::move(stop));
    return {};
  } catch (const std::exception& e) {
    return fmt::format("the sessions: {}", e.what());
  }
}

void DispatchLoop::loop(std::stop_token stop) {
  const std::stop_callback wake(stop, [this] {
    const std::lock_guard lock(waking_);
    wait_.request_stop();
    woken_.notify_all();
  });
  while (!stop.stop_requested()) {
    const bool busy = step(stop);
    dispatch_.pump(clock_.now());
    if (handed_out_) handed_out_();
    commit_if_due(!busy);
  }
  // All that was appended, but no decisions more: they would only be new records.
  const storage::Position end = journal_.appended();
  take_mail();
  while (position_ < end) {
    const auto batch = journal_.read(position_, {}, last_wait);
    if (!batch) break;  // the journal has failed
    apply(*batch);
  }
  if (position_.value > flushed_ || dispatch_.pending_changes() > 0) commit();
}

bool DispatchLoop::step(std::stop_token stop) {
  const bool wanted = dispatch_.wants_all_publishes();
  // After a rest everything that came meanwhile: one batch a rest would fall behind.
  if (!wanted && position_ >= rested_) {
    rest(stop);
    rested_ = journal_.durable();
  }
  std::stop_token cut;
  {
    const std::lock_guard lock(waking_);
    wait_ = std::stop_source();
    if (has_mail_ || stop.stop_requested()) wait_.request_stop();
    cut = wait_.get_token();
  }
  auto batch = journal_.read(position_, cut, wanted ? read_wait : milliseconds(0));
  // Mail that cut the wait short must not keep the journal from being read.
  if (!batch && journal_.durable() > position_) {
    batch = journal_.read(position_, {}, milliseconds(0));
  }
  take_mail();
  if (!batch) return false;
  apply(*batch);
  read_at_ = clock_.ticks();
  return true;
}

void DispatchLoop::rest(std::stop_token stop) {
  std::unique_lock lock(waking_);
  woken_.wait_for(lock, rest_wait, [&] { return has_mail_ || stop.stop_requested(); });
}

void DispatchLoop::take_mail() {
  {
    const std::lock_guard lock(waking_);
    has_mail_ = false;
  }
  inbox_.take(mail_);
  const Timestamp now = clock_.now();
  for (DispatchMail& mail : mail_) {
    std::visit(Overloaded{[&](EphemeralEvent& e) { dispatch_.apply_event(e.bytes, e.since, now); },
                          [&](Attach& a) { dispatch_.attach(std::move(a), now); },
                          [&](Detach& d) { dispatch_.detach(d, now); },
                          [&](std::shared_ptr<const LiveMessage>& m) {
                            dispatch_.publish(std::move(m), now);
                          }},
               mail);
  }
}

void DispatchLoop::apply(const storage::Batch& batch) {
  const Timestamp now = clock_.now();
  storage::RecordCursor cursor(batch, position_);
  storage::RecordView record;
  // Asked anew for each record: the one before may have been the first subscription.
  while (cursor.next_special(dispatch_.wants_all_publishes(), record)) {
    dispatch_.apply(record, now);
  }
  position_ = batch.end();
  dispatch_.reached(position_);
  applied_.store(position_.value, std::memory_order_release);
}

void DispatchLoop::commit_if_due(bool idle) {
  const auto now = clock_.ticks();
  const std::size_t changes = dispatch_.pending_changes();
  if (changes > 0) {
    if (!changed_at_) changed_at_ = now;
    if (changes >= many_changes || now - *changed_at_ >= gather) commit();
    return;
  }
  const std::uint64_t behind = position_.value - flushed_.load(std::memory_order_relaxed);
  const bool quiet = idle && behind > 0 && now - read_at_ >= idle_checkpoint;
  if (quiet || behind >= checkpoint_every_) commit();
}

void DispatchLoop::commit() {
  const auto changes = dispatch_.take_changes();
  if (const auto done = store_.commit(changes, position_); !done) {
    throw std::runtime_error(done.error());
  }
  changed_at_.reset();
  flushed_.store(position_.value, std::memory_order_release);
}

storage::Position DispatchLoop::flushed() const noexcept {
  return {flushed_.load(std::memory_order_acquire)};
}

storage::Position DispatchLoop::applied() const noexcept {
  return {applied_.load(std::memory_order_acquire)};
}

}  // namespace rowgate::broker
