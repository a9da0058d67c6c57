#include "tests/support/memory_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace rowgate::test {
namespace {

constexpr std::uint64_t sector = 512;

struct Change {
  bool truncation = false;
  std::uint64_t offset = 0;  // truncation: the new size
  std::string bytes;
};

void apply(std::string& content, std::uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
}

/// The file itself, whatever names it has.
struct Inode {
  std::string now;
  std::string synced;
  std::vector<Change> unsynced;

  std::string after_crash(std::mt19937_64& random) const {
    std::string content = synced;
    for (const Change& change : unsynced) {
      if (change.truncation) {
        if (random() % 2 == 0) content.resize(change.offset);
        continue;
      }
      // All, nothing, or any of the sectors.
      const auto kind = random() % 3;
      if (kind == 0) continue;
      const std::string_view bytes = change.bytes;
      for (std::uint64_t at = 0; at < bytes.size();) {
        const std::uint64_t n =
            std::min<std::uint64_t>(bytes.size() - at, sector - (change.offset + at) % sector);
        if (kind == 1 || random() % 2 == 0) {
          apply(content, change.offset + at, bytes.substr(at, n));
        }
        at += n;
      }
    }
    return content;
  }
};

using Names = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;

}  // namespace

struct MemoryDisk::State {
  std::mutex mutex;
  Names names;
  std::vector<Names> unsynced_names;  // as the directory was before each change since its sync
  bool locked = false;
  std::optional<std::uint64_t> fail_sync;  // the next one, with this seed

  /// Before a change of a name.
  void name_changes() { unsynced_names.push_back(names); }
};

namespace {

using State = MemoryDisk::State;

class MemoryFile final : public os::File {
 public:
  MemoryFile(std::shared_ptr<State> state, std::shared_ptr<Inode> inode, std::string name,
             bool writable)
      : state_(std::move(state)),
        inode_(std::move(inode)),
        name_(std::move(name)),
        writable_(writable) {}

