#include "storage/sink/postgres/copy_binary.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "storage/sink/postgres/outcome.hpp"

namespace rowgate::storage::postgres {
namespace {

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

/// libpq gives no SQLSTATE for a refused connection, but in its verbose form the message holds it:
/// `... FATAL:  28P01: password authentication failed ...\nLOCATION: ...`. Takes it out.
std::string take_sqlstate(std::string& message) {
  if (const auto location = message.find("\nLOCATION:"); location != std::string::npos)
    message.resize(location);
  const auto is_code = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
  for (auto at = message.find(":  "); at != std::string::npos; at = message.find(":  ", at + 1)) {
    const std::string code = message.substr(at + 3, 5);
    if (code.size() != 5 || message.compare(at + 8, 2, ": ") != 0) continue;
    bool all = true;
    for (const char c : code) all = all && is_code(c);
    if (!all) continue;
    message.erase(at + 2, 7);
    return code;
  }
  return {};
}

/// How soon a wait notices that it is time to give up.
constexpr std::chrono::milliseconds slice{200};

}  // namespace

void IngestConnection::Finish::operator()(pg_conn* connection) const noexcept {
  PQfinish(connection);
}
void IngestConnection::Clear::operator()(pg_result* result) const noexcept {
  PQclear(result);
}

IngestConnection::IngestConnection(pg_conn* connection, bool first_contact, Limits limits)
    : connection_(connection), limits_(limits), first_contact_(first_contact) {}

/// As in the URL; "" where it says nothing.
struct IngestConnection::Host {
  std::string name, address, port;
};

/// More than one, or none: libpq's way through several hosts waits for a silent one without end.
std::vector<IngestConnection::Host> IngestConnection::hosts_of(const std::string& url) {
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(url.c_str(), nullptr), PQconninfoFree);
  if (!options) return {};  // connecting says why
  const auto listed = [&](std::string_view keyword) {
    std::vector<std::string> parts;
    for (const PQconninfoOption* o = options.get(); o->keyword; ++o) {
      if (o->keyword != keyword || !o->val) continue;
      std::string_view left = o->val;
      for (auto comma = left.find(','); comma != left.npos; comma = left.find(',')) {
        parts.emplace_back(left.substr(0, comma));
        left.remove_prefix(comma + 1);
      }
      parts.emplace_back(left);
    }
    return parts;
  };
  const auto names = listed("host"), addresses = listed("hostaddr"), ports = listed("port");
  const std::size_t count = std::max(names.size(), addresses.size());
  if (count < 2) return {};
  const auto part = [](const std::vector<std::string>& parts, std::size_t i) {
    return i < parts.size() ? parts[i] : std::string();
  };
  std::vector<Host> hosts;
  for (std::size_t i = 0; i < count; ++i)  // one port alone is that of all hosts
    hosts.push_back({part(names, i), part(addresses, i), part(ports, ports.size() > 1 ? i : 0)});
  return hosts;
}

SinkResult<IngestConnection> IngestConnection::connect(const std::string& url,
                                                       const std::string& name, bool first_contact,
                                                       Limits limits) {
  const std::vector<Host> hosts = hosts_of(url);
  if (hosts.empty()) return connect_to(nullptr, url, name, first_contact, limits);
  SinkError error;
  for (const Host& host : hosts) {
    auto connected = connect_to(&host, url, name, first_contact, limits);
    // A host that answers and refuses us is not passed over, as libpq does not.
    if (connected || connected.error().outcome != CommitOutcome::retry) return connected;
    if (!error.message.empty()) error.message += "; ";
    error.message += connected.error().message;
  }
  return error;
}

