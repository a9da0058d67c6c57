#include "tests/simulation/fate.hpp"

#include <cerrno>
#include <utility>
#include <vector>

namespace rowgate::simulation {
namespace {

using Verdict = Fate::Verdict;
using os::Error;

Error dead(std::string_view what) {
  return {EIO, std::string(what) + ": the process is dead"};
}

class FatefulFile final : public os::File {
 public:
  FatefulFile(std::unique_ptr<os::File> inner, test::MemoryDisk disk, Fate& fate)
      : inner_(std::move(inner)), disk_(std::move(disk)), fate_(fate) {}

  Result<std::size_t, Error> read_at(std::uint64_t offset, char* to, std::size_t n) override {
    switch (fate_.next(Operation::read)) {
      case Verdict::well:
        return inner_->read_at(offset, to, n);
      case Verdict::fails:
        fate_.trace().add(Event::read_fails);
        return Error{EIO, "read: Input/output error"};
      default:
        return dead("read");
    }
  }

  Result<void, Error> write_at(std::uint64_t offset, std::string_view bytes) override {
    const Verdict verdict = fate_.next(Operation::write);
    if (verdict == Verdict::well) return inner_->write_at(offset, bytes);
    if (verdict == Verdict::dies_before) return dead("write");
    const auto some = static_cast<std::size_t>(fate_.random().below(bytes.size() + 1));
    (void)inner_->write_at(offset, bytes.substr(0, some));
    if (verdict == Verdict::dies_after) return dead("write");
    fate_.trace().add(fate_.full() ? Event::disk_full : Event::write_fails, some, bytes.size());
    if (fate_.full()) return Error{ENOSPC, "write: No space left on device"};
    return Error{EIO, "write: Input/output error"};
  }

  Result<void, Error> sync_data() override {
    switch (fate_.next(Operation::sync)) {
      case Verdict::well:
        return inner_->sync_data();
      case Verdict::fails:
        fate_.trace().add(Event::sync_fails);
        disk_.fail_next_sync(fate_.random().next());
        return inner_->sync_data();
      case Verdict::dies_after:
        (void)inner_->sync_data();
        return dead("fdatasync");
      default:
        return dead("fdatasync");
    }
  }

  Result<void, Error> truncate(std::uint64_t size) override {
    if (fate_.next(Operation::directory) != Verdict::well) return dead("truncate");
    return inner_->truncate(size);
  }
  Result<std::uint64_t, Error> size() override { return inner_->size(); }

 private:
  std::unique_ptr<os::File> inner_;
  test::MemoryDisk disk_;
  Fate& fate_;
};

class FatefulDirectory final : public os::Directory {
 public:
  FatefulDirectory(test::MemoryDisk disk, Fate& fate)
      : disk_(std::move(disk)), inner_(disk_.directory()), fate_(fate) {}

  Result<std::unique_ptr<os::File>, Error> open(std::string_view name, Mode mode) override {
    Result<std::unique_ptr<os::File>, Error> opened = Error{};
    const auto done =
        act(mode == Mode::create_new ? Operation::directory : Operation::read, "open", [&] {
          opened = inner_->open(name, mode);
          return Result<void, Error>{};
        });
    if (!done) return done.error();
    if (!opened) return opened.error();
    return std::unique_ptr<os::File>(
        std::make_unique<FatefulFile>(std::move(*opened), disk_, fate_));
  }
  Result<std::vector<std::string>, Error> list() override {
    if (fate_.dead()) return dead("list");
    return inner_->list();
  }
  Result<void, Error> rename(std::string_view from, std::string_view to) override {
    return act(Operation::directory, "rename", [&] { return inner_->rename(from, to); });
  }
  Result<void, Error> remove(std::string_view name) override {
    return act(Operation::directory, "remove", [&] { return inner_->remove(name); });
  }
  Result<void, Error> sync() override {
    return act(Operation::directory, "fsync", [&] { return inner_->sync(); });
  }
  Result<void, Error> lock(std::string_view name) override { return inner_->lock(name); }
  std::string path() const override { return inner_->path(); }

 private:
  template <class Act>
  Result<void, Error> act(Operation operation, std::string_view what, Act&& really) {
    switch (fate_.next(operation)) {
      case Verdict::well:
        return really();
      case Verdict::fails:
        fate_.trace().add(operation == Operation::read ? Event::read_fails
                                                       : Event::directory_fails);
        return Error{EIO, std::string(what) + ": Input/output error"};
      case Verdict::dies_after:
        (void)really();
        return dead(what);
      default:
        return dead(what);
    }
  }

  test::MemoryDisk disk_;
  std::unique_ptr<os::Directory> inner_;
  Fate& fate_;
};

}  // namespace

Fate::Verdict Fate::next(Operation operation) noexcept {
  if (away_) return Verdict::well;
  if (dead_) return Verdict::dies_before;
  if (dies_in_ > 0 && --dies_in_ == 0) {
    dead_ = true;
    const bool done = random_.one_in(2);
    trace_.add(Event::dies, done ? 1 : 0);
    return done ? Verdict::dies_after : Verdict::dies_before;
  }
  if (fails_in_ > 0 && operation == failing_ && --fails_in_ == 0) {
    failed_ = failed_ || operation != Operation::database;
    return Verdict::fails;
  }
  return Verdict::well;
}

void Fate::begin_anew() noexcept {
  dead_ = failed_ = away_ = full_ = false;
  dies_in_ = fails_in_ = 0;
}

std::unique_ptr<os::Directory> directory_of(const test::MemoryDisk& disk, Fate& fate) {
  return std::make_unique<FatefulDirectory>(disk, fate);
}

Result<void, std::string> FatefulStore::commit(std::span<const Change> changes,
                                               storage::Position checkpoint) {
  switch (fate_.next(Operation::store)) {
    case Verdict::well:
      return store_.commit(changes, checkpoint);
    case Verdict::fails:
      fate_.trace().add(Event::store_fails);
      return std::string("the state store's disk is full");
    case Verdict::dies_after:
      (void)store_.commit(changes, checkpoint);
      return std::string("the process is dead");
    default:
      return std::string("the process is dead");
  }
}

}  // namespace rowgate::simulation
