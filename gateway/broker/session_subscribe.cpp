// SUBSCRIBE and UNSUBSCRIBE: events for the dispatcher, and their answers once those are durable.
#include <algorithm>

#include "gateway/broker/session.hpp"
#include "gateway/mqtt/subscribe.hpp"

namespace rowgate::broker {
namespace {

using mqtt::PacketType;
using mqtt::ReasonCode;

// Retained messages go to the dispatcher in pieces, so that a client that subscribes to everything
// neither fills the journal's open buffer nor keeps an I/O thread.
constexpr std::size_t retained_piece = 1U << 20;

void count(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Session::Next Session::on_subscribe(const mqtt::Frame& frame, Moment now, std::string& out,
                                    AckQueue& acks) {
  const auto decoded = mqtt::decode_subscribe(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  if (!request_) request_.emplace();
  while (request_->next < decoded->requests.size()) {
    const mqtt::SubscriptionRequest& request = decoded->requests[request_->next];
    const std::uint32_t identifier = decoded->subscription_identifier.value_or(0);
    if (const Next next = subscribe_one(request, identifier, now, out); next != Next::read) {
      return next;
    }
    ++request_->next;
  }
  return answer_request(PacketType::suback, decoded->packet_id, out, acks);
}

std::optional<ReasonCode> Session::refusal(const mqtt::SubscriptionRequest& request) const {
  std::string_view filter = request.filter;
  if (filter.starts_with(mqtt::share_prefix)) {
    const auto shared = mqtt::shared_filter(filter);
    // Only in 3.x: there $share/ is a name like others, but for one this broker cannot serve.
    if (!shared) return ReasonCode::topic_filter_invalid;
    filter = shared->filter;
  }
  const auto& filters = session_->filters;
  if (is_too_deep(filter) ||
      (filters.size() >= broker_.options.max_filters && !filters.contains(request.filter))) {
    return ReasonCode::quota_exceeded;
  }
  if (broker_.acl && !broker_.acl->get()->may_subscribe(identity_, client_id_, request.filter)) {
    count(broker_.counters.denied_subscriptions);
    return ReasonCode::not_authorized;
  }
  return std::nullopt;
}

// The subscription is told before the retained messages are looked up: so a message set meanwhile
// comes as retained or live, never neither.
Session::Next Session::subscribe_one(const mqtt::SubscriptionRequest& request,
                                     std::uint32_t identifier, Moment now, std::string& out) {
  if (request_->codes.size() == request_->next) {
    if (const auto code = refusal(request)) {
      request_->codes.push_back(*code);
      return Next::read;
    }
    const SubscriptionOptions options{request.qos, request.no_local, request.retain_as_published,
                                      identifier};
    if (const auto error =
            broker_.tell(*session_, event::Subscribed{client_id_, request.filter, options})) {
      return no_room(*error, out);
    }
    const bool is_new = session_->filters.emplace(request.filter).second;
    request_->codes.push_back(static_cast<ReasonCode>(request.qos));  // the granted QoS
    request_->retained.clear();
    request_->queued = 0;
    request_->waited = false;
    const bool wanted = request.retain_handling == 0 || (request.retain_handling == 1 && is_new);
    if (wanted && !request.filter.starts_with(mqtt::share_prefix)) {
      broker_.retained.match(request.filter, now.wall, request_->retained);
      request_->known_by = broker_.journal.appended();
    }
  }
  return queue_retained(request, identifier, now, out);
}

Session::Next Session::queue_retained(const mqtt::SubscriptionRequest& request,
                                      std::uint32_t identifier, Moment now, std::string& out) {
  // A message is retained as soon as it is appended. In the journal its copy comes behind it; by
  // the inbox it would come at once, and a crash could still take the message back.
  const bool may_overtake = !session_->journaled && !request_->retained.empty();
  if (may_overtake && broker_.journal.durable() < request_->known_by) {
    request_->waited = true;
    return Next::stall;
  }
  std::vector<std::shared_ptr<const LiveMessage>> current;
  std::size_t bytes = 0;
  for (; request_->queued < request_->retained.size(); ++request_->queued) {
    const LiveMessage& message = *request_->retained[request_->queued];
    if (bytes > retained_piece) {
      request_->waited = true;
      return Next::stall;
    }
    if (request_->waited) {  // replaced meanwhile: then the client has got the newer one live
      current.clear();
      broker_.retained.match(message.topic, now.wall, current);
      if (current.empty() || current.front().get() != &message) continue;
    }
    const event::Queued queued{
        client_id_,
        std::min(request.qos, message.qos),
        identifier,
        {message.topic, message.payload, message.properties, message.qos, true, message.expires}};
    const auto error = broker_.tell(*session_, queued);
    if (error == storage::AppendError::too_large) {
      count(broker_.counters.undelivered);
      continue;
    }
    if (error) {
      request_->waited = true;
      return no_room(*error, out);
    }
    bytes += message.topic.size() + message.payload.size() + message.properties.size();
  }
  return Next::read;
}

Session::Next Session::on_unsubscribe(const mqtt::Frame& frame, std::string& out, AckQueue& acks) {
  const auto decoded = mqtt::decode_unsubscribe(frame, version_);
  if (!decoded) return fail(decoded.error(), out);
  if (!request_) request_.emplace();
  for (; request_->next < decoded->filters.size(); ++request_->next) {
    const std::string_view filter = decoded->filters[request_->next];
    const auto known = session_->filters.find(filter);
    if (known == session_->filters.end()) {
      request_->codes.push_back(ReasonCode::no_subscription_existed);
      continue;
    }
    if (const auto error = broker_.tell(*session_, event::Unsubscribed{client_id_, filter})) {
      return no_room(*error, out);
    }
    session_->filters.erase(known);
    request_->codes.push_back(ReasonCode::success);
  }
  return answer_request(PacketType::unsuback, decoded->packet_id, out, acks);
}

Session::Next Session::answer_request(PacketType type, mqtt::PacketId id, std::string& out,
                                      AckQueue& acks) {
  std::vector<ReasonCode> codes = std::move(request_->codes);
  request_.reset();
  const std::size_t before = out.size();
  encode_answer(type, id, codes, out);
  // A server sends nothing larger than the client's Maximum Packet Size [MQTT-3.1.2-24], and a
  // request must not stay unanswered.
  if (out.size() - before > maximum_packet_size_) {
    out.resize(before);
    return fail({ReasonCode::packet_too_large,
                 "the answer is larger than the client's Maximum Packet Size [MQTT-3.1.2-24]"},
                out);
  }
  if (!session_->journaled) return Next::read;
  out.resize(before);
  answers_.push_back(std::move(codes));
  acks.push(pending(session_->last_event, id, type));
  return Next::read;
}

void Session::encode_answer(PacketType type, mqtt::PacketId id,
                            const std::vector<ReasonCode>& codes, std::string& out) const {
  if (type == PacketType::suback) {
    mqtt::encode_suback(out, version_, id, codes);
  } else {
    mqtt::encode_unsuback(out, version_, id, codes);
  }
}

// The ACL has changed under us. Where the journal has no room, the next tick goes on.
void Session::drop_denied_subscriptions() {
  const std::uint64_t generation = broker_.acl->generation();
  const auto acl = broker_.acl->get();
  auto& filters = session_->filters;
  for (auto it = filters.begin(); it != filters.end();) {
    if (acl->may_subscribe(identity_, client_id_, *it)) {
      ++it;
      continue;
    }
    if (broker_.tell(*session_, event::Unsubscribed{client_id_, *it})) return;
    count(broker_.counters.denied_subscriptions);
    it = filters.erase(it);
  }
  acl_generation_ = generation;
}

}  // namespace rowgate::broker
