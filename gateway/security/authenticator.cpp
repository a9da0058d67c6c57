#include "gateway/security/authenticator.hpp"

#include <openssl/crypto.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "gateway/security/file_watch.hpp"
#include "gateway/security/hash_queue.hpp"
#include "gateway/security/jwt.hpp"
#include "gateway/security/password_hash.hpp"
#include "gateway/security/remembered.hpp"
#include "gateway/security/text.hpp"
#include "gateway/security/user_file.hpp"
#include "schema/base/utf8.hpp"

namespace rowgate::security {
namespace {

using mqtt::ReasonCode;

Verdict refused(const char* reason, ReasonCode code = ReasonCode::bad_user_name_or_password) {
  return {code, {}, reason};
}

Verdict accepted(Identity identity) {
  return {ReasonCode::success, std::move(identity), ""};
}

unsigned hashing_threads(unsigned wanted) {
  constexpr unsigned most = 8;  // 19 MiB each while it hashes
  if (wanted != 0) return wanted;
  return std::clamp(std::thread::hardware_concurrency() / 2, 1U, most);
}

Timestamp system_now() {
  using namespace std::chrono;
  return {duration_cast<microseconds>(system_clock::now().time_since_epoch()).count()};
}

/// Whether CONNECT names a user other than the one that was proven.
bool names_another(const Credentials& credentials, std::string_view proven) {
  return !credentials.user_name.value_or("").empty() && *credentials.user_name != proven;
}

void warn_of(std::string warning, std::vector<std::string>* warnings) {
  if (warnings != nullptr && !warning.empty()) warnings->push_back(std::move(warning));
}

void forget(std::string& password) {
  OPENSSL_cleanse(password.data(), password.size());
}

}  // namespace

struct Authenticator::Impl {
  Impl(Options given, std::vector<std::string>* warnings)
      : options(std::move(given)),
        expected{options.jwt_audience, options.jwt_issuer},
        users_watch(options.users),
        keys_watch(options.jwks),
        queue(options.queue),
        remembered(options.remembered, options.remember_for) {
    if (!options.now) options.now = system_now;
    if (!options.users.empty()) read_users(warnings);
    if (!options.jwks.empty()) read_keys(warnings);
    if (!options.users.empty()) {
      for (unsigned i = 0; i < hashing_threads(options.threads); ++i) {
        threads.emplace_back([this] { hash_until_closed(); });
      }
    }
  }

  ~Impl() {
    for (Attempt& attempt : queue.close()) {
      answer(attempt.done, refused("the gateway stops", ReasonCode::server_unavailable));
    }
    for (std::thread& thread : threads) thread.join();
  }

  void read_users(std::vector<std::string>* warnings) {
    auto read = std::make_shared<const UserFile>(UserFile::read(options.users));
    warn_of(permission_warning(options.users), warnings);
    const std::lock_guard lock(mutex);
    users = std::move(read);
  }

  void read_keys(std::vector<std::string>* warnings) {
    auto read = std::make_shared<const KeySet>(KeySet::read(options.jwks));
    if (read->has_secret()) warn_of(permission_warning(options.jwks, "the key set"), warnings);
    const std::lock_guard lock(mutex);
    keys = std::move(read);
  }

  std::shared_ptr<const UserFile> current_users() const {
    const std::lock_guard lock(mutex);
    return users;
  }
  std::shared_ptr<const KeySet> current_keys() const {
    const std::lock_guard lock(mutex);
    return keys;
  }

  void answer(const std::function<void(Verdict&&)>& done, Verdict verdict) {
    auto& count = verdict.code == ReasonCode::success       ? accepted_count
                  : verdict.code == ReasonCode::server_busy ? busy_count
                                                            : refused_count;
    count.fetch_add(1, std::memory_order_relaxed);
    done(std::move(verdict));
  }

  Verdict by_certificate(const Credentials& credentials) const {
    const std::string& name = credentials.certificate_user;
    if (!is_utf8(name) || has_control(name)) {
      return refused("the certificate's user has a control character or is not UTF-8");
    }
    if (names_another(credentials, name)) return refused("the user name is not the certificate's");
    Identity identity{name, {}, std::nullopt};
    if (const auto file = current_users()) {
      if (const User* user = file->find(name); user != nullptr) identity.roles = user->roles;
    }
    return accepted(std::move(identity));
  }

  Verdict by_token(const KeySet& set, const Credentials& credentials) const {
    auto claims = set.verify(*credentials.password, expected, options.now());
    if (!claims) return refused(claims.error().reason);
    if (names_another(credentials, claims->subject)) {
      return refused("the user name is not the token's sub");
    }
    return accepted({std::move(claims->subject), std::move(claims->roles), claims->expires});
  }

  /// The verdict where nothing has to be hashed.
  std::optional<Verdict> at_once(const Credentials& credentials) const {
    if (!credentials.certificate_user.empty()) return by_certificate(credentials);
    const auto set = current_keys();
    if (set && credentials.password && looks_like_token(*credentials.password)) {
      return by_token(*set, credentials);
    }
    if (credentials.user_name.value_or("").empty() && credentials.password.value_or("").empty()) {
      if (options.anonymous) return accepted({});
      return refused("no credentials, and anonymous is not allowed", ReasonCode::not_authorized);
    }
    if (options.users.empty()) {
      if (set) return refused("the password is no token");
      if (options.anonymous) return accepted({});
      return refused("nothing is configured that could check a password");
    }
    if (credentials.user_name.value_or("").empty()) return refused("a password without a user");
    if (!credentials.password) return refused("a user without a password");
    return std::nullopt;
  }

