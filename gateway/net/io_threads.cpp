#include "gateway/net/io_threads.hpp"

namespace rowgate::net {

IoThreads::IoThreads(const std::string& host, std::uint16_t port)
    : endpoint_(claim_endpoint(host, port)) {}
IoThreads::~IoThreads() = default;

void IoThreads::open(broker::Broker& broker, unsigned threads, NetLimits limits) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.push_back(
        std::make_unique<IoThread>(static_cast<std::uint8_t>(i), broker, endpoint_, limits));
  }
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

}  // namespace rowgate::net
