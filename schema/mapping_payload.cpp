// The payload of one [[mapping]]: a format's name, or a table that says more of it.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "schema/mapping_parse.hpp"

namespace rowgate::schema {
namespace {

using namespace std::string_view_literals;

constexpr std::pair<std::string_view, Payload> formats[]{
    {"json", Payload::json},       {"scalar", Payload::scalar},
    {"raw", Payload::raw},         {"csv", Payload::csv},
    {"msgpack", Payload::msgpack}, {"cbor", Payload::cbor},
    {"ndjson", Payload::ndjson},   {"influx", Payload::influx},
    {"senml", Payload::senml},     {"sparkplug_b", Payload::sparkplug_b}};
constexpr std::array<std::pair<std::string_view, Compression>, 5> compressions{
    {{"auto", Compression::automatic},
     {"none", Compression::none},
     {"gzip", Compression::gzip},
     {"zlib", Compression::zlib},
     {"zstd", Compression::zstd}}};
constexpr std::array<std::pair<std::string_view, RowsOnError>, 2> verdicts{
    {{"each", RowsOnError::each}, {"all_or_nothing", RowsOnError::all_or_nothing}}};
constexpr std::array<std::pair<std::string_view, TimeFormat>, 4> precisions{
    {{"s", TimeFormat::unix_s},
     {"ms", TimeFormat::unix_ms},
     {"us", TimeFormat::unix_us},
     {"ns", TimeFormat::unix_ns}}};

constexpr std::array payload_keys{"format"sv, "compression"sv, "header"sv,   "delimiter"sv,
                                  "quote"sv,  "fields"sv,      "precision"sv};
constexpr std::array csv_keys{"header"sv, "delimiter"sv, "quote"sv, "fields"sv};

char one_character(const Section& section, std::string_view key, char otherwise, Errors& errors) {
  const auto text = section.text(key);
  if (!text) return otherwise;
  if (text->size() == 1 && (*text)[0] != '\n' && (*text)[0] != '\r' &&
      static_cast<unsigned char>((*text)[0]) < 0x80) {
    return (*text)[0];
  }
  errors.add(*section.find(key), std::string(key) + " must be one ASCII character",
             "for example \";\" or \"\\t\"");
  return otherwise;
}

void parse_field_names(const Section& section, PayloadOptions& options, Errors& errors) {
  const toml::node* node = section.find("fields");
  if (node == nullptr) return;
  if (options.header) {
    errors.add(*node, "'fields' and 'header' exclude each other",
               "the header names the fields already");
  }
  const toml::array* names = node->as_array();
  if (names == nullptr || names->empty()) {
    errors.add(*node, "fields must be a list of names", "for example fields = [\"ts\", \"temp\"]");
    return;
  }
  for (const toml::node& element : *names) {
    const auto* name = element.as_string();
    if (name == nullptr || name->get().empty()) {
      errors.add(element, "fields must be a list of names");
    } else if (std::find(options.fields.begin(), options.fields.end(), name->get()) !=
               options.fields.end()) {
      errors.add(element, "field '" + name->get() + "' stands twice");
    } else {
      options.fields.push_back(name->get());
    }
  }
}

void parse_options(const toml::table& table, Mapping& mapping, Errors& errors) {
  const Section section(table, "payload", payload_keys, errors);
  PayloadOptions& options = mapping.options;
  if (section.find("format") == nullptr) {
    errors.add(section.where(), "payload needs a format", "for example format = \"csv\"");
  }
  mapping.payload = section.choice<Payload>("format", formats).value_or(Payload::json);
  options.compression =
      section.choice<Compression>("compression", compressions).value_or(Compression::automatic);
  for (const std::string_view key : csv_keys) {
    if (section.find(key) == nullptr || mapping.payload == Payload::csv) continue;
    errors.add(*section.find(key), fmt::format("'{}' is for format = \"csv\"", key));
  }
  if (section.find("precision") != nullptr && mapping.payload != Payload::influx) {
    errors.add(*section.find("precision"), "'precision' is for format = \"influx\"");
  }
  options.header = section.flag("header");
  options.delimiter = one_character(section, "delimiter", ',', errors);
  options.quote = one_character(section, "quote", '"', errors);
  if (options.delimiter == options.quote) {
    errors.add(section.where(), "delimiter and quote are the same character");
  }
  parse_field_names(section, options, errors);
  options.precision =
      section.choice<TimeFormat>("precision", precisions).value_or(TimeFormat::unix_ns);
}

/// What is named after fields needs them to have names.
void check_names(const Section& section, const Mapping& mapping, Errors& errors) {
  if (mapping.payload != Payload::csv || mapping.options.header ||
      !mapping.options.fields.empty()) {
    return;
  }
  const toml::node* columns = section.find("columns");
  const toml::node* layout = section.find("layout");
  const bool automatic =
      columns != nullptr &&
      (columns->is_string() || (columns->is_table() && columns->as_table()->contains("*")));
  const bool narrow = layout != nullptr && layout->value<std::string_view>() == "narrow";
  if (!automatic && !narrow) return;
  errors.add(narrow ? *layout : *columns, "the fields of this CSV have no names to make columns of",
             "payload = { format = \"csv\", header = true }, or fields = [\"ts\", \"temp\"]");
}

}  // namespace

void parse_payload(const Section& section, Mapping& mapping, Errors& errors) {
  const toml::node* node = section.find("payload");
  if (node != nullptr && node->is_table()) {
    parse_options(*node->as_table(), mapping, errors);
  } else {
    mapping.payload = section.choice<Payload>("payload", formats).value_or(Payload::json);
  }
  check_names(section, mapping, errors);
  mapping.rows_on_error =
      section.choice<RowsOnError>("rows_on_error", verdicts).value_or(RowsOnError::each);
}

}  // namespace rowgate::schema
