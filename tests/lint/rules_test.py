"""The lint's own test: each rule is shown something it must find, and something it must leave alone."""
import os
import tempfile
import unittest

import format_test
import includes_test
import links_test
import options_test
import registered_test
import sizes_test
import tree
import words_test


class Includes(unittest.TestCase):
    def refused(self, source, line):
        return len(includes_test.check(source, line + "\n")) == 1

    def test_an_arrow_that_goes_the_other_way_is_found(self):
        self.assertTrue(self.refused("schema/mapper.cpp", '#include "storage/position.hpp"'))
        self.assertTrue(self.refused("storage/journal/reader.cpp", '#include "schema/mapping.hpp"'))
        self.assertTrue(self.refused("gateway/mqtt/frame.cpp", '#include "gateway/broker/session.hpp"'))
        self.assertTrue(self.refused("gateway/broker/x.hpp", '#include "storage/drain/lane_drain.hpp"'))
        self.assertTrue(self.refused("gateway/cli/x.cpp", '#include "tests/support/wire.hpp"'))
        self.assertTrue(self.refused("storage/newroom/x.cpp", '#include "schema/base/bytes.hpp"'))

    def test_the_arrows_of_the_table_are_allowed(self):
        self.assertFalse(self.refused("storage/drain/x.cpp", '#include "storage/sink/sink.hpp"'))
        self.assertFalse(self.refused("gateway/net/x.cpp", '#include "gateway/broker/session.hpp"'))
        self.assertFalse(self.refused("gateway/cli/serve.cpp",
                                      '#include "storage/sink/sqlite/sink.hpp"'))
        self.assertFalse(self.refused("schema/x.cpp", '#include "schema/base/utf8.hpp"'))

    def test_a_path_not_from_the_root_is_found(self):
        self.assertTrue(self.refused("schema/mapper.cpp", '#include "mapping.hpp"'))

    def test_an_outside_header_in_a_room_that_must_not_know_it_is_found(self):
        self.assertTrue(self.refused("gateway/broker/session.hpp", "#include <boost/asio.hpp>"))
        self.assertTrue(self.refused("schema/mapping_file.hpp", "#include <toml++/toml.h>"))
        self.assertTrue(self.refused("storage/drain/x.cpp", "#include <libpq-fe.h>"))
        self.assertTrue(self.refused("schema/x.cpp", "#include <thread>"))
        self.assertTrue(self.refused("gateway/mqtt/x.cpp", "#include <sys/socket.h>"))
        self.assertFalse(self.refused("schema/mapping_file.cpp", "#include <toml++/toml.h>"))
        self.assertFalse(self.refused("gateway/net/x.cpp", "#include <boost/asio.hpp>"))


class Sizes(unittest.TestCase):
    @staticmethod
    def function(lines, head="int f(int a)"):
        return head + " {\n" + "  a += 1;\n" * (lines - 2) + "}\n"

    def test_a_function_one_line_too_long_is_found(self):
        for head in ("int f(int a)", "static void C::f() const", "C::C(int a) : a_(a), b_{a}",
                     "template <class T> requires(sizeof(T) > 1) auto f(T a) -> int",
                     "TEST(Suite, name)", "struct S f(struct T a)"):
            with self.subTest(head):
                self.assertEqual([], sizes_test.check("a.cpp", self.function(100, head)))
                self.assertEqual(1, len(sizes_test.check("a.cpp", self.function(101, head))))

    def test_a_long_namespace_class_or_table_is_no_function(self):
        for head in ("namespace a", "class A : public B", "enum class E : int",
                     "const int table[] ="):
            with self.subTest(head):
                self.assertEqual([], sizes_test.check("a.cpp", self.function(300, head)))

    def test_a_function_inside_a_class_is_seen(self):
        text = "namespace n {\nclass A {\n" + self.function(101) + "};\n}\n"
        self.assertEqual(["a.cpp:3: a function of 101 lines, at most 100"],
                         sizes_test.check("a.cpp", text))

    def test_braces_in_literals_and_comments_do_not_count(self):
        text = 'void f() {\n  g("}", \'}\', R"x(})x");  // }\n' + "  a();\n" * 99 + "}\n"
        self.assertEqual(1, len(sizes_test.check("a.cpp", text)))

    def test_a_file_too_long_is_found_and_tests_may_be_longer(self):
        self.assertEqual(1, len(sizes_test.check("schema/a.hpp", "\n" * 501)))
        self.assertEqual([], sizes_test.check("tests/a_test.cpp", "\n" * 501))
        self.assertEqual(1, len(sizes_test.check("tests/a_test.cpp", "\n" * 601)))

    def test_a_long_python_function_is_found(self):
        self.assertEqual(1, len(sizes_test.check("a.py", "def f():\n" + "    g()\n" * 101)))


