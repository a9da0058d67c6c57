// The subscriber's side of a session: SUBSCRIBE, UNSUBSCRIBE, live copies and their hand-shakes.
#include <algorithm>

#include "gateway/broker/session.hpp"
#include "gateway/mqtt/subscribe.hpp"

namespace rowgate::broker {
namespace {

using mqtt::ReasonCode;

}  // namespace

Session::Next Session::on_subscribe(const mqtt::Frame& frame, std::string& out) {
  const auto decoded = mqtt::decode_subscribe(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  std::vector<ReasonCode> codes;
  codes.reserve(decoded->requests.size());
  for (const mqtt::SubscriptionRequest& request : decoded->requests) {
    codes.push_back(subscribe_one(request, decoded->subscription_identifier.value_or(0)));
  }
  const std::size_t before = out.size();
  mqtt::encode_suback(out, version_, decoded->packet_id, codes);
  return answered(before, out);
}

ReasonCode Session::subscribe_one(const mqtt::SubscriptionRequest& request,
                                  std::uint32_t identifier) {
  if (request.filter.starts_with("$share/")) {
    return ReasonCode::shared_subscriptions_not_supported;
  }
  if (!mqtt::is_topic_filter(request.filter)) return ReasonCode::topic_filter_invalid;
  const auto levels =
      static_cast<std::size_t>(std::count(request.filter.begin(), request.filter.end(), '/')) + 1;
  auto& filters = subscriber_->filters;
  const auto known = filters.find(request.filter);
  if (levels > broker_.options.max_filter_levels ||
      (known == filters.end() && filters.size() >= broker_.options.max_filters)) {
    return ReasonCode::quota_exceeded;
  }
  if (known == filters.end()) filters.emplace(request.filter);
  broker_.subscriptions.add(
      request.filter, subscriber_,
      {request.qos, request.no_local, request.retain_as_published, identifier});
  return static_cast<ReasonCode>(request.qos);  // the granted QoS
}

Session::Next Session::on_unsubscribe(const mqtt::Frame& frame, std::string& out) {
  const auto decoded = mqtt::decode_unsubscribe(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  std::vector<ReasonCode> codes;
  for (const std::string_view filter : decoded->filters) {
    const auto known = subscriber_->filters.find(filter);
    if (known == subscriber_->filters.end()) {
      codes.push_back(ReasonCode::no_subscription_existed);
      continue;
    }
    broker_.subscriptions.remove(filter, *subscriber_);
    subscriber_->filters.erase(known);
    codes.push_back(ReasonCode::success);
  }
  const std::size_t before = out.size();
  mqtt::encode_unsuback(out, version_, decoded->packet_id, codes);
  return answered(before, out);
}

Session::Next Session::deliver(Delivery&& delivery, std::chrono::steady_clock::time_point now,
                               std::string& out) {
  if (state_ != State::connected) return Next::read;
  if (!outgoing_) outgoing_.emplace(limits_);
  const Outgoing::Sent sent = outgoing_->send(std::move(delivery), now, out);
  auto& counter =
      sent == Outgoing::Sent::yes ? broker_.counters.delivered : broker_.counters.undelivered;
  counter.fetch_add(1, std::memory_order_relaxed);
  if (sent != Outgoing::Sent::overrun) return Next::read;
  reason_ = "the subscriber lets too many messages pile up";
  disconnect(ReasonCode::quota_exceeded, out);
  return Next::close;
}

Session::Next Session::on_client_ack(const mqtt::Frame& frame, Moment now, std::string& out) {
  const auto decoded = mqtt::decode_ack(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  // An acknowledgement of what we did not send (or sent on an earlier connection) changes nothing.
  if (!outgoing_) outgoing_.emplace(limits_);
  outgoing_->acknowledged(frame.type, *decoded, now.ticks, out);
  return Next::read;
}

}  // namespace rowgate::broker
