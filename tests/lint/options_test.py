"""Every configuration option is in docs/configuration.md, and deploy/rowgate.toml names only real ones."""
import re

import tree

SECTION = re.compile(r"^#?\s*\[(\w+)\]\s*$")
KEY = re.compile(r"^#?\s?(\w+)\s*=\s*\S")
OPTION = re.compile(r'"((?:[a-z]+\.)?[a-z][a-z0-9_]*)"\s*,\s*"(?:--[a-z0-9-]+)?"')


def options():
    """The names in the one table of options (gateway/config)."""
    found = []
    for path in tree.files(".cpp"):
        if path.startswith("gateway/config/"):
            found += [name for name in OPTION.findall(tree.read(path))]
    return found


def undocumented(names, page):
    return [f"docs/configuration.md:1: does not name the option {name}"
            for name in names if f"`{name}`" not in page]


def example_keys(text):
    """(line, key) for each setting of an example file, commented out or not."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := SECTION.match(line):
            section = match.group(1) + "."
        elif match := KEY.match(line):
            yield number, section + match.group(1)


if __name__ == "__main__":
    known = options()
    findings = [] if len(known) > 20 else [
        f"gateway/config: found only {len(known)} options; has the table changed its form?"]
    findings += undocumented(known, tree.read("docs/configuration.md"))
    findings += [f"deploy/rowgate.toml:{line}: there is no option {key}"
                 for line, key in example_keys(tree.read("deploy/rowgate.toml"))
                 if key not in known]
    tree.finish("options", findings)
