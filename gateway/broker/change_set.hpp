#pragma once
// What the StateStore does not know yet. A key that came and went in between is never written.
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "gateway/broker/delivery.hpp"
#include "storage/state/state_store.hpp"

namespace rowgate::broker {

class ChangeSet {
 public:
  /// The bytes of a message are made only when it is written.
  using Value = std::variant<std::string, std::shared_ptr<const LiveMessage>>;

  /// Precondition: the key does not exist.
  void add(std::string key, Value value);
  /// The key may exist.
  void set(std::string key, Value value);
  void erase(const std::string& key);

  std::size_t size() const noexcept { return changes_.size(); }
  std::vector<storage::StateStore::Change> take();

 private:
  struct Erased {};
  struct Pending {
    std::variant<Erased, std::string, std::shared_ptr<const LiveMessage>> value;
    bool fresh = false;  // the store does not have the key
  };
  std::unordered_map<std::string, Pending> changes_;
};

/// The bytes of a stored message, and back; null where they are none.
std::string encode_message(const LiveMessage& message);
std::shared_ptr<const LiveMessage> decode_message(std::string_view bytes);

}  // namespace rowgate::broker
