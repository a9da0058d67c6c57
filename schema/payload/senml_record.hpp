#pragma once
// A SenML record (RFC 8428) as it stands in its pack, before base values are added to it; and the
// two representations it is read from. One thread; memory is reused from pack to pack.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "schema/payload/reader.hpp"
#include "schema/row_batch.hpp"

namespace rowgate::schema {

/// The fields that RFC 8428 defines, base fields first.
enum class SenmlLabel : std::uint8_t { bver, bn, bt, bu, bv, bs, n, u, v, vs, vb, s, t, ut, vd };
inline constexpr std::size_t senml_labels = 15;
/// As JSON has them.
inline constexpr std::array<std::string_view, senml_labels> senml_names{
    "bver", "bn", "bt", "bu", "bv", "bs", "n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"};

struct SenmlRecord {
  /// Absent, number, string (bare: nothing is escaped), boolean or bytes; null, object and array
  /// stand for what no field can be.
  std::array<Field, senml_labels> fields;
  /// It has a field that must be understood and is not: its name ends in '_' (section 4.4).
  bool unknown = false;

  const Field& operator[](SenmlLabel label) const {
    return fields[static_cast<std::size_t>(label)];
  }
  Field& operator[](SenmlLabel label) { return fields[static_cast<std::size_t>(label)]; }
};

/// Reads a pack record by record.
class SenmlPack {
 public:
  virtual ~SenmlPack() = default;
  /// The payload and what the arena holds outlive the pack's records. False: error().
  virtual bool open(std::string_view payload, Arena& arena) = 0;
  /// False: there is no other record, or, where error() says so, none can be read.
  virtual bool next(SenmlRecord& record) = 0;
  virtual const PayloadError& error() const noexcept = 0;
};

/// Section 5. `vd` stays a string.
std::unique_ptr<SenmlPack> make_senml_json_pack();
/// Section 6. `vd` is bytes.
std::unique_ptr<SenmlPack> make_senml_cbor_pack();

}  // namespace rowgate::schema
