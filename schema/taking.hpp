#pragma once
// One message on its way through one mapping: its records, the rows made of them, and a verdict on
// each. What does not fit is told row by row, so that a replay can take up just that.
// Lives for one message; not thread-safe.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/message.hpp"
#include "schema/payload/compression.hpp"
#include "schema/payload/decoder.hpp"
#include "schema/plan.hpp"
#include "schema/row_batch.hpp"
#include "schema/row_range.hpp"
#include "schema/row_writer.hpp"
#include "schema/topic_index.hpp"

namespace rowgate::schema {

/// Memory that one Mapper uses for message after message.
struct Scratch {
  Decoders decoders;
  Unpacker unpacker;
  std::vector<Field> fields;       // room for the slots of every Plan::row
  std::vector<Field> root_fields;  // and of every Plan::root
  std::vector<Leaf> leaves;
  std::string reason;
};

class Taking {
 public:
  /// What one message goes through. `only`: these rows of it; empty: all.
  struct Way {
    const Plan& plan;
    RowWriter& writer;
    const TopicMatch& match;
    const Message& message;
    std::uint32_t source;
    RowBatch& batch;
    std::span<const RowRange> only = {};
    std::optional<std::string_view> payload = {};  // instead of the message's: unpacked already
  };

  Taking(Scratch& scratch, const Way& way);

  /// Appends the rows that fit to the batch.
  void run();

  /// Something of the message was refused: there is to be a dead letter.
  bool refused() const noexcept { return refused_ > 0; }
  /// Rows that the mapping does not want.
  std::uint32_t filtered() const noexcept { return filtered_; }
  /// Its reason, for a person.
  std::string reason() const;
  /// What it is about; empty: the whole message.
  std::span<const RowRange> rows() const noexcept { return ranges_; }

 private:
  void take_record(Decoder& decoder);
  void take_elements(Decoder& decoder);
  template <class Place>
  void write_row(const Reader& reader, const Place& place);
  /// Counts it. False: there are too many, and the message is refused.
  bool next_row();
  bool wanted() const noexcept { return way_.only.empty() || contains(way_.only, rows_ - 1); }
  void refuse_row(const std::string& place, std::string_view why);
  void refuse_record(Decoder& decoder, std::string why);
  void refuse_all(std::string why);
  void drop_rows();
  void settle();
  std::string wrong_tuple(const Field& row) const;
  /// `record`: it is about one record of many.
  std::string wrong(const PayloadError& error, bool record = false) const;

  Scratch& scratch_;
  const Way way_;
  const Mapping& mapping_;
  const std::size_t rows_before_;
  bool many_ = false;          // rows are told apart
  bool over_ = false;          // all of it is refused: look no further
  bool stored_ = true;         // rows beside the refused ones
  std::uint32_t rows_ = 0;     // seen so far, also refused and filtered ones
  std::uint32_t refused_ = 0;  // of them
  std::uint32_t filtered_ = 0;
  std::vector<RowRange> ranges_;
  std::string first_;  // why the first refused one is
};

}  // namespace rowgate::schema
