#include "gateway/broker/delivery.hpp"

namespace rowgate::broker {

std::size_t Delivery::bytes() const noexcept {
  std::size_t bytes = sizeof *this + identifiers.size() * sizeof(std::uint32_t);
  if (message) {
    bytes += sizeof *message + message->topic.size() + message->payload.size() +
             message->properties.size();
  }
  return bytes;
}

}  // namespace rowgate::broker
