#include "storage/sink/postgres/sink.hpp"

#include "storage/os/clock.hpp"
#include "storage/sink/postgres/lane.hpp"

namespace rowgate::storage::postgres {
namespace {

class PostgresSink final : public Sink {
 public:
  explicit PostgresSink(std::string url) : url_(std::move(url)) {}

  std::unique_ptr<SinkLane> lane(Lane) override {
    return std::make_unique<PostgresLane>(url_, IngestConnection::Limits{}, notes_);
  }
  // One more than it takes to map while another copies: any may be waiting for its COMMIT.
  std::uint16_t default_lanes() const noexcept override { return 3; }
  Dialect dialect() const noexcept override { return Dialect::postgres; }
  std::string describe() const override { return without_secrets(url_); }

  SinkResult<TablePlan> plan(const schema::Table& table) override {
    auto catalogue = Catalogue::connect(url_, true);
    if (!catalogue) return catalogue.error();
    return catalogue->plan(table, os::system_clock().now());
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
  std::shared_ptr<Notes> notes_ = std::make_shared<Notes>();
};

}  // namespace

std::unique_ptr<Sink> make_sink(std::string url) {
  return std::make_unique<PostgresSink>(std::move(url));
}

std::string without_secrets(const std::string& url) {
  const auto authority = url.find("://");
  if (authority == std::string::npos) return url.substr(0, url.find('?'));
  const auto begin = authority + 3;
  auto at = url.rfind('@', url.find('/', begin));
  // A password with an unescaped '/' is not valid, but a secret all the same.
  if (at == std::string::npos || at < begin) at = url.rfind('@');
  std::string shown = url;
  const auto colon = url.find(':', begin);
  if (at != std::string::npos && at >= begin && colon < at) shown.erase(colon, at - colon);
  return shown.substr(0, shown.find('?'));
}

}  // namespace rowgate::storage::postgres
