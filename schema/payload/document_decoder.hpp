#pragma once
// A decoder whose payload is one binary value, read whole into a Document when it is opened.
#include "schema/base/bytes.hpp"
#include "schema/base/time.hpp"
#include "schema/payload/decoder.hpp"
#include "schema/payload/document.hpp"

namespace rowgate::schema {

class DocumentDecoder : public Decoder {
 public:
  bool open(const PayloadInput& input) final;
  Step next() final;
  schema::Reader& reader() final { return document_; }
  const PayloadError& error() const noexcept final { return document_.error(); }

 protected:
  /// Feeds exactly one value to document_. What ends too early, or goes on behind the value, is
  /// told by open().
  virtual void build() = 0;

  /// There is no reason to stop yet.
  bool good() const noexcept { return document_.ok() && !in_.failed(); }
  void wrong(std::string_view what) { document_.fail(what, in_.offset()); }
  /// As ISO 8601 text, which time columns take without a format; beyond the years 1 to 9999 the
  /// number of seconds as text, which they refuse.
  void time(std::int64_t seconds, std::uint32_t nanoseconds);
  /// A field's name from a number.
  void number_key(std::uint64_t number);
  void negative_key(std::int64_t number);

  rowgate::Reader in_{{}};
  Document document_;
  Arena* arena_ = nullptr;

 private:
  bool read_ = true;
};

}  // namespace rowgate::schema