  Result<std::size_t, os::Error> read_at(std::uint64_t offset, char* to, std::size_t n) override {
    const std::lock_guard lock(state_->mutex);
    if (offset >= inode_->now.size()) return std::size_t{0};
    n = std::min(n, static_cast<std::size_t>(inode_->now.size() - offset));
    std::memcpy(to, inode_->now.data() + offset, n);
    return n;
  }
  Result<void, os::Error> write_at(std::uint64_t offset, std::string_view bytes) override {
    const std::lock_guard lock(state_->mutex);
    if (!writable_) return os::Error{EBADF, "write " + name_ + ": opened for reading"};
    apply(inode_->now, offset, bytes);
    inode_->unsynced.push_back({false, offset, std::string(bytes)});
    return {};
  }
  Result<void, os::Error> sync_data() override {
    const std::lock_guard lock(state_->mutex);
    if (const auto seed = std::exchange(state_->fail_sync, std::nullopt)) {
      std::mt19937_64 random(*seed);
      inode_->synced = inode_->after_crash(random);
      inode_->unsynced.clear();
      return os::Error{EIO, "fdatasync " + name_ + ": Input/output error"};
    }
    // The same bytes as inode_->now, without copying a whole file for a small write.
    for (const Change& change : inode_->unsynced) {
      if (change.truncation) {
        inode_->synced.resize(change.offset);
      } else {
        apply(inode_->synced, change.offset, change.bytes);
      }
    }
    inode_->unsynced.clear();
    return {};
  }
  Result<void, os::Error> truncate(std::uint64_t size) override {
    const std::lock_guard lock(state_->mutex);
    if (!writable_) return os::Error{EBADF, "truncate " + name_ + ": opened for reading"};
    inode_->now.resize(size);
    inode_->unsynced.push_back({true, size, {}});
    return {};
  }
  Result<std::uint64_t, os::Error> size() override {
    const std::lock_guard lock(state_->mutex);
    return std::uint64_t{inode_->now.size()};
  }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Inode> inode_;
  std::string name_;
  bool writable_;
};

class MemoryDirectory final : public os::Directory {
 public:
  explicit MemoryDirectory(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~MemoryDirectory() override {
    const std::lock_guard lock(state_->mutex);
    if (holds_lock_) state_->locked = false;
  }

  Result<std::unique_ptr<os::File>, os::Error> open(std::string_view name, Mode mode) override {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->names.find(name);
    if (mode == Mode::create_new) {
      if (found != state_->names.end()) return error(EEXIST, "create", name, "File exists");
      state_->name_changes();
      state_->names.emplace(std::string(name), std::make_shared<Inode>());
    } else if (found == state_->names.end()) {
      return error(ENOENT, "open", name, "No such file or directory");
    }
    return std::unique_ptr<os::File>(std::make_unique<MemoryFile>(
        state_, state_->names.find(name)->second, std::string(name), mode != Mode::read_only));
  }
  Result<std::vector<std::string>, os::Error> list() override {
    const std::lock_guard lock(state_->mutex);
    std::vector<std::string> names;
    for (const auto& [name, inode] : state_->names) names.push_back(name);
    return names;
  }
  Result<void, os::Error> rename(std::string_view from, std::string_view to) override {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->names.find(from);
    if (found == state_->names.end()) {
      return error(ENOENT, "rename", from, "No such file or directory");
    }
    state_->name_changes();
    const auto inode = found->second;
    state_->names.erase(found);
    state_->names[std::string(to)] = inode;
    return {};
  }
  Result<void, os::Error> remove(std::string_view name) override {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->names.find(name);
    if (found == state_->names.end()) {
      return error(ENOENT, "remove", name, "No such file or directory");
    }
    state_->name_changes();
    state_->names.erase(found);
    return {};
  }
  Result<void, os::Error> sync() override {
    const std::lock_guard lock(state_->mutex);
    state_->unsynced_names.clear();
    return {};
  }
  Result<void, os::Error> lock(std::string_view name) override {
    const std::lock_guard guard(state_->mutex);
    if (state_->locked && !holds_lock_) {
      return os::Error{EWOULDBLOCK, "lock " + path() + "/" + std::string(name) +
                                        ": held by another process (pid 1)"};
    }
    holds_lock_ = state_->locked = true;
    return {};
  }
  std::string path() const override { return "/memory"; }

 private:
  os::Error error(int code, std::string_view what, std::string_view name,
                  std::string_view why) const {
    return {code,
            std::string(what) + " " + path() + "/" + std::string(name) + ": " + std::string(why)};
  }

  std::shared_ptr<State> state_;
  bool holds_lock_ = false;
};

std::shared_ptr<Inode> synced_inode(std::string content) {
  auto inode = std::make_shared<Inode>();
  inode->now = inode->synced = std::move(content);
  return inode;
}

}  // namespace

MemoryDisk::MemoryDisk() : state_(std::make_shared<State>()) {}

std::unique_ptr<os::Directory> MemoryDisk::directory() const {
  return std::make_unique<MemoryDirectory>(state_);
}

MemoryDisk MemoryDisk::crash_clone(std::uint64_t seed) const {
  std::mt19937_64 random(seed);
  MemoryDisk after;
  const std::lock_guard lock(state_->mutex);
  // The names as before one of the unsynced changes, or as they are now.
  const auto kept = random() % (state_->unsynced_names.size() + 1);
  const Names& names = kept < state_->unsynced_names.size()
                           ? state_->unsynced_names[static_cast<std::size_t>(kept)]
                           : state_->names;
  for (const auto& [name, inode] : names) {
    after.state_->names[name] = synced_inode(inode->after_crash(random));
  }
  return after;
}

MemoryDisk MemoryDisk::clone() const {
  MemoryDisk copy;
  for (auto& [name, bytes] : files()) copy.set_content(name, bytes);
  return copy;
}

void MemoryDisk::fail_next_sync(std::uint64_t seed) const {
  const std::lock_guard lock(state_->mutex);
  state_->fail_sync = seed;
}

std::string MemoryDisk::content(std::string_view name) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->names.find(name);
  return found == state_->names.end() ? std::string() : found->second->now;
}

void MemoryDisk::set_content(std::string_view name, std::string bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->names[std::string(name)] = synced_inode(std::move(bytes));
}

void MemoryDisk::remove(std::string_view name) {
  const std::lock_guard lock(state_->mutex);
  state_->names.erase(state_->names.find(name));
}

std::map<std::string, std::string> MemoryDisk::files() const {
  const std::lock_guard lock(state_->mutex);
  std::map<std::string, std::string> all;
  for (const auto& [name, inode] : state_->names) all[name] = inode->now;
  return all;
}

}  // namespace rowgate::test
