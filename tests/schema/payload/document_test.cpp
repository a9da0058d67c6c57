#include "schema/payload/document.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "schema/payload/json.hpp"

namespace rowgate::schema {
namespace {

using nlohmann::json;
using Kind = Field::Kind;

// Names and strings that are awkward in JSON, in paths or in PostgreSQL.
const std::vector<std::string> words = {
    "a", "b", "a_b", "", "0", "1", "t\xc3\xbcr", "q\"\\", "line\n/~", std::string("n\0l", 3)};

// One random value as JSON text, and as the events a decoder would feed.
class Twins {
 public:
  Twins(std::uint32_t seed, Arena& arena) : random_(seed), arena_(arena) {
    document.begin(arena);
    make(0);
    EXPECT_TRUE(document.finish()) << document.error().what;
  }
  std::size_t below(std::size_t n) { return random_() % n; }
  const std::string& word() { return words[below(words.size())]; }

  std::string text;
  Document document;

 private:
  void make(unsigned depth) {
    switch (below(depth < 4 ? 10 : 6)) {
      case 0:
        text += "null";
        return document.null();
      case 1:
        text += "true";
        return document.boolean(true);
      case 2: {
        const auto v = static_cast<std::int64_t>(random_()) * (below(2) == 0 ? 1 : -1000);
        text += std::to_string(v);
        return document.integer(v);
      }
      case 3:
        text += "12.5e-3";
        return document.number("12.5e-3");
      case 4:
      case 5: {
        const std::string& content = word();
        text += quoted(content);
        return document.copy_string(content);
      }
      case 6:
      case 7:
        return make_array(depth);
      default:
        return make_object(depth);
    }
  }

  void make_array(unsigned depth) {
    document.begin_array();
    text += '[';
    for (std::size_t i = below(4); i-- > 0;) {
      make(depth + 1);
      text += i > 0 ? " , " : "";
    }
    text += ']';
    document.end_array();
  }

  // Names may stand twice.
  void make_object(unsigned depth) {
    document.begin_object();
    text += '{';
    for (std::size_t i = below(5); i-- > 0;) {
      const std::string& name = word();
      text += quoted(name) + ": ";
      document.copy_key(name);
      make(depth + 1);
      text += i > 0 ? "," : "";
    }
    text += '}';
    document.end_object();
  }

  static std::string quoted(const std::string& content) { return json(content).dump(); }

