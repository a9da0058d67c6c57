#include "storage/sink/postgres/sink.hpp"

#include "storage/sink/postgres/lane.hpp"

namespace rowgate::storage::postgres {
namespace {

class PostgresSink final : public Sink {
 public:
  explicit PostgresSink(std::string url) : url_(std::move(url)) {}

  std::unique_ptr<SinkLane> lane(Lane) override { return std::make_unique<PostgresLane>(url_); }
  std::uint16_t default_lanes() const noexcept override { return 2; }
  std::string describe() const override { return without_secrets(url_); }

  SinkResult<std::vector<std::string>> plan(const schema::Table& table) override {
    auto catalogue = Catalogue::connect(url_, true);
    if (!catalogue) return catalogue.error();
    return catalogue->plan(table);
  }

  SinkResult<QueryResult> query(const std::string& sql) override {
    auto catalogue = Catalogue::connect(url_, true);
    if (!catalogue) return catalogue.error();
    auto result = catalogue->query(sql);
    if (result || result.error().outcome == CommitOutcome::fatal) return result;
    // A wrong statement is its author's to mend, not something to retry.
    return SinkError{CommitOutcome::row_rejected, result.error().message};
  }

 private:
  std::string url_;
};

}  // namespace

std::unique_ptr<Sink> make_sink(std::string url) {
  return std::make_unique<PostgresSink>(std::move(url));
}

std::string without_secrets(const std::string& url) {
  std::string shown = url.substr(0, url.find('?'));
  const auto authority = shown.find("://");
  if (authority == std::string::npos) return shown;
  // A password may hold an unescaped '@': the last one before the path ends the user part.
  const auto path = shown.find('/', authority + 3);
  const auto at = shown.rfind('@', path);
  const auto colon = shown.find(':', authority + 3);
  if (at != std::string::npos && at > authority && colon < at) shown.erase(colon, at - colon);
  return shown;
}

}  // namespace rowgate::storage::postgres
