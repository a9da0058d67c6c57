"""Every relative link of a Markdown page leads to a file, and a #fragment to one of its headings."""
import os
import re

import tree

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```[^\n]*$|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def fragments(text):
    """The anchors of a page's headings, as code hosts make them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in HEADING.findall(FENCE.sub(lambda m: m.group(0).strip("`"), text))}


def check(path, text, read=tree.read):
    findings = []
    prose = FENCE.sub(lambda match: "\n" * match.group(0).count("\n"), text)
    for match in LINK.finditer(prose):
        target, _, fragment = match.group(1).partition("#")
        line = prose.count("\n", 0, match.start()) + 1
        if "://" in target or target.startswith("mailto:"):
            continue
        page = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        if not os.path.exists(os.path.join(tree.ROOT, page)):
            findings.append(f"{path}:{line}: {match.group(1)} leads nowhere")
        elif fragment and page.endswith(".md") and fragment not in fragments(read(page)):
            findings.append(f"{path}:{line}: {page} has no heading #{fragment}")
    return findings


if __name__ == "__main__":
    tree.finish("links", [finding for page in tree.files(".md")
                          for finding in check(page, tree.read(page))])
