#include <algorithm>
#include <functional>

#include "schema/payload/field_tree.hpp"

namespace rowgate::schema {
namespace {

// Reference tokens of a pointer, `~1` and `~0` undone (RFC 6901 section 4).
std::vector<std::string> tokens(std::string_view pointer) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      out.emplace_back();
    } else if (pointer[i] == '~') {
      ++i;
      out.back().push_back(pointer[i] == '1' ? '/' : '~');
    } else {
      out.back().push_back(pointer[i]);
    }
  }
  return out;
}

}  // namespace

std::string FieldTree::check(std::string_view pointer) {
  if (pointer.empty()) return {};
  if (pointer.front() != '/') return "a JSON Pointer begins with '/', as in \"/temp\"";
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] != '~') continue;
    if (i + 1 == pointer.size() || (pointer[i + 1] != '0' && pointer[i + 1] != '1')) {
      return "'~' in a JSON Pointer is written ~0, and '/' in a name ~1";
    }
  }
  return {};
}

std::size_t FieldTree::add(std::string_view pointer, bool taken) {
  FieldNode* node = &root_;
  node->taken_below |= taken;
  for (std::string& key : tokens(pointer)) {
    const auto child = std::find_if(node->children.begin(), node->children.end(),
                                    [&](const FieldNode& n) { return n.key == key; });
    if (child != node->children.end()) {
      node = &*child;
    } else {
      node->children.push_back({.key = std::move(key), .children = {}});
      node = &node->children.back();
    }
    node->taken_below |= taken;
  }
  node->taken |= taken;
  if (node->slot == FieldNode::no_slot) {
    node->slot = static_cast<std::uint32_t>(pointers_.size());  // a handle until finish()
    pointers_.emplace_back(pointer);
  }
  return node->slot;
}

void FieldTree::finish() {
  slots_.assign(pointers_.size(), 0);
  std::uint32_t next = 0;
  const std::function<void(FieldNode&)> number = [&](FieldNode& node) {
    node.first_slot = next;
    if (node.slot != FieldNode::no_slot) {
      slots_[node.slot] = next;
      node.slot = next++;
    }
    for (FieldNode& child : node.children) number(child);
    node.last_slot = next;
  };
  number(root_);
}

}  // namespace rowgate::schema
