#include "schema/payload/document.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "schema/base/utf8.hpp"

namespace rowgate::schema {
namespace {

using Kind = Field::Kind;

// The longest shortest form of a double, and any 64-bit integer, fit.
using Digits = std::array<char, 32>;

template <class Number>
std::string_view digits_of(Number v, Digits& digits) {
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), v).ptr;
  return {digits.data(), static_cast<std::size_t>(end - digits.data())};
}

template <class Real>
std::string_view real_text(Real v, Digits& digits) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "Infinity" : "-Infinity";
  return digits_of(v, digits);
}

bool is_finite_number(std::string_view digits) noexcept {
  return !digits.empty() && digits.back() != 'N' && digits.back() != 'y';
}

constexpr std::string_view base64url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void append_base64url(std::string& out, std::string_view raw) {
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : raw) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (held += 8; held >= 6; held -= 6) out += base64url[bits >> (held - 6) & 63U];
  }
  if (held > 0) out += base64url[bits << (6 - held) & 63U];
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < ' ') {
      out += "\\u00";
      out += hex[static_cast<unsigned char>(c) >> 4U];
      out += hex[static_cast<unsigned char>(c) & 15U];
    } else {
      out += c;
    }
  }
  out += '"';
}

// ---- Building -----------------------------------------------------------------------------------

void Document::begin(Arena& arena) {
  // What one big document made bigger than this is let go after it.
  constexpr std::size_t kept_nodes = 65'536;
  arena_ = &arena;
  if (nodes_.capacity() > kept_nodes) nodes_ = {};
  nodes_.clear();
  open_.clear();
  error_ = {};
}

void Document::fail(std::string_view what, std::size_t offset) {
  if (ok()) error_ = {what, offset};
}

void Document::add(const Field& field) {
  if (open_.empty() && !nodes_.empty()) return fail("something follows the value");
  if (open_.size() > limits_.depth) return fail("it is nested too deeply");
  if (nodes_.size() >= limits_.values) return fail("it has too many values");
  if (!open_.empty() && nodes_[open_.back()].field.kind == Kind::array) {
    ++nodes_[open_.back()].field.elements;
  }
  const auto index = static_cast<std::uint32_t>(nodes_.size());
  nodes_.push_back({field, index + 1});
  nodes_.back().field.token = index;
}

void Document::field(const Field& field) {
  add(field);
}

void Document::null() {
  Field value;
  value.kind = Kind::null;
  value.text = "null";
  add(value);
}

void Document::boolean(bool v) {
  Field value;
  value.kind = Kind::boolean;
  value.text = v ? "true" : "false";
  add(value);
}

void Document::number(std::string_view digits) {
  Field value;
  value.kind = Kind::number;
  value.text = digits;
  add(value);
}

void Document::integer(std::int64_t v) {
  Digits digits;
  number(arena_->copy(digits_of(v, digits)));
}

void Document::unsigned_integer(std::uint64_t v) {
  Digits digits;
  number(arena_->copy(digits_of(v, digits)));
}

void Document::real(double v) {
  Digits digits;
  number(arena_->copy(real_text(v, digits)));
}

void Document::real(float v) {
  Digits digits;
  number(arena_->copy(real_text(v, digits)));
}

void Document::string(std::string_view text) {
  if (!is_utf8(text)) return fail("a string in it is not valid UTF-8");
  Field value;
  value.kind = Kind::string;
  value.text = text;
  value.bare = true;
  value.nul = has_nul(text);
  add(value);
}

void Document::bytes(std::string_view raw) {
  Field value;
  value.kind = Kind::bytes;
  value.text = raw;
  add(value);
}

void Document::key(std::string_view name) {
  if (!is_utf8(name)) return fail("a field's name in it is not valid UTF-8");
  if (nodes_.size() >= limits_.values) return fail("it has too many values");
  Field value;
  value.kind = Kind::string;
  value.text = name;
  nodes_.push_back({value, static_cast<std::uint32_t>(nodes_.size() + 1)});
}

void Document::open(Kind kind) {
  Field value;
  value.kind = kind;
  add(value);
  if (ok()) open_.push_back(static_cast<std::uint32_t>(nodes_.size() - 1));
}

void Document::close() {
  if (!ok() || open_.empty()) return;
  nodes_[open_.back()].end = static_cast<std::uint32_t>(nodes_.size());
  open_.pop_back();
}

bool Document::finish() {
  if (nodes_.empty()) fail("it is empty");
  if (!open_.empty()) fail("it ends too early");
  return ok();
}

// ---- Reading ------------------------------------------------------------------------------------

void Document::start(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves) {
  std::fill_n(fields.begin(), tree.size(), Field{});
  fields_ = fields;
  leaves_ = leaves;
  path_.clear();
  record_ = next_;
  read_object_ = next_ < nodes_.size() && nodes_[next_].field.kind == Kind::object;
  if (leaves != nullptr) {
    leaves->clear();
    paths_.clear();
  }
}

bool Document::read(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves) {
  next_ = 0;
  start(tree, fields, leaves);
  return value(&tree.root(), 0);
}

bool Document::element(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves) {
  start(tree, fields, leaves);
  return value(&tree.root(), 0);
}

bool Document::value(const FieldNode* node, unsigned depth) {
  const std::uint32_t index = next_;
  const bool wanted = node != nullptr && node->slot != FieldNode::no_slot;
  const Kind kind = nodes_[index].field.kind;
  if (kind == Kind::object) {
    if (!object(node, depth)) return false;
  } else if (kind == Kind::array) {
    if (!array(node, depth)) return false;
  } else {
    ++next_;
  }
  const bool leaf = (!wanted || !node->taken) && leaves_ != nullptr && kind != Kind::object &&
                    depth > 0 && (kind != Kind::array || node == nullptr || !node->taken_below);
  if (!wanted && !leaf) return true;
  Field field = nodes_[index].field;
  if (kind == Kind::object || kind == Kind::array) field.text = json_text(index, field.nul);
  if (wanted) fields_[node->slot] = field;
  return !leaf || add_leaf(field);
}

