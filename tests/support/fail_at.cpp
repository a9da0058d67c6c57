#include "tests/support/fail_at.hpp"

#include <utility>

namespace rowgate::test {
namespace {

bool fails(FailPlan& plan, std::string operation) {
  const std::uint64_t n = plan.done++;
  if (n != plan.fail_at && !(plan.all_after && n > plan.fail_at)) return false;
  if (n == plan.fail_at) plan.operation = std::move(operation);
  plan.failed = true;
  return true;
}

os::Error error(const FailPlan& plan, std::string_view operation) {
  return {plan.code, std::string(operation) + ": injected failure"};
}

class FailingFile final : public os::File {
 public:
  FailingFile(std::unique_ptr<os::File> inner, std::string name, FailPlan& plan)
      : inner_(std::move(inner)), name_(std::move(name)), plan_(plan) {}

  Result<std::size_t, os::Error> read_at(std::uint64_t offset, char* to, std::size_t n) override {
    if (fails(plan_, "read_at " + name_)) return error(plan_, "read " + name_);
    return inner_->read_at(offset, to, n);
  }
  Result<void, os::Error> write_at(std::uint64_t offset, std::string_view bytes) override {
    if (fails(plan_, "write_at " + name_)) {
      (void)inner_->write_at(offset, bytes.substr(0, bytes.size() / 2));
      return error(plan_, "write " + name_);
    }
    return inner_->write_at(offset, bytes);
  }
  Result<void, os::Error> sync_data() override {
    if (fails(plan_, "sync_data " + name_)) return error(plan_, "fdatasync " + name_);
    return inner_->sync_data();
  }
  Result<void, os::Error> truncate(std::uint64_t size) override {
    if (fails(plan_, "truncate " + name_)) return error(plan_, "truncate " + name_);
    return inner_->truncate(size);
  }
  Result<std::uint64_t, os::Error> size() override {
    if (fails(plan_, "size " + name_)) return error(plan_, "stat " + name_);
    return inner_->size();
  }

 private:
  std::unique_ptr<os::File> inner_;
  std::string name_;
  FailPlan& plan_;
};

class FailingDirectory final : public os::Directory {
 public:
  FailingDirectory(std::unique_ptr<os::Directory> inner, FailPlan& plan)
      : inner_(std::move(inner)), plan_(plan) {}

  Result<std::unique_ptr<os::File>, os::Error> open(std::string_view name, Mode mode) override {
    const std::string file(name);
    if (fails(plan_, "open " + file)) return error(plan_, "open " + file);
    auto opened = inner_->open(name, mode);
    if (!opened) return opened.error();
    return std::unique_ptr<os::File>(
        std::make_unique<FailingFile>(std::move(*opened), file, plan_));
  }
  Result<std::vector<std::string>, os::Error> list() override {
    if (fails(plan_, "list")) return error(plan_, "list");
    return inner_->list();
  }
  Result<void, os::Error> rename(std::string_view from, std::string_view to) override {
    if (fails(plan_, "rename " + std::string(from))) return error(plan_, "rename");
    return inner_->rename(from, to);
  }
  Result<void, os::Error> remove(std::string_view name) override {
    if (fails(plan_, "remove " + std::string(name))) return error(plan_, "remove");
    return inner_->remove(name);
  }
  Result<void, os::Error> sync() override {
    if (fails(plan_, "sync directory")) return error(plan_, "fsync directory");
    return inner_->sync();
  }
  Result<void, os::Error> lock(std::string_view name) override {
    if (fails(plan_, "lock")) return error(plan_, "lock");
    return inner_->lock(name);
  }
  std::string path() const override { return inner_->path(); }

 private:
  std::unique_ptr<os::Directory> inner_;
  FailPlan& plan_;
};

}  // namespace

std::unique_ptr<os::Directory> fail_at(std::unique_ptr<os::Directory> inner, FailPlan& plan) {
  return std::make_unique<FailingDirectory>(std::move(inner), plan);
}

}  // namespace rowgate::test