SinkResult<IngestConnection> IngestConnection::connect_to(const Host* host, const std::string& url,
                                                          const std::string& name,
                                                          bool first_contact, Limits limits) {
  // What stands before `dbname` the URL may override, what stands after it not.
  std::vector<const char*> keywords{
      "fallback_application_name", "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
      "keepalives_count",          "dbname",           "client_encoding"};
  std::vector<const char*> values{name.c_str(), "30000", "10", "5", "3", url.c_str(), "UTF8"};
  if (host) {
    keywords.insert(keywords.end(), {"host", "hostaddr", "port"});
    values.insert(values.end(), {host->name.c_str(), host->address.c_str(), host->port.c_str()});
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  IngestConnection connection(PQconnectStartParams(keywords.data(), values.data(), 1),
                              first_contact, limits);
  if (const auto connected = connection.finish_connecting(); !connected) return connected.error();
  PQsetnonblocking(connection.connection_.get(), 1);
  PQsetErrorVerbosity(connection.connection_.get(), PQERRORS_DEFAULT);
  PQsetNoticeProcessor(
      connection.connection_.get(), [](void*, const char*) {}, nullptr);
  return connection;
}

std::string IngestConnection::same_host(const std::string& url) const {
  if (hosts_of(url).empty()) return url;
  std::string one = url;
  const auto add = [&](std::string_view keyword, const char* value) {
    one += one.find('?') == std::string::npos ? '?' : '&';
    one += keyword;
    one += '=';
    for (const char c : std::string_view(value ? value : ""))
      fmt::format_to(std::back_inserter(one), "%{:02X}", static_cast<unsigned char>(c));
  };
  add("host", PQhost(connection_.get()));
  if (url.find("hostaddr=") != std::string::npos) add("hostaddr", PQhostaddr(connection_.get()));
  add("port", PQport(connection_.get()));
  return one;
}

SinkResult<void> IngestConnection::finish_connecting() {
  pg_conn* c = connection_.get();
  if (!c) return SinkError{CommitOutcome::retry, "connect to PostgreSQL: out of memory"};
  PQsetErrorVerbosity(c, PQERRORS_VERBOSE);
  PQsetNoticeProcessor(
      c, [](void*, const char*) {}, nullptr);  // libpq's own prints to stderr
  const auto deadline = std::chrono::steady_clock::now() + limits_.connect;
  PostgresPollingStatusType status =
      PQstatus(c) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
    const short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    pollfd fd{PQsocket(c), events, 0};
    if (poll_until(fd, deadline) == 0)
      return SinkError{CommitOutcome::retry,
                       fmt::format("connect to PostgreSQL at {}: no answer within {} s", PQhost(c),
                                   limits_.connect.count())};
    status = PQconnectPoll(c);
  }
  if (status == PGRES_POLLING_OK) return {};

  std::string message(trimmed(PQerrorMessage(c)));
  sqlstate_ = take_sqlstate(message);
  // Asked for a password and has none: not the server's word, but the same mistake.
  if (sqlstate_.empty() && PQconnectionNeedsPassword(c)) sqlstate_ = "28P01";
  const CommitOutcome outcome =
      sqlstate_.empty() ? CommitOutcome::retry : outcome_of(sqlstate_, first_contact_);
  return SinkError{
      outcome, fmt::format("connect to PostgreSQL: {}{}", trimmed(message), hint_for(sqlstate_))};
}

SinkError IngestConnection::broken(std::string_view what) {
  alive_ = false;
  sqlstate_.clear();
  return {CommitOutcome::retry, fmt::format("PostgreSQL: {}", what)};
}

SinkError IngestConnection::server_error(const PgResult& result) {
  const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  if (!state) return broken(trimmed(PQresultErrorMessage(result.get())));
  sqlstate_ = state;
  const auto field = [&](int code) {
    const char* text = PQresultErrorField(result.get(), code);
    return std::string_view(text ? text : "");
  };
  std::string message = fmt::format("PostgreSQL: {}", field(PG_DIAG_MESSAGE_PRIMARY));
  if (!field(PG_DIAG_MESSAGE_DETAIL).empty())
    message += fmt::format(" ({})", field(PG_DIAG_MESSAGE_DETAIL));
  message += fmt::format(" [{}]{}", sqlstate_, hint_for(sqlstate_));
  // FATAL: the server closes the connection after this word.
  const std::string_view severity = field(PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == "FATAL" || severity == "PANIC") alive_ = false;
  return {outcome_of(sqlstate_, first_contact_), std::move(message)};
}

int IngestConnection::poll_until(pollfd& fd, Ticks deadline) const noexcept {
  using std::chrono::milliseconds;
  for (;;) {
    const Ticks until =
        limits_.give_up_at ? std::min(deadline, limits_.give_up_at->load()) : deadline;
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return 0;
    const int ready = ::poll(&fd, 1, static_cast<int>(std::min(left, slice).count()));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return ready;
  }
}

SinkResult<void> IngestConnection::wait(Wait what) {
  const short events = static_cast<short>(what == Wait::to_read ? POLLIN : (POLLIN | POLLOUT));
  pollfd fd{PQsocket(connection_.get()), events, 0};
  const int ready = poll_until(fd, std::chrono::steady_clock::now() + limits_.answer);
  if (ready == 0)
    return broken(
        fmt::format("no answer within {} s, or until the gateway had to stop; connection given up",
                    limits_.answer.count()));
  if (ready < 0) return broken(std::strerror(errno));
  if ((fd.revents & (POLLIN | POLLERR | POLLHUP)) && !PQconsumeInput(connection_.get()))
    return broken(trimmed(PQerrorMessage(connection_.get())));
  return {};
}