bool Document::add_leaf(const Field& field) {
  if (leaves_->size() == limits_.leaves || paths_.size() + path_.size() > limits_.path_bytes) {
    error_ = {"it has too many fields", PayloadError::nowhere};
    return false;
  }
  const auto begin = static_cast<std::uint32_t>(paths_.size());
  paths_.append(path_);
  leaves_->push_back({begin, static_cast<std::uint32_t>(path_.size()), field});
  return true;
}

bool Document::object(const FieldNode* node, unsigned depth) {
  const std::uint32_t end = nodes_[next_].end;
  ++next_;
  std::vector<Leaf>* const outer_leaves = leaves_;
  // A field taken whole is not taken in pieces too.
  if (node != nullptr && node->taken) leaves_ = nullptr;
  const std::size_t outer_path = path_.size();
  while (next_ < end) {
    const std::string_view name = nodes_[next_].field.text;
    ++next_;
    const FieldNode* child = nullptr;
    if (node != nullptr) {
      for (const FieldNode& one : node->children) {
        if (one.key == name) child = &one;
      }
    }
    if (child != nullptr) {  // where a key stands twice the last one counts
      std::fill(fields_.begin() + child->first_slot, fields_.begin() + child->last_slot, Field{});
    }
    if (leaves_ != nullptr) {
      if (!path_.empty()) path_.push_back('_');
      path_.append(name);
    }
    if (child == nullptr && leaves_ == nullptr) {
      next_ = nodes_[next_].end;
    } else if (!value(child, depth + 1)) {
      return false;
    }
    path_.resize(outer_path);
  }
  leaves_ = outer_leaves;
  return true;
}

bool Document::array(const FieldNode* node, unsigned depth) {
  const std::uint32_t end = nodes_[next_].end;
  ++next_;
  std::vector<Leaf>* const outer_leaves = leaves_;
  leaves_ = nullptr;  // an array becomes one leaf, not one an element
  for (std::uint32_t i = 0; next_ < end; ++i) {
    const FieldNode* child = nullptr;
    if (node != nullptr && !node->children.empty()) {
      Digits digits;
      const std::string_view position = digits_of(i, digits);
      for (const FieldNode& one : node->children) {
        if (one.key == position) child = &one;
      }
    }
    if (child == nullptr) {
      next_ = nodes_[next_].end;
    } else if (!value(child, depth + 1)) {
      return false;
    }
  }
  leaves_ = outer_leaves;
  return true;
}

std::string_view Document::json_text(std::uint32_t index, bool& nul) {
  json_.clear();
  append_json(index, json_, nul);
  return arena_->copy(json_);
}

void Document::append_json(std::uint32_t index, std::string& out, bool& nul) const {
  const Node& node = nodes_[index];
  nul = nul || node.field.nul;
  switch (node.field.kind) {
    case Kind::object:
    case Kind::array: {
      const bool object = node.field.kind == Kind::object;
      out += object ? '{' : '[';
      for (std::uint32_t i = index + 1; i < node.end; i = nodes_[i].end) {
        if (i != index + 1) out += ',';
        if (object) {
          append_json_string(out, nodes_[i].field.text);
          nul = nul || has_nul(nodes_[i].field.text);
          out += ':';
          ++i;
        }
        append_json(i, out, nul);
      }
      out += object ? '}' : ']';
      break;
    }
    case Kind::number:
      if (is_finite_number(node.field.text)) {
        out += node.field.text;
      } else {
        append_json_string(out, node.field.text);
      }
      break;
    case Kind::boolean:
      out += node.field.text;
      break;
    case Kind::bytes:
      out += '"';
      append_base64url(out, node.field.text);
      out += '"';
      break;
    case Kind::string:
    case Kind::text:
      append_json_string(out, node.field.text);
      break;
    case Kind::absent:
    case Kind::null:
      out += "null";
      break;
  }
}

void Document::rest(const FieldTree& tree, std::string& out, bool& nul) const {
  const std::size_t begin = out.size();
  nul = false;
  if (tree.root().taken) return;
  append_rest(tree.root(), record_, out, nul);
  if (out.size() == begin + 2) out.resize(begin);  // {}
}

// The object at `index` without what is taken.
void Document::append_rest(const FieldNode& node, std::uint32_t index, std::string& out,
                           bool& nul) const {
  out += '{';
  bool first = true;
  for (std::uint32_t i = index + 1; i < nodes_[index].end; i = nodes_[i].end) {
    const std::string_view name = nodes_[i++].field.text;
    const auto child = std::find_if(node.children.begin(), node.children.end(),
                                    [&](const FieldNode& n) { return n.key == name; });
    const bool below = child != node.children.end() && child->taken_below;
    if (below && child->taken) continue;
    const std::size_t before = out.size();
    if (!first) out += ',';
    append_json_string(out, name);
    out += ':';
    const bool object = nodes_[i].field.kind == Kind::object && nodes_[i].end > i + 1;
    if (!below || !object) {
      append_json(i, out, nul);
    } else {
      const std::size_t opened = out.size();
      append_rest(*child, i, out, nul);
      if (out.size() == opened + 2) {  // all of it is taken
        out.resize(before);
        continue;
      }
    }
    nul = nul || has_nul(name);
    first = false;
  }
  out += '}';
}

}  // namespace rowgate::schema