  void authenticate(Credentials& credentials, std::function<void(Verdict&&)> done) {
    if (auto verdict = at_once(credentials)) return answer(done, std::move(*verdict));
    const auto file = current_users();
    const User* user = file->find(*credentials.user_name);
    Attempt attempt;
    attempt.known = user != nullptr && user->hash != no_password;
    attempt.hash = attempt.known ? user->hash : dummy_hash();
    attempt.user = std::move(*credentials.user_name);
    attempt.password = std::move(*credentials.password);
    attempt.address = std::move(credentials.address);
    attempt.since = options.now();
    attempt.done = std::move(done);
    if (recall(attempt)) {
      forget(attempt.password);
      return answer(attempt.done, accepted({attempt.user, user->roles, std::nullopt}));
    }
    if (!queue.push(attempt)) {
      forget(attempt.password);
      answer(attempt.done,
             refused("too many passwords wait to be verified", ReasonCode::server_busy));
    }
  }

  /// Whether this password was verified lately. Asked for unknown users as well: the same time.
  bool recall(const Attempt& attempt) {
    const auto digest = remembered.digest(attempt.user, attempt.password, attempt.hash);
    if (!remembered.contains(digest, options.now()) || !attempt.known) return false;
    remembered_count.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  void hash_until_closed() {
    // A fleet that connects must not take the processor from those that publish. Linux takes this
    // for the thread; that it may be refused does not matter.
    static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 5));
    while (auto attempt = queue.pop()) {
      Verdict verdict = verify(*attempt);
      forget(attempt->password);
      answer(attempt->done, std::move(verdict));
    }
  }

  Verdict verify(const Attempt& attempt) {
    const Timestamp now = options.now();
    if (now.micros - attempt.since.micros > std::chrono::microseconds(options.patience).count()) {
      return refused("the password waited too long to be verified", ReasonCode::server_busy);
    }
    try {
      // Verified while it waited: a fleet may share one user.
      if (!recall(attempt)) {
        hashed_count.fetch_add(1, std::memory_order_relaxed);
        if (!verify_password(attempt.password, attempt.hash) || !attempt.known) {
          return refused("unknown user or wrong password");
        }
        remembered.add(remembered.digest(attempt.user, attempt.password, attempt.hash), now);
      }
    } catch (const std::bad_alloc&) {
      return refused("there is no memory to verify a password", ReasonCode::server_busy);
    }
    // The file may be another by now.
    const auto file = current_users();
    const User* user = file->find(attempt.user);
    if (user == nullptr || user->hash != attempt.hash) {
      return refused("the password was changed meanwhile");
    }
    return accepted({user->name, user->roles, std::nullopt});
  }

  Options options;
  Expected expected;
  FileWatch users_watch;
  FileWatch keys_watch;
  mutable std::mutex mutex;
  std::shared_ptr<const UserFile> users;  // guarded by mutex; null: not configured
  std::shared_ptr<const KeySet> keys;     // guarded by mutex; null: not configured
  HashQueue queue;
  Remembered remembered;
  std::atomic<std::uint64_t> accepted_count{0};
  std::atomic<std::uint64_t> refused_count{0};
  std::atomic<std::uint64_t> busy_count{0};
  std::atomic<std::uint64_t> hashed_count{0};
  std::atomic<std::uint64_t> remembered_count{0};
  std::vector<std::thread> threads;
};

Authenticator::Authenticator(Options options, std::vector<std::string>* warnings)
    : impl_(std::make_unique<Impl>(std::move(options), warnings)) {}

Authenticator::~Authenticator() = default;

void Authenticator::authenticate(Credentials credentials, std::function<void(Verdict&&)> done) {
  impl_->authenticate(credentials, std::move(done));
}

bool Authenticator::reload(std::vector<std::string>* warnings) {
  const bool users = impl_->users_watch.changed();
  const bool keys = impl_->keys_watch.changed();
  std::string errors;
  // One that is broken must not keep the other from being read.
  const auto attempt = [&](bool changed, const auto& read) {
    try {
      if (changed) read();
    } catch (const FileError& e) {
      errors += errors.empty() ? "" : "\n";
      errors += e.what();
    }
  };
  attempt(users, [&] { impl_->read_users(warnings); });
  attempt(keys, [&] { impl_->read_keys(warnings); });
  if (!errors.empty()) throw FileError(errors);
  return users || keys;
}

Authenticator::Counts Authenticator::counts() const noexcept {
  const auto read = [](const std::atomic<std::uint64_t>& count) {
    return count.load(std::memory_order_relaxed);
  };
  return {read(impl_->accepted_count), read(impl_->refused_count), read(impl_->busy_count),
          read(impl_->hashed_count), read(impl_->remembered_count)};
}

}  // namespace rowgate::security