SinkResult<void> IngestConnection::flush() {
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return {};
    if (left < 0) return broken(trimmed(PQerrorMessage(connection_.get())));
    if (const auto waited = wait(Wait::to_read_or_write); !waited) return waited;
  }
}

SinkResult<void> IngestConnection::send(const std::string& sql) {
  if (!alive_) return broken("the connection is lost");
  sqlstate_.clear();
  if (!PQsendQuery(connection_.get(), sql.c_str()))
    return broken(trimmed(PQerrorMessage(connection_.get())));
  return flush();
}

SinkResult<IngestConnection::PgResult> IngestConnection::next_result() {
  while (PQisBusy(connection_.get()))
    if (const auto waited = wait(Wait::to_read); !waited) return waited.error();
  return PgResult(PQgetResult(connection_.get()));
}

SinkResult<IngestConnection::PgResult> IngestConnection::drain_results() {
  std::optional<SinkError> error;
  PgResult rows;
  changed_ = 0;
  for (;;) {
    auto result = next_result();
    // What the server said before it went away says more than that it went.
    if (!result) return error ? *error : result.error();
    if (!*result) break;
    switch (PQresultStatus(result->get())) {
      case PGRES_COMMAND_OK:
        changed_ = std::strtoull(PQcmdTuples(result->get()), nullptr, 10);
        break;
      case PGRES_EMPTY_QUERY:
        break;
      case PGRES_TUPLES_OK:
        if (PQntuples(result->get()) > 0 && PQnfields(result->get()) > 0) rows = std::move(*result);
        break;
      case PGRES_COPY_IN:
        return broken("COPY where none was asked for");
      default:
        if (!error) error = server_error(*result);
        break;
    }
  }
  if (PQstatus(connection_.get()) == CONNECTION_BAD) alive_ = false;
  if (error) return *error;
  return rows;
}

SinkResult<std::string> IngestConnection::run(const std::string& sql) {
  if (const auto sent = send(sql); !sent) return sent.error();
  const auto rows = drain_results();
  if (!rows) return rows.error();
  return std::string(*rows ? PQgetvalue(rows->get(), 0, 0) : "");
}

SinkResult<QueryResult> IngestConnection::query(const std::string& sql) {
  if (const auto sent = send(sql); !sent) return sent.error();
  const auto rows = drain_results();
  if (!rows) return rows.error();
  QueryResult result;
  const pg_result* const found = rows->get();
  for (int c = 0; c < PQnfields(found); ++c) result.columns.emplace_back(PQfname(found, c));
  for (int r = 0; r < PQntuples(found); ++r) {
    auto& row = result.rows.emplace_back();
    for (int c = 0; c < PQnfields(found); ++c) {
      if (PQgetisnull(found, r, c))
        row.emplace_back();
      else
        row.emplace_back(std::string(PQgetvalue(found, r, c),
                                     static_cast<std::size_t>(PQgetlength(found, r, c))));
    }
  }
  return result;
}

SinkResult<void> IngestConnection::copy_begin(const std::string& sql) {
  if (const auto sent = send(sql); !sent) return sent.error();
  for (;;) {
    auto result = next_result();
    if (!result) return result.error();
    if (!*result) return broken("no COPY where one was asked for");
    const ExecStatusType status = PQresultStatus(result->get());
    if (status == PGRES_COPY_IN) return {};
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) continue;
    SinkError error = server_error(*result);
    if (const auto rest = drain_results(); !rest) return error;
    return error;
  }
}

SinkResult<void> IngestConnection::copy_send(std::string_view bytes) {
  if (PQputCopyData(connection_.get(), bytes.data(), static_cast<int>(bytes.size())) != 1)
    return broken(trimmed(PQerrorMessage(connection_.get())));
  return flush();
}

SinkResult<void> IngestConnection::copy_end(const char* abort) {
  if (PQputCopyEnd(connection_.get(), abort) != 1)
    return broken(trimmed(PQerrorMessage(connection_.get())));
  if (const auto sent = flush(); !sent) return sent;
  if (const auto done = drain_results(); !done) return done.error();
  return {};
}

}  // namespace rowgate::storage::postgres
