#include "storage/journal/open_ids.hpp"

#include <algorithm>
#include <cstring>

#include "schema/base/bytes.hpp"
#include "storage/journal/format.hpp"

namespace rowgate::storage {

bool OpenIds::contains(std::string_view client_id, std::uint16_t packet_id) const noexcept {
  const auto client = clients_.find(client_id);
  return client != clients_.end() &&
         std::binary_search(client->second.begin(), client->second.end(), packet_id);
}

bool OpenIds::any(std::string_view client_id) const noexcept {
  const auto client = clients_.find(client_id);
  return client != clients_.end() && !client->second.empty();
}

bool OpenIds::insert(std::string_view client_id, std::uint16_t packet_id) {
  auto client = clients_.find(client_id);
  if (client == clients_.end()) client = clients_.try_emplace(std::string(client_id)).first;
  auto& ids = client->second;
  const auto at = std::lower_bound(ids.begin(), ids.end(), packet_id);
  if (at != ids.end() && *at == packet_id) return false;
  ids.insert(at, packet_id);
  return true;
}

bool OpenIds::erase(std::string_view client_id, std::uint16_t packet_id) noexcept {
  const auto client = clients_.find(client_id);
  if (client == clients_.end()) return false;
  auto& ids = client->second;
  const auto id = std::lower_bound(ids.begin(), ids.end(), packet_id);
  if (id == ids.end() || *id != packet_id) return false;
  ids.erase(id);
  return true;
}

bool OpenIds::erase_all(std::string_view client_id) noexcept {
  const auto client = clients_.find(client_id);
  if (client == clients_.end()) return false;
  const bool had = !client->second.empty();
  clients_.erase(client);
  return had;
}

std::size_t OpenIds::snapshot_size() {
  std::erase_if(clients_, [](const auto& client) { return client.second.empty(); });
  std::size_t size = format::snapshot_fixed_size;
  for (const auto& [client, ids] : clients_) size += 4 + client.size() + ids.size() * 2;
  return size;
}

void OpenIds::write_snapshot(char* to) const noexcept {
  char* const count_at = to;
  std::uint32_t count = 0;
  to += 4;
  for (const auto& [client, ids] : clients_) {
    if (ids.empty()) continue;
    ++count;
    store_le(to, static_cast<std::uint16_t>(client.size()));
    store_le(to + 2, static_cast<std::uint16_t>(ids.size()));
    std::memcpy(to + 4, client.data(), client.size());
    to += 4 + client.size();
    for (const std::uint16_t id : ids) {
      store_le(to, id);
      to += 2;
    }
  }
  store_le(count_at, count);
}

void OpenIds::read_snapshot(std::string_view body) {
  clients_.clear();
  Reader in(body);
  const auto count = in.le<std::uint32_t>();
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto client_size = in.le<std::uint16_t>();
    const auto ids = in.le<std::uint16_t>();
    auto& list = clients_[std::string(in.view(client_size))];
    for (std::uint16_t k = 0; k < ids; ++k) list.push_back(in.le<std::uint16_t>());
    std::sort(list.begin(), list.end());
  }
}

}  // namespace rowgate::storage
