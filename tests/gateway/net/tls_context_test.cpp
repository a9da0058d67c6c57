#include "gateway/net/tls_context.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <fstream>
#include <sstream>

#include "tests/gateway/net/certificates.hpp"

namespace rowgate::net {
namespace {

namespace fs = std::filesystem;

class TlsContextTest : public ::testing::Test {
 protected:
  TlsContextTest() : before_(spdlog::default_logger()) {
    fs::create_directories(directory_);
    write_certificate(options_.certificate, server_);
    write_key(options_.key, server_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_st>(log_)));
  }
  ~TlsContextTest() override {
    spdlog::set_default_logger(before_);
    fs::remove_all(directory_);
  }
  /// Why the context cannot be made; empty: it can.
  std::string refusal() {
    try {
      const TlsContext context(options_);
      return {};
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }
  std::string log() const { return log_.str(); }

  const fs::path directory_ =
      fs::temp_directory_path() / ("rowgate-tls-" + std::to_string(::getpid()) + "-" +
                                   ::testing::UnitTest::GetInstance()->current_test_info()->name());
  TlsOptions options_{.certificate = directory_ / "server.pem", .key = directory_ / "server.key"};
  Identity server_ = issue({.cn = "server"});
  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> before_;
};

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(TlsContextTest, TakesACertificateAndItsKey) {
  EXPECT_EQ(refusal(), "");
  EXPECT_EQ(log(), "");
}

TEST_F(TlsContextTest, NamesTheFileThatIsMissing) {
  options_.certificate = directory_ / "nowhere.pem";
  EXPECT_SAYS(refusal(), "tls.certificate: " + options_.certificate);
  EXPECT_SAYS(refusal(), "No such file");
  options_.certificate = directory_ / "server.pem";
  options_.client_ca = directory_ / "ca.pem";
  EXPECT_SAYS(refusal(), "tls.client_ca: " + options_.client_ca + ": No such file");
}

TEST_F(TlsContextTest, SaysThatTheKeyBelongsToAnotherCertificate) {
  write_key(options_.key, issue({.cn = "other"}));
  EXPECT_SAYS(refusal(), "tls.key: " + options_.key + ": the key does not belong");
}

TEST_F(TlsContextTest, SaysThatAFileIsNoPem) {
  std::ofstream(options_.certificate) << "hello\n";
  EXPECT_SAYS(refusal(), "no certificate that can be used");
  write_certificate(options_.certificate, server_);
  std::ofstream(options_.key) << "hello\n";
  EXPECT_SAYS(refusal(), "no private key that can be used");
  write_key(options_.key, server_);
  options_.client_ca = options_.key;
  EXPECT_SAYS(refusal(), "tls.client_ca");
}

TEST_F(TlsContextTest, DoesNotAskForAPassphrase) {
  write_key(options_.key, server_, "secret");
  EXPECT_SAYS(refusal(), "the key is encrypted");
}

TEST_F(TlsContextTest, WarnsOfACertificateThatHasExpiredOrSoonWill) {
  for (const auto& [days, said] : {std::pair{-2, "has expired"}, std::pair{5, "expires in"}}) {
    server_ = issue({.cn = "server", .days = days});
    write_certificate(options_.certificate, server_);
    write_key(options_.key, server_);
    EXPECT_EQ(refusal(), "");
    EXPECT_SAYS(log(), said);
  }
}

TEST_F(TlsContextTest, ReloadsWhenTheFilesHaveChangedAndSettled) {
  TlsContext context(options_);
  const auto first = context.current();
  context.reload_if_changed();
  EXPECT_EQ(context.current(), first);
  const Identity next = issue({.cn = "next"});
  write_certificate(options_.certificate, next);
  context.reload_if_changed();  // the certificate alone: its key is on its way
  write_key(options_.key, next);
  context.reload_if_changed();
  EXPECT_EQ(context.current(), first);
  EXPECT_EQ(log(), "");
  context.reload_if_changed();
  EXPECT_NE(context.current(), first);
  EXPECT_SAYS(log(), "reloaded");
}

TEST_F(TlsContextTest, KeepsTheOldCertificateWhereTheNewOneIsBroken) {
  TlsContext context(options_);
  const auto first = context.current();
  std::ofstream(options_.certificate) << "hello\n";
  for (int i = 0; i < 5; ++i) context.reload_if_changed();
  EXPECT_EQ(context.current(), first);
  EXPECT_SAYS(log(), "stays as it was: tls.certificate: " + options_.certificate);
  EXPECT_EQ(log().find("stays"), log().rfind("stays")) << "said more than once: " << log();
  context.reload();
  EXPECT_EQ(context.current(), first);
}

TEST(CertificateUser, IsTheFieldThatWasAskedFor) {
  using Field = CertificateField;
  const auto user = [](const Subject& subject, Field field) {
    return certificate_user(*issue(subject).certificate, field);
  };
  const Subject subject{.cn = "J\xC3\xBCrgen", .san = "IP:192.0.2.1,DNS:pump.example,email:a@b.c"};
  EXPECT_EQ(user(subject, Field::none), "");
  EXPECT_EQ(user(subject, Field::cn), "J\xC3\xBCrgen");
  EXPECT_EQ(user(subject, Field::san), "pump.example");
  EXPECT_EQ(user({.cn = "x", .san = "email:a@b.c,DNS:d"}, Field::san), "a@b.c");
  EXPECT_EQ(user({.cn = "x", .san = "URI:urn:pump:7"}, Field::san), "urn:pump:7");
  EXPECT_EQ(user({.cn = "x"}, Field::san), "");
  EXPECT_EQ(user({.san = "DNS:d"}, Field::cn), "");
}

TEST(CertificateUser, ANameWithAZeroByteIsNone) {
  EXPECT_EQ(certificate_user(*issue({.cn = std::string("admin\0.evil", 11)}).certificate,
                             CertificateField::cn),
            "");
}

}  // namespace
}  // namespace rowgate::net
