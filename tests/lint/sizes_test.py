"""How long a file and a function may be. The limits are docs/architecture.md's hard ones."""
import ast
import re

import tree

FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES = 500, 600, 100
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
MEMBER_INITIALIZER = re.compile(r"(?<!:)[:,](?!:)\s*[\w:<>]+\s*$")


def file_limit(path):
    return TEST_FILE_LINES if path.startswith("tests/") else FILE_LINES


def opens(head):
    """What a brace after `head` opens: a function, a scope, or an initializer within a statement."""
    if head.count("(") > head.count(")"):
        return "initializer"
    if "(" not in head or (SCOPE.search(head) and ")" not in head):
        return "scope"
    tail = head.rsplit(")", 1)[1]
    if "->" not in tail and MEMBER_INITIALIZER.search(tail):
        return "initializer"
    return "function"


def cxx_functions(text):
    """(first line, lines) of each function body that is not inside another one."""
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", tree.blank(text), flags=re.MULTILINE)
    text = re.sub(r"alignas\([^)\n]*\)", "", text)
    stack, found, line, head, head_line = [], [], 1, "", 1
    for character in text:
        line += character == "\n"
        if character == "{":
            inside = any(kind == "function" for kind, _, _ in stack)
            stack.append(("block" if inside else opens(head), head, head_line))
            head = ""
        elif character == "}":
            kind, head, head_line = stack.pop() if stack else ("scope", "", line)
            if kind == "function":
                found.append((head_line, line - head_line + 1))
            head = head + "{}" if kind == "initializer" else ""
        elif character == ";" and head.count("(") <= head.count(")"):
            head = ""
        elif head or not character.isspace():
            head_line = head_line if head else line
            head += character
    return found


def python_functions(text):
    return [(node.lineno, node.end_lineno - node.lineno + 1) for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def check(path, text):
    lines = text.count("\n")
    findings = []
    if lines > file_limit(path):
        findings.append(f"{path}:1: {lines} lines, at most {file_limit(path)}: split it by idea")
    functions = python_functions if path.endswith(".py") else cxx_functions
    if path.endswith(tree.CXX + (".py",)):
        findings += [f"{path}:{start}: a function of {length} lines, at most {FUNCTION_LINES}"
                     for start, length in functions(text) if length > FUNCTION_LINES]
    return findings


if __name__ == "__main__":
    sources = tree.files(*tree.CXX, ".py", ".js", ".mjs", ".sh", "CMakeLists.txt")
    tree.finish("sizes", [finding for path in sources for finding in check(path, tree.read(path))])
