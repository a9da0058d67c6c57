#pragma once
// The user that a verified client certificate names.
#include <cstdint>
#include <string>

struct x509_st;  // OpenSSL's X509

namespace rowgate::net {

/// `san`: the first DNS name, URI or e-mail address of the subject's alternative names.
enum class CertificateField : std::uint8_t { none, cn, san };

/// Empty: the certificate has no such field, or one that no user name can be (with a zero byte).
std::string certificate_user(const x509_st& certificate, CertificateField field);

}  // namespace rowgate::net
