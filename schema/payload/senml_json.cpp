// SenML as JSON (RFC 8428 section 5).
#include "schema/payload/json.hpp"
#include "schema/payload/senml_record.hpp"

namespace rowgate::schema {
namespace {

/// Of an object's JSON text: one of its names ends in '_'. No field of RFC 8428 does.
bool names_end_in_underscore(std::string_view object) {
  if (object.find("_\"") == std::string_view::npos) return false;
  int depth = 0;
  for (std::size_t i = 0; i < object.size(); ++i) {
    const char c = object[i];
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c != '"') continue;
    while (object[++i] != '"') i += object[i] == '\\' ? 1 : 0;
    const std::size_t behind = object.find_first_not_of(" \t\r\n", i + 1);
    if (depth == 1 && object[i - 1] == '_' && object[behind] == ':') return true;
  }
  return false;
}

class SenmlJsonPack final : public SenmlPack {
 public:
  SenmlJsonPack() {
    root_.add("");
    root_.finish();
    whole_ = record_.add("");
    for (std::size_t i = 0; i < senml_labels; ++i) {
      handles_[i] = record_.add(std::string("/").append(senml_names[i]));
    }
    record_.finish();
    fields_.resize(record_.size());
  }

  bool open(std::string_view payload, Arena& arena) override {
    arena_ = &arena;
    error_ = {};
    left_ = 0;
    std::array<Field, 1> pack;
    if (!json_.open(payload) || !json_.read(root_, pack)) {
      error_ = json_.error();
      return false;
    }
    if (pack[0].kind != Field::Kind::array) {
      error_ = {"it is not an array of records"};
      return false;
    }
    left_ = pack[0].elements;
    json_.begin(pack[0]);
    return true;
  }

  bool next(SenmlRecord& record) override {
    if (left_ == 0) return false;
    --left_;
    if (!json_.element(record_, fields_)) {
      error_ = json_.error();
      return false;
    }
    if (!json_.read_object()) {
      error_ = {"a record is not an object"};
      return false;
    }
    for (std::size_t i = 0; i < senml_labels; ++i) {
      record.fields[i] = plain(fields_[record_.slot_of(handles_[i])]);
    }
    record.unknown = names_end_in_underscore(fields_[record_.slot_of(whole_)].text);
    return true;
  }

  const PayloadError& error() const noexcept override { return error_; }

 private:
  /// Without escapes.
  Field plain(Field field) {
    if (field.kind != Field::Kind::string) return field;
    if (field.escaped) {
      char* const copy = arena_->allocate(field.text.size());
      field.text = {copy, unescape(field.text, copy)};
      field.escaped = false;
    }
    field.bare = true;
    return field;
  }

  JsonReader json_;
  FieldTree root_;
  FieldTree record_;
  std::size_t whole_ = 0;
  std::array<std::size_t, senml_labels> handles_{};
  std::vector<Field> fields_;
  Arena* arena_ = nullptr;
  std::uint32_t left_ = 0;
  PayloadError error_;
};

}  // namespace

std::unique_ptr<SenmlPack> make_senml_json_pack() {
  return std::make_unique<SenmlJsonPack>();
}

}  // namespace rowgate::schema
