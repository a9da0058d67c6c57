#include "gateway/http/status_page.hpp"

#include <vector>

namespace rowgate::http {
namespace {

constexpr std::string_view head =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Rowgate</title>\n<style>\n"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\n"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}\n"
    "td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid #8884}\n"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".ok{color:#177a2f}.no{color:#b3261e}\n:root{color-scheme:light dark}\n"
    "</style>\n</head>\n<body>\n<h1>Rowgate</h1>\n";

struct Family {
  std::string_view name;
  std::string_view help;
  std::vector<std::string_view> samples;  // whole lines
};

/// The families in their order. Lines that are no sample of the family above are left out.
std::vector<Family> parse(std::string_view metrics) {
  constexpr std::string_view help = "# HELP ";
  std::vector<Family> families;
  while (!metrics.empty()) {
    const auto end = metrics.find('\n');
    const std::string_view line = metrics.substr(0, end);
    metrics = end == std::string_view::npos ? std::string_view() : metrics.substr(end + 1);
    if (line.starts_with(help)) {
      const std::string_view rest = line.substr(help.size());
      const auto space = rest.find(' ');
      families.push_back({rest.substr(0, space),
                          space == std::string_view::npos ? "" : rest.substr(space + 1),
                          {}});
    } else if (!line.empty() && line.front() != '#' && !families.empty() &&
               line.starts_with(families.back().name)) {
      families.back().samples.push_back(line);
    }
  }
  return families;
}

/// "123456789" -> "123 456 789"; anything but digits stays as it is.
std::string grouped(std::string_view number) {
  if (number.find_first_not_of("0123456789") != std::string_view::npos) return std::string(number);
  std::string out;
  for (std::size_t i = 0; i < number.size(); ++i) {
    if (i > 0 && (number.size() - i) % 3 == 0) out += "\u202f";  // narrow no-break space
    out += number[i];
  }
  return out;
}

/// One row a sample: its labels (the help for the first without), then the number.
void append_family(std::string& page, const Family& family) {
  page += "<tr><th colspan=\"2\">" + escape_html(family.help) + "<br><code>" +
          escape_html(family.name) + "</code></th></tr>\n";
  for (const std::string_view line : family.samples) {
    const auto space = line.rfind(' ');
    std::string_view labels = line.substr(family.name.size(), space - family.name.size());
    if (labels.size() >= 2) labels = labels.substr(1, labels.size() - 2);
    page += "<tr><td>" + escape_html(labels) + "</td><td class=\"n\">" +
            escape_html(grouped(line.substr(space + 1))) + "</td></tr>\n";
  }
}

void append_families(std::string& page, std::string_view title, const std::vector<Family>& families,
                     bool ledger) {
  std::string rows;
  for (const Family& family : families) {
    if (family.samples.empty()) continue;
    if (family.name.starts_with("rowgate_ledger_") == ledger) append_family(rows, family);
  }
  if (rows.empty()) return;
  page.append("<h2>").append(title).append("</h2>\n<table>\n").append(rows).append("</table>\n");
}

void append_answer(std::string& page, std::string_view what, const Answer& answer) {
  page.append("<p class=\"").append(answer.ok ? "ok" : "no").append("\"><b>").append(what);
  page.append(answer.ok ? ": yes.</b> " : ": no.</b> ");
  page += escape_html(answer.text) + "</p>\n";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string status_page(const Answer& live, const Answer& ready, std::string_view metrics) {
  const std::vector<Family> families = parse(metrics);
  std::string page(head);
  append_answer(page, "Accepts publishes", ready);
  append_answer(page, "Healthy", live);
  append_families(page, "Ledger", families, true);
  append_families(page, "Everything else", families, false);
  page +=
      "<p><a href=\"/metrics\">/metrics</a> for Prometheus, <a href=\"/healthz\">/healthz</a> "
      "and <a href=\"/readyz\">/readyz</a> for whatever watches this gateway. "
      "<code>curl -X POST</code> <code>/mapping/reload</code> reads the mapping file "
      "again.</p>\n</body>\n</html>\n";
  return page;
}

}  // namespace rowgate::http