class Words(unittest.TestCase):
    def test_unfinished_work_is_found(self):
        self.assertEqual(1, len(words_test.check("a.md", "text\n" + "TO" + "DO: more\n")))

    def test_a_name_that_says_nothing_is_found(self):
        for declaration in ("class Session" + "Manager {};", "struct Utils {};",
                            "using Hand" + "ler = int;", "namespace util {}"):
            self.assertEqual(1, len(words_test.check("a.hpp", declaration)), declaration)
        self.assertEqual([], words_test.check("a.hpp", "boost::CompletionHandler h; // class Helper"))
        self.assertEqual(1, len(words_test.check("base/string_util.hpp", "")))

    def test_a_registry_host_is_found_and_the_package_of_that_name_is_not(self):
        self.assertEqual(1, len(words_test.check("a.json", "https://registry." + "npmjs.org/x")))
        self.assertEqual(1, len(words_test.check("Dockerfile", "FROM docker." + "io/library/x")))
        self.assertEqual([], words_test.check("ci.txt", "docker.io dockerd"))


class Registered(unittest.TestCase):
    TEXT = "TEST(Suite, one) {}\nTEST_P(Param, two) {}\nTYPED_TEST(Typed, three) {}\n"
    COMMANDS = ("/b/t --gtest_filter=Suite.one\n/b/t --gtest_filter=All/Param.two/0\n"
                "/b/t --gtest_filter=Typed/0.three\npython3 /r/tests/system/kill_test.py")

    def test_tests_that_ctest_runs_are_left_alone(self):
        self.assertEqual([], registered_test.check("a_test.cpp", self.TEXT, self.COMMANDS, ""))
        self.assertEqual([], registered_test.check("tests/system/kill_test.py", "", self.COMMANDS, ""))

    def test_a_test_that_ctest_does_not_run_is_found(self):
        self.assertEqual(3, len(registered_test.check("a_test.cpp", self.TEXT, "", "")))
        self.assertEqual(1, len(registered_test.check("a_test.cpp", "TEST(Suite, on) {}",
                                                      self.COMMANDS, "")))
        self.assertEqual(1, len(registered_test.check("tests/x_test.py", "", self.COMMANDS, "")))

    def test_a_test_file_whose_tests_are_commented_out_is_found(self):
        self.assertEqual(1, len(registered_test.check("a_test.cpp", "// TEST(Suite, one) {}\n",
                                                      self.COMMANDS, "")))

    def test_a_shell_test_may_be_run_by_ci_itself(self):
        self.assertEqual([], registered_test.check("tests/a_test.sh", "", "", "run tests/a_test.sh"))


class Options(unittest.TestCase):
    def test_an_option_the_page_does_not_name_is_found(self):
        self.assertEqual(1, len(options_test.undocumented(["a.b", "c"], "| `c` | text |")))

    def test_a_key_of_the_example_that_does_not_exist_is_found(self):
        text = '# sink = "x"\n[mqtt]\n#listen = "a"\n# A sentence: about a = sign\nport = 1\n'
        self.assertEqual(["sink", "mqtt.listen", "mqtt.port"],
                         [key for _, key in options_test.example_keys(text)])


class Links(unittest.TestCase):
    def test_a_link_that_leads_nowhere_is_found(self):
        self.assertEqual(["docs/a.md:2: b.md leads nowhere"],
                         links_test.check("docs/a.md", "`[x](y.md)`\n[b](b.md)\n"))
        self.assertEqual([], links_test.check("docs/a.md", "[r](../README.md) [h](https://a.example/)"))

    def test_a_fragment_without_a_heading_is_found(self):
        text = "# What it `is`\n[a](#what-it-is) [b](#what-it-was)\n"
        self.assertEqual(1, len(links_test.check("README.md", text, lambda _: text)))


class Tree(unittest.TestCase):
    def test_blanking_keeps_line_numbers_and_digit_separators(self):
        text = 'int a = 1\'000\'000; // x\n/* y\n */ char c = \'"\';\nR"(a\nb)" "q"\n'
        blanked = tree.blank(text)
        self.assertEqual(text.count("\n"), blanked.count("\n"))
        self.assertIn("1'000'000", blanked)
        for gone in "xyqb":
            self.assertNotIn(gone, blanked.replace("char", ""))

    def test_format_names_the_file(self):
        # Below .clang-format, but where git looks away: the other lints list git's files meanwhile.
        ignored = os.path.join(tree.ROOT, "build")
        os.makedirs(ignored, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", suffix=".cpp", dir=ignored) as file:
            file.write("int  a ;\n")
            file.flush()
            self.assertEqual([file.name], format_test.check([file.name]))


if __name__ == "__main__":
    unittest.main()
