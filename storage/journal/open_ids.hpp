#pragma once
// The QoS 2 packet ids that clients have published with and not yet released [MQTT-4.3.3]: what the
// journal's `snapshot` record lists. Not locked: belongs to whoever holds the append lock.
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rowgate::storage {

class OpenIds {
 public:
  bool contains(std::string_view client_id, std::uint16_t packet_id) const noexcept;
  bool any(std::string_view client_id) const noexcept;
  /// False when it is there already. May allocate, for a client not seen lately.
  bool insert(std::string_view client_id, std::uint16_t packet_id);
  /// False when it is not there.
  bool erase(std::string_view client_id, std::uint16_t packet_id) noexcept;
  /// Drops all of the client's ids. False when it has none.
  bool erase_all(std::string_view client_id) noexcept;
  void clear() noexcept { clients_.clear(); }

  /// Size of the whole snapshot record. Drops what is kept for clients without open ids.
  std::size_t snapshot_size();
  /// Writes the body of a snapshot record: snapshot_size() - header_size bytes.
  void write_snapshot(char* to) const noexcept;
  /// Replaces everything by what a verified snapshot record's body lists.
  void read_snapshot(std::string_view body);

  /// Calls visit(client_id, packet_id) for each.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& [client, ids] : clients_) {
      for (const std::uint16_t id : ids) visit(std::string_view(client), id);
    }
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  // An entry without ids stays until the next snapshot, so that a client that publishes again and
  // again at QoS 2 costs no allocation each time. The ids are sorted: a client may hold 65,535, and
  // all appends wait while one is looked for.
  std::unordered_map<std::string, std::vector<std::uint16_t>, Hash, std::equal_to<>> clients_;
};

}  // namespace rowgate::storage
