#pragma once
// What must be remembered of sessions beyond the journal: a small ordered map from keys to values
// that moves in step with a position of the journal. What happened to sessions is in the journal
// first; this is what it comes to, so that the journal need not be kept for ever. After a crash the
// records from checkpoint() on are applied again.
//
// One thread. Errors while opening and loading throw std::runtime_error with a sentence for people.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "schema/base/result.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

class StateStore {
 public:
  struct Change {
    std::string key;
    std::optional<std::string> value;  // nullopt: erase
  };
  virtual ~StateStore() = default;

  /// Up to where the journal is in it.
  virtual Position checkpoint() const noexcept = 0;
  /// Calls visit for every key, in the keys' byte order. The views end with the call.
  virtual void load(
      const std::function<void(std::string_view key, std::string_view value)>& visit) = 0;
  /// Applies all changes, the later of two to one key, and moves the checkpoint, in one transaction
  /// that is on disk when it returns. The error is a sentence for people; nothing was changed then,
  /// and the same commit may be tried again.
  [[nodiscard]] virtual Result<void, std::string> commit(std::span<const Change> changes,
                                                         Position checkpoint) = 0;
};

/// The SQLite file `path` (made where it is missing, at `first`), for the journal with that id.
/// Throws when the file belongs to another journal: its positions would mean nothing here.
std::unique_ptr<StateStore> open_state_store(const std::string& path, const std::string& journal_id,
                                             Position first);

}  // namespace rowgate::storage
