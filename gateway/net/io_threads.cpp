#include "gateway/net/io_threads.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace rowgate::net {

IoThreads::IoThreads(std::vector<Listen> listeners, const TlsOptions& tls)
    : listeners_(std::move(listeners)) {
  for (const Listen& listen : listeners_) {
    if (!is_tls(listen.kind) || tls_) continue;
    if (tls.certificate.empty() || tls.key.empty()) {
      throw TlsError(
          fmt::format("`{}` needs a certificate: set `tls.certificate` and `tls.key` (PEM files)",
                      option_of(listen.kind).name));
    }
    tls_ = std::make_unique<TlsContext>(tls);
  }
  for (Listen& listen : listeners_) {
    const std::vector<Bound> bound = claim(listen);
    bound_.insert(bound_.end(), bound.begin(), bound.end());
  }
}
IoThreads::~IoThreads() = default;

void IoThreads::open(broker::Broker& broker, unsigned threads, const NetOptions& options) {
  admission_ = std::make_unique<Admission>(options.max_connections_per_address,
                                           options.max_connects_per_second);
  for (unsigned i = 0; i < threads; ++i) {
    threads_.push_back(std::make_unique<IoThread>(static_cast<std::uint8_t>(i), broker, bound_,
                                                  options, *admission_, tls_.get()));
  }
}

void IoThreads::reload_certificate() {
  if (tls_) tls_->reload();
}

void IoThreads::reload_changed_certificate() {
  if (tls_) tls_->reload_if_changed();
}

void IoThreads::start() {
  for (const auto& thread : threads_) thread->start();
}

void IoThreads::journal_moved() {
  for (const auto& thread : threads_) thread->journal_moved();
}

void IoThreads::quiesce() {
  for (const auto& thread : threads_) thread->quiesce();
}

void IoThreads::finish() {
  for (const auto& thread : threads_) thread->say_good_bye();
  for (const auto& thread : threads_) thread->join();
}

void IoThreads::take_over(broker::ConnectionRef displaced, broker::ConnectionRef successor) {
  threads_[displaced.thread]->post(TakeOver{displaced, successor});
}

void IoThreads::proceed(broker::ConnectionRef successor) {
  threads_[successor.thread]->post(Proceed{successor});
}

void IoThreads::deliver(broker::Delivery&& delivery) {
  IoThread& thread = *threads_[delivery.to.thread];
  thread.post(std::move(delivery));
}

void IoThreads::send_off() {
  for (const auto& thread : threads_) thread->send_off();
}

void IoThreads::authenticated(broker::ConnectionRef waiting, security::Verdict&& verdict) {
  threads_[waiting.thread]->post(Authenticated{waiting, std::move(verdict)});
}

}  // namespace rowgate::net