  std::mt19937 random_;
  Arena& arena_;
};

std::string pointer(Twins& twins) {
  std::string p;
  for (std::size_t i = twins.below(4); i-- > 0;) {
    p += '/';
    for (const char c : twins.word()) p += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return p;
}

// What a column would make of the field.
std::string meaning(const Field& field) {
  switch (field.kind) {
    case Kind::object:
    case Kind::array:
      return json::parse(field.text).dump() + " of " + std::to_string(field.elements);
    case Kind::string: {
      std::string content(field.text);
      if (field.escaped) content.resize(unescape(field.text, content.data()));
      return "string " + content;
    }
    default:
      return std::string(field.text);
  }
}

void expect_same(const Field& of_json, const Field& of_document, std::string_view what) {
  EXPECT_EQ(of_json.kind, of_document.kind) << what;
  EXPECT_EQ(of_json.nul, of_document.nul) << what;
  if (of_json.kind != of_document.kind) return;
  EXPECT_EQ(meaning(of_json), meaning(of_document)) << what;
}

struct Seen {
  std::vector<Field> fields;
  std::vector<Leaf> leaves;
};

void expect_same(const FieldTree& tree, const Reader& of_json, const Seen& a,
                 const Reader& of_document, const Seen& b) {
  for (std::size_t i = 0; i < tree.size(); ++i) expect_same(a.fields[i], b.fields[i], "a field");
  ASSERT_EQ(a.leaves.size(), b.leaves.size());
  for (std::size_t i = 0; i < a.leaves.size(); ++i) {
    EXPECT_EQ(of_json.path(a.leaves[i]), of_document.path(b.leaves[i]));
    expect_same(a.leaves[i].field, b.leaves[i].field, of_json.path(a.leaves[i]));
  }
  ASSERT_EQ(of_json.read_object(), of_document.read_object());
  if (!of_json.read_object()) return;
  std::string left = "rest:", right = "rest:";
  bool nul_left = false, nul_right = false;
  of_json.rest(tree, left, nul_left);
  of_document.rest(tree, right, nul_right);
  EXPECT_EQ(nul_left, nul_right) << left << right;
  ASSERT_EQ(left.size() > 5, right.size() > 5) << left << right;
  if (left.size() == 5) return;
  EXPECT_EQ(json::parse(left.substr(5)), json::parse(right.substr(5)));
}

TEST(Document, reads_like_the_json_it_stands_for) {
  for (std::uint32_t seed = 0; seed < 4000; ++seed) {
    Arena arena;
    Twins twins(seed, arena);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + twins.text);
    FieldTree tree;
    for (std::size_t n = twins.below(4); n-- > 0;) tree.add(pointer(twins), twins.below(3) > 0);
    tree.finish();
    FieldTree of_element;
    for (std::size_t n = twins.below(3); n-- > 0;) of_element.add(pointer(twins));
    of_element.finish();

    JsonReader of_json;
    ASSERT_TRUE(of_json.open(twins.text));
    Seen a{std::vector<Field>(tree.size()), {}}, b = a;
    const bool leaves = twins.below(4) > 0;
    ASSERT_TRUE(of_json.read(tree, a.fields, leaves ? &a.leaves : nullptr));
    ASSERT_TRUE(twins.document.read(tree, b.fields, leaves ? &b.leaves : nullptr));
    expect_same(tree, of_json, a, twins.document, b);

    for (std::size_t i = 0; i < tree.size(); ++i) {
      if (a.fields[i].kind != Kind::array) continue;
      of_json.begin(a.fields[i]);
      twins.document.begin(b.fields[i]);
      for (std::uint32_t e = 0; e < a.fields[i].elements; ++e) {
        Seen left{std::vector<Field>(of_element.size()), {}}, right = left;
        ASSERT_TRUE(of_json.element(of_element, left.fields, &left.leaves));
        ASSERT_TRUE(twins.document.element(of_element, right.fields, &right.leaves));
        expect_same(of_element, of_json, left, twins.document, right);
      }
    }
    if (HasFailure()) break;
  }
}

struct Built {
  Built() { document.begin(arena); }
  std::string whole() {
    FieldTree tree;
    tree.add("");
    tree.finish();
    std::vector<Field> fields(tree.size());
    if (!document.finish() || !document.read(tree, fields)) {
      return "wrong: " + std::string(document.error().what);
    }
    return std::string(fields[0].text);
  }
  Arena arena;
  Document document;
};

TEST(Document, nests_as_deep_as_json_may) {
  for (const unsigned depth : {64U, 65U, 66U}) {
    std::string text;
    Built built;
    for (unsigned i = 0; i < depth; ++i) {
      text += '[';
      built.document.begin_array();
    }
    for (unsigned i = 0; i < depth; ++i) {
      text += ']';
      built.document.end_array();
    }
    JsonReader reader;
    FieldTree none;
    none.finish();
    std::vector<Field> fields;
    EXPECT_EQ(reader.open(text) && reader.read(none, fields), depth <= 65);
    EXPECT_EQ(built.whole(), depth <= 65 ? text : "wrong: it is nested too deeply");
  }
}

TEST(Document, says_what_is_wrong_with_it) {
  EXPECT_EQ(Built().whole(), "wrong: it is empty");
  Built open;
  open.document.begin_array();
  EXPECT_EQ(open.whole(), "wrong: it ends too early");
  Built two;
  two.document.null();
  two.document.null();
  EXPECT_EQ(two.whole(), "wrong: something follows the value");
  Built text;
  text.document.string("\xff");
  EXPECT_EQ(text.whole(), "wrong: a string in it is not valid UTF-8");
  Built name;
  name.document.begin_object();
  name.document.key("\xc0\x80");
  name.document.null();
  name.document.end_object();
  EXPECT_EQ(name.whole(), "wrong: a field's name in it is not valid UTF-8");
}

TEST(Document, takes_so_many_values_and_no_more) {
  Arena arena;
  Document document(PayloadLimits{.values = 3});
  document.begin(arena);
  document.begin_array();
  document.null();
  document.null();
  EXPECT_TRUE(document.ok());
  document.null();
  EXPECT_EQ(document.error().what, "it has too many values");
}

TEST(Document, of_a_tree_bytes_are_base64url_and_what_is_no_number_is_text) {
  Built built;
  built.document.begin_array();
  built.document.bytes("\xff\xfe\xfd");
  built.document.bytes("\xff");
  built.document.real(std::numeric_limits<double>::quiet_NaN());
  built.document.real(-std::numeric_limits<double>::infinity());
  built.document.real(0.1F);
  built.document.real(0.1);
  built.document.end_array();
  EXPECT_EQ(built.whole(), R"(["__79","_w","NaN","-Infinity",0.1,0.1])");
}

TEST(Document, forgets_the_one_before) {
  Built built;
  built.document.begin_object();
  built.document.key("a");
  built.document.fail("broken");
  built.document.begin(built.arena);
  built.document.integer(7);
  EXPECT_EQ(built.whole(), "7");
}

}  // namespace
}  // namespace rowgate::schema
