#include "gateway/net/certificate_user.hpp"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string_view>

namespace rowgate::net {
namespace {

std::string text(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int size = value ? ASN1_STRING_to_UTF8(&utf8, value) : -1;
  if (size < 0) return {};
  std::string result(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  // A name with a zero byte is an old trick: C programs see only what stands before it.
  return result.find('\0') == std::string::npos ? result : std::string();
}

// The last one is the most specific, should there be several.
std::string common_name(const X509& certificate) {
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) last = at;
  if (last < 0) return {};
  return text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
}

std::string alternative_name(const X509& certificate) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_URI && name->type != GEN_EMAIL) continue;
    return text(name->d.ia5);
  }
  return {};
}

}  // namespace

std::string certificate_user(const X509& certificate, CertificateField field) {
  switch (field) {
    case CertificateField::none:
      return {};
    case CertificateField::cn:
      return common_name(certificate);
    case CertificateField::san:
      return alternative_name(certificate);
  }
  return {};
}

}  // namespace rowgate::net
