#include "schema/taking.hpp"

#include <utility>

namespace rowgate::schema {
namespace {

// Rows one message may become; more would let a small payload fill a lane's memory.
constexpr std::uint32_t max_rows_a_message = 65'536;
constexpr std::size_t max_values_a_message = 4'000'000;

}  // namespace

Taking::Taking(Scratch& scratch, const Way& way)
    : scratch_(scratch), way_(way), mapping_(way.plan.mapping), rows_before_(way.batch.rows()) {}

void Taking::run() {
  Decoder& decoder = scratch_.decoders.of(mapping_.payload);
  std::optional<std::string_view> payload = way_.payload;
  if (!payload) {
    payload =
        scratch_.unpacker.unpack(mapping_.options.compression, way_.message, way_.batch.arena());
  }
  if (!payload) return refuse_all(scratch_.unpacker.reason());
  const PayloadInput input{*payload, way_.message, mapping_, way_.batch.arena()};
  if (!decoder.open(input)) return refuse_all(wrong(decoder.error()));
  many_ = mapping_.has_rows || decoder.many();
  way_.writer.begin_message();
  while (!over_) {
    switch (decoder.next()) {
      case Decoder::Step::record:
        mapping_.has_rows ? take_elements(decoder) : take_record(decoder);
        break;
      case Decoder::Step::bad_record:
        if (next_row() && wanted()) refuse_row(decoder.place(), decoder.error().what);
        break;
      case Decoder::Step::failed:
        if (rows_ == 0) return refuse_all(wrong(decoder.error()));
        if (!next_row()) return;
        refuse_row(decoder.place(), decoder.error().what);
        ranges_.back().last = RowRange::open_end;
        return settle();
      case Decoder::Step::end:
        return settle();
    }
  }
}

void Taking::take_record(Decoder& decoder) {
  if (!next_row() || !wanted()) return;
  Reader& reader = decoder.reader();
  const Plan& plan = way_.plan;
  if (const std::string_view why = decoder.wrong_record(); !why.empty()) {
    refuse_row(many_ ? decoder.place() : std::string(), why);
  } else if (reader.read(plan.row, scratch_.fields, plan.leaves ? &scratch_.leaves : nullptr)) {
    write_row(reader, [&] { return decoder.place(); });
  } else if (many_) {
    refuse_row(decoder.place(), wrong(reader.error(), true));
  } else {
    refuse_all(wrong(reader.error()));
  }
}

void Taking::take_elements(Decoder& decoder) {
  Reader& reader = decoder.reader();
  const Plan& plan = way_.plan;
  if (!reader.read(plan.root, scratch_.root_fields)) {
    return refuse_record(decoder, wrong(reader.error(), decoder.many()));
  }
  if (!decoder.wrong_record().empty()) {
    return refuse_record(decoder, std::string(decoder.wrong_record()));
  }
  const Field array = scratch_.root_fields[plan.rows_slot];
  const std::string name = mapping_.rows.empty() ? "the payload" : mapping_.rows;
  if (array.kind == Field::Kind::absent) {
    return refuse_record(decoder, "the payload has no " + name + ", where rows are expected");
  }
  if (array.kind != Field::Kind::array) {
    return refuse_record(decoder, name + " is not an array, which rows are read from");
  }
  if (array.elements > max_rows_a_message) {
    return refuse_all(name + " has " + std::to_string(array.elements) + " elements; at most " +
                      std::to_string(max_rows_a_message) + " rows are taken from a message");
  }
  reader.begin(array);
  for (std::uint32_t i = 0; i < array.elements; ++i) {
    const auto place = [&] {
      const std::string element = "element " + std::to_string(i) + " of " + name;
      return decoder.many() ? decoder.place() + ", " + element : element;
    };
    const bool read =
        reader.element(plan.row, scratch_.fields, plan.leaves ? &scratch_.leaves : nullptr);
    if (!read) {
      return refuse_record(decoder,
                           "element " + std::to_string(i) + " of " + name + " has too many fields");
    }
    if (!next_row()) return;
    if (!wanted()) continue;
    if (const std::string_view why = decoder.wrong_element(i); !why.empty()) {
      refuse_row(place(), why);
    } else {
      write_row(reader, place);
    }
  }
}

template <class Place>
void Taking::write_row(const Reader& reader, const Place& place) {
  if (mapping_.tuple > 0) {
    const Field& row = scratch_.fields[way_.plan.tuple_slot];
    if (row.kind != Field::Kind::array || row.elements != mapping_.tuple) {
      return refuse_row(many_ ? place() : std::string(), wrong_tuple(row));
    }
  }
  const RowInput input{way_.message,         way_.match,      scratch_.fields,
                       scratch_.root_fields, scratch_.leaves, reader};
  const std::size_t before = way_.batch.rows();
  const Written written = way_.writer.write(input, way_.source, way_.batch, scratch_.reason);
  if (many_ && way_.batch.rows() > before) way_.batch.number_rows(before, rows_ - 1);
  if (written == Written::refused) refuse_row(many_ ? place() : std::string(), scratch_.reason);
  filtered_ += written == Written::filtered ? 1 : 0;
}

std::string Taking::wrong_tuple(const Field& row) const {
  const schema::Table& table = way_.batch.table();
  std::string why = row.kind == Field::Kind::array
                        ? "it has " + std::to_string(row.elements) + " values, and "
                        : "it is not an array of values; ";
  return why + std::to_string(mapping_.tuple) + " are expected for table '" + table.name + "'";
}

bool Taking::next_row() {
  const std::size_t made = way_.batch.rows() - rows_before_;
  ++rows_;
  if (rows_ <= max_rows_a_message && made <= max_rows_a_message &&
      made * way_.batch.table().columns.size() <= max_values_a_message) {
    return true;
  }
  refuse_all("it would make more than " + std::to_string(max_rows_a_message) + " rows or " +
             std::to_string(max_values_a_message) + " values");
  return false;
}

void Taking::refuse_row(const std::string& place, std::string_view why) {
  if (many_) append_row(ranges_, rows_ - 1);
  if (++refused_ > 1) return;
  first_ = place;
  if (!place.empty()) first_ += ": ";
  first_ += why;
}

// Rows are looked for in each record: one that has none does not spoil the others.
void Taking::refuse_record(Decoder& decoder, std::string why) {
  if (!decoder.many()) return refuse_all(std::move(why));
  if (next_row() && wanted()) refuse_row(decoder.place(), why);
}

void Taking::refuse_all(std::string why) {
  drop_rows();
  over_ = true;
  many_ = false;
  refused_ = 1;
  first_ = std::move(why);
}

void Taking::drop_rows() {
  while (way_.batch.rows() > rows_before_) way_.batch.drop_last_row();
  way_.writer.take_back();
  ranges_.assign(way_.only.begin(), way_.only.end());
  stored_ = false;
}

void Taking::settle() {
  if (refused_ > 0 && many_ && mapping_.rows_on_error == RowsOnError::all_or_nothing) drop_rows();
}

std::string Taking::reason() const {
  if (!many_) return first_;
  std::string reason =
      std::to_string(refused_) + " of " + std::to_string(rows_) + " rows do not fit";
  if (!mapping_.reject && refused_ < rows_) {
    reason += stored_ ? " (the others are stored)" : " (so none is stored)";
  }
  return reason + "; " + first_;
}

std::string Taking::wrong(const PayloadError& error, bool record) const {
  std::string why = record ? "it is not " : "the payload is not ";
  why.append(payload_format(mapping_.payload)).append(": ").append(error.what);
  if (error.offset != PayloadError::nowhere) why += ", at byte " + std::to_string(error.offset);
  return why;
}

}  // namespace rowgate::schema
