#pragma once
// What a payload decoder hands to the mapper: fields, still undecoded, as views into the payload.
// A FieldTree is the compiled form of the JSON Pointers a mapping asks for.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rowgate::schema {

/// One field as it stands in the payload.
struct Field {
  enum class Kind : std::uint8_t {
    absent,
    null,
    boolean,  // `text` is "true" or "false"
    number,   // JSON's grammar, already checked; or NaN, Infinity, -Infinity
    string,   // `text` is what stands between the quotes, escapes and all
    object,
    array,
    text,   // not JSON: a scalar payload, a topic level, a user property; UTF-8
    bytes,  // a raw payload, a byte string
  };
  Kind kind = Kind::absent;
  bool escaped = false;        // string: holds a backslash
  bool nul = false;            // in it, at any depth, stands U+0000
  bool bare = false;           // string: `text` is the content itself, with no quotes around it
  std::uint32_t token = 0;     // array: where its Reader finds it again
  std::uint32_t elements = 0;  // array
  std::string_view text;
};

/// A field that no pointer names, for `columns = "auto"` and `layout = "narrow"`.
struct Leaf {
  std::uint32_t path_begin = 0;  // in the Reader's paths
  std::uint32_t path_size = 0;
  Field field;
};

/// A step of one or more JSON Pointers. Slots below it are [first_slot, last_slot).
struct FieldNode {
  static constexpr std::uint32_t no_slot = UINT32_MAX;
  std::string key;
  std::vector<FieldNode> children;
  bool taken = false;        // by a column: then it is no leaf, and not in the rest
  bool taken_below = false;  // it is taken, or something in it
  std::uint32_t slot = no_slot;
  std::uint32_t first_slot = 0;
  std::uint32_t last_slot = 0;
};

class FieldTree {
 public:
  /// Empty string if `pointer` is a JSON Pointer (RFC 6901), else what is wrong with it.
  static std::string check(std::string_view pointer);

  /// Adds a pointer and returns its handle; one handle a distinct pointer.
  /// `taken`: a column takes the field; otherwise it is only looked at, and stays what it is.
  /// Precondition: check() accepts it.
  std::size_t add(std::string_view pointer, bool taken = true);
  /// Numbers the slots. After it: slot_of, root, size.
  void finish();
  std::uint32_t slot_of(std::size_t handle) const { return slots_[handle]; }
  const FieldNode& root() const noexcept { return root_; }
  std::size_t size() const noexcept { return pointers_.size(); }

 private:
  FieldNode root_;
  std::vector<std::string> pointers_;
  std::vector<std::uint32_t> slots_;
};

/// Appends the string a JSON string stands for. Precondition: its escapes were checked.
/// `out` has room for raw.size() bytes. Returns the bytes written.
std::size_t unescape(std::string_view raw, char* out) noexcept;

/// Without leading and trailing space, tab, CR and LF.
std::string_view trimmed(std::string_view text) noexcept;

}  // namespace rowgate::schema
