#include "schema/payload/json.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "schema/number.hpp"
#include "schema/payload/escapes.hpp"

namespace rowgate::schema {
namespace {

// A parser that one big document made bigger than this is let go after it.
constexpr std::size_t kept_capacity = 1U << 20;

std::string_view describe(simdjson::error_code code) noexcept {
  switch (code) {
    case simdjson::UTF8_ERROR:
      return "it is not valid UTF-8";
    case simdjson::UNCLOSED_STRING:
      return "a string is not closed";
    case simdjson::UNESCAPED_CHARS:
      return "a string holds an unescaped control character";
    case simdjson::EMPTY:
      return "it is empty";
    default:
      return "it could not be read";
  }
}

bool is_space(char c) noexcept {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// What stands between a name's quotes, escapes and all, is this name.
bool means(std::string_view raw, std::string_view name) {
  if (raw.find('\\') == std::string_view::npos) return raw == name;
  std::string content(raw.size(), '\0');
  content.resize(unescape(raw, content.data()));
  return content == name;
}

// The escape of U+0000 stands in this JSON text.
bool holds_nul_escape(std::string_view json) noexcept {
  constexpr std::string_view escape = "u0000";
  for (std::size_t at = json.find('\\'); at != std::string_view::npos;
       at = json.find('\\', at + 2)) {
    if (json.substr(at + 1).starts_with(escape)) return true;
  }
  return false;
}

}  // namespace

// simdjson's first stage behind its implementation interface: the offsets of all tokens.
struct JsonReader::Tokens {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stage1;
};

JsonReader::JsonReader(PayloadLimits limits)
    : limits_(limits), tokens_(std::make_unique<Tokens>()) {
  path_.reserve(256);
  paths_.reserve(4096);
  key_.reserve(256);
}

JsonReader::~JsonReader() = default;

bool JsonReader::fail(std::string_view what, std::size_t offset) noexcept {
  error_ = {what, offset};
  return false;
}

bool JsonReader::open(std::string_view payload) {
  constexpr std::size_t least_capacity = 4096;
  payload_ = payload;
  has_escapes_ = payload.find('\\') != std::string_view::npos;
  count_ = next_ = 0;
  if (payload.empty()) return fail("it is empty", PayloadError::nowhere);
  if (payload.size() > limits_.bytes)
    return fail("it is larger than 16 MiB", PayloadError::nowhere);
  auto& stage1 = tokens_->stage1;
  if (stage1 && stage1->capacity() > kept_capacity && payload.size() < least_capacity) {
    stage1.reset();
  }
  if (!stage1 || stage1->capacity() < payload.size()) {
    const std::size_t capacity = std::max(payload.size() + payload.size() / 2, least_capacity);
    // The depth is for simdjson's second stage, which is not used.
    const auto made = simdjson::get_active_implementation()->create_dom_parser_implementation(
        capacity, 1, stage1);
    if (made != simdjson::SUCCESS) {
      stage1.reset();
      return fail("there is no memory to read it", PayloadError::nowhere);
    }
  }
  const auto code = stage1->stage1(reinterpret_cast<const std::uint8_t*>(payload.data()),
                                   payload.size(), simdjson::stage1_mode::regular);
  if (code != simdjson::SUCCESS) return fail(describe(code), PayloadError::nowhere);
  starts_ = stage1->structural_indexes.get();
  count_ = stage1->n_structural_indexes;
  return true;
}

char JsonReader::current() const noexcept {
  return next_ < count_ ? payload_[starts_[next_]] : '\0';
}

std::size_t JsonReader::offset() const noexcept {
  return next_ < count_ ? starts_[next_] : payload_.size();
}

// The token's text without the white space after it.
std::string_view JsonReader::token(std::uint32_t index) const noexcept {
  const std::size_t begin = starts_[index];
  std::size_t end = index + 1 < count_ ? starts_[index + 1] : payload_.size();
  while (end > begin + 1 && is_space(payload_[end - 1])) --end;
  return payload_.substr(begin, end - begin);
}

void JsonReader::start(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves) {
  std::fill_n(fields.begin(), tree.size(), Field{});
  fields_ = fields;
  leaves_ = leaves;
  path_.clear();
  record_ = next_;
  read_object_ = current() == '{';
  if (leaves != nullptr) {
    leaves->clear();
    paths_.clear();
  }
}

bool JsonReader::read(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves) {
  next_ = 0;
  nul_escapes_ = 0;
  start(tree, fields, leaves);
  if (!value(&tree.root(), 0)) return false;
  if (next_ != count_) return fail("something follows the JSON value", offset());
  return true;
}

void JsonReader::begin(const Field& array) {
  next_ = array.token + 1;
}

bool JsonReader::element(const FieldTree& tree, std::span<Field> fields,
                         std::vector<Leaf>* leaves) {
  start(tree, fields, leaves);
  if (!value(&tree.root(), 0)) return false;
  ++next_;  // ',' or ']'
  return true;
}

bool JsonReader::value(const FieldNode* node, unsigned depth) {
  if (depth > limits_.depth) return fail("it is nested too deeply", offset());
  // In place: to copy it at once would wait for each of its stores to be done.
  Field untaken;
  Field& field =
      node != nullptr && node->slot != FieldNode::no_slot ? fields_[node->slot] : untaken;
  field = Field{};
  field.token = next_;
  const std::size_t begin = offset();
  const std::uint32_t nuls = nul_escapes_;
  bool ok = false;
  switch (current()) {
    case '{':
      field.kind = Field::Kind::object;
      ok = object(node, depth);
      break;
    case '[':
      field.kind = Field::Kind::array;
      ok = array(node, depth, field);
      break;
    case '"':
      ok = string(field);
      break;
    default:
      ok = scalar(field);
      break;
  }
  if (!ok) return false;
  if (field.kind == Field::Kind::object || field.kind == Field::Kind::array) {
    field.text = payload_.substr(begin, starts_[next_ - 1] + 1 - begin);
    field.nul = nul_escapes_ != nuls;
  }
  if (node != nullptr && node->taken) return true;
  if (leaves_ != nullptr && field.kind != Field::Kind::object && depth > 0 &&
      (field.kind != Field::Kind::array || node == nullptr || !node->taken_below)) {
    return add_leaf(field);
  }
  return true;
}

bool JsonReader::add_leaf(const Field& field) {
  if (leaves_->size() == limits_.leaves || paths_.size() + path_.size() > limits_.path_bytes) {
    return fail("it has too many fields", starts_[field.token]);
  }
  const auto begin = static_cast<std::uint32_t>(paths_.size());
  paths_.append(path_);
  leaves_->push_back({begin, static_cast<std::uint32_t>(path_.size()), field});
  return true;
}

const FieldNode* JsonReader::child_for_key(const FieldNode* node, const Field& key,
                                           std::size_t& hint) {
  if (node == nullptr || node->children.empty()) return nullptr;
  std::string_view name = key.text;
  if (key.escaped) {
    key_.resize(name.size());
    key_.resize(unescape(name, key_.data()));
    name = key_;
  }
  const auto& children = node->children;
  // Devices send their fields in one order, and mappings are often written in it.
  for (std::size_t n = 0, i = hint; n < children.size(); ++n) {
    if (i >= children.size()) i = 0;
    if (children[i].key == name) {
      hint = i + 1;
      return &children[i];
    }
    ++i;
  }
  return nullptr;
}

bool JsonReader::object(const FieldNode* node, unsigned depth) {
  ++next_;
  if (current() == '}') {
    ++next_;
    return true;
  }
  std::vector<Leaf>* const outer_leaves = leaves_;
  // A field taken whole is not taken in pieces too.
  if (node != nullptr && node->taken) leaves_ = nullptr;
  const std::size_t outer_path = path_.size();
  std::size_t hint = 0;
  while (true) {
    Field key;
    if (current() != '"') return fail("a field's name in quotes is expected", offset());
    if (!string(key)) return false;
    if (current() != ':') return fail("':' is expected", offset());
    ++next_;
    const FieldNode* child = child_for_key(node, key, hint);
    // Of a name that comes twice the last one counts, with all that is below it.
    if (child != nullptr && !child->children.empty()) {
      std::fill(fields_.begin() + child->first_slot, fields_.begin() + child->last_slot, Field{});
    }
    if (leaves_ != nullptr) {
      if (!path_.empty()) path_.push_back('_');
      const std::size_t at = path_.size();
      path_.resize(at + key.text.size());
      path_.resize(at + unescape(key.text, path_.data() + at));
    }
    if (!value(child, depth + 1)) return false;
    path_.resize(outer_path);
    const char separator = current();
    if (separator != ',' && separator != '}') return fail("',' or '}' is expected", offset());
    ++next_;
    if (separator == '}') break;
  }
  leaves_ = outer_leaves;
  return true;
}

bool JsonReader::array(const FieldNode* node, unsigned depth, Field& field) {
  ++next_;
  if (current() == ']') {
    ++next_;
    return true;
  }
  // An array becomes one leaf, not one an element.
  std::vector<Leaf>* const outer_leaves = leaves_;
  leaves_ = nullptr;
  while (true) {
    const FieldNode* child = nullptr;
    if (node != nullptr && !node->children.empty()) {
      std::array<char, 10> digits;
      const auto end =
          std::to_chars(digits.data(), digits.data() + digits.size(), field.elements).ptr;
      const std::string_view index(digits.data(), static_cast<std::size_t>(end - digits.data()));
      const auto it = std::find_if(node->children.begin(), node->children.end(),
                                   [&](const FieldNode& n) { return n.key == index; });
      if (it != node->children.end()) child = &*it;
    }
    if (!value(child, depth + 1)) return false;
    ++field.elements;
    const char separator = current();
    if (separator != ',' && separator != ']') return fail("',' or ']' is expected", offset());
    ++next_;
    if (separator == ']') break;
  }
  leaves_ = outer_leaves;
  return true;
}

std::uint32_t JsonReader::behind(std::uint32_t index) const noexcept {
  std::uint32_t depth = 0;
  do {
    const char c = at(index++);
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  } while (depth > 0);
  return index;
}

void JsonReader::rest(const FieldTree& tree, std::string& out, bool& nul) const {
  const std::size_t begin = out.size();
  if (tree.root().taken) return;
  append_rest(tree.root(), record_, out);
  if (out.size() == begin + 2) out.resize(begin);  // {}
  nul = nul_escapes_ > 0 && holds_nul_escape(std::string_view(out).substr(begin));
}

// Appends the object at `index` without what is taken; returns the token behind it.
std::uint32_t JsonReader::append_rest(const FieldNode& node, std::uint32_t index,
                                      std::string& out) const {
  out += '{';
  bool first = true;
  for (++index; at(index) != '}';) {
    const std::string_view key = token(index);
    const std::string_view name = key.substr(1, key.size() - 2);
    const auto child = std::find_if(node.children.begin(), node.children.end(),
                                    [&](const FieldNode& n) { return means(name, n.key); });
    const std::uint32_t value = index + 2;
    const std::uint32_t end = behind(value);
    const bool below = child != node.children.end() && child->taken_below;
    index = at(end) == ',' ? end + 1 : end;
    if (below && child->taken) continue;
    const std::size_t before = out.size();
    if (!first) out += ',';
    out.append(key).append(":");
    if (below && at(value) == '{' && at(value + 1) != '}') {
      const std::size_t opened = out.size();
      append_rest(*child, value, out);
      if (out.size() == opened + 2) {  // all of it is taken
        out.resize(before);
        continue;
      }
    } else if (end == value + 1) {
      out += token(value);
    } else {
      out += payload_.substr(starts_[value], starts_[end - 1] + 1 - starts_[value]);
    }
    first = false;
  }
  out += '}';
  return index + 1;
}

bool JsonReader::string(Field& field) {
  const std::string_view quoted = token(next_);
  if (quoted.size() < 2 || quoted.back() != '"') return fail("a string is not closed", offset());
  field.kind = Field::Kind::string;
  field.text = quoted.substr(1, quoted.size() - 2);
  field.escaped = has_escapes_ && field.text.find('\\') != std::string_view::npos;
  if (field.escaped) {
    const EscapeCheck check = check_escapes(field.text);
    if (!check.what.empty()) return fail(check.what, offset() + 1 + check.offset);
    field.nul = check.nul;
    nul_escapes_ += check.nul ? 1U : 0U;
  }
  ++next_;
  return true;
}

bool JsonReader::scalar(Field& field) {
  if (next_ >= count_) return fail("it ends too early", payload_.size());
  field.text = token(next_);
  if (is_json_number(field.text)) {
    field.kind = Field::Kind::number;
  } else if (field.text == "true" || field.text == "false") {
    field.kind = Field::Kind::boolean;
  } else if (field.text == "null") {
    field.kind = Field::Kind::null;
  } else {
    return fail("a JSON value is expected", offset());
  }
  ++next_;
  return true;
}

}  // namespace rowgate::schema
