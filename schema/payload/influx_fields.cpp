// The line protocol as machbase-neo's db/metrics takes it: each field of a point is a record
//   {TAG..., "name": "measurement.field", "time": t, "value": v}.
// A tag that is named like one of the three is tag_NAME.
#include <array>

#include "schema/payload/decoder.hpp"
#include "schema/payload/document.hpp"

namespace rowgate::schema {
namespace {

class InfluxFieldsDecoder final : public Decoder {
 public:
  InfluxFieldsDecoder() {
    const std::size_t tags = fields_tree_.add("/tags");
    measurement_ = fields_tree_.add("/measurement");
    time_ = fields_tree_.add("/time");
    fields_tree_.finish();
    static_cast<void>(tags);  // taken whole, so that only the fields are leaves
    for (const char* const pointer : {"/fields", "/measurement", "/time"}) tags_tree_.add(pointer);
    tags_tree_.finish();
  }

  bool open(const PayloadInput& input) override {
    arena_ = &input.arena;
    fields_.clear();
    at_ = 0;
    return points_->open(input);
  }

  Step next() override {
    while (at_ == fields_.size()) {
      const Step step = points_->next();
      if (step != Step::record) return step;
      if (!read_point()) return Step::bad_record;
    }
    build(fields_[at_++]);
    return document_.finish() ? Step::record : Step::bad_record;
  }

  Reader& reader() override { return document_; }
  const PayloadError& error() const noexcept override {
    return document_.ok() ? points_->error() : document_.error();
  }
  bool many() const noexcept override { return true; }
  std::string place() const override { return points_->place(); }

 private:
  struct Named {
    std::string_view name;
    Field field;
  };

  bool read_point() {
    at_ = 0;
    document_.begin(*arena_);
    return read(tags_tree_, tags_) && read(fields_tree_, fields_);
  }

  bool read(const FieldTree& tree, std::vector<Named>& out) {
    Reader& point = points_->reader();
    out.clear();
    if (!point.read(tree, slots_, &leaves_)) {
      document_.fail(point.error().what);
      return false;
    }
    for (const Leaf& leaf : leaves_) out.push_back({arena_->copy(point.path(leaf)), leaf.field});
    return true;
  }

  void build(const Named& field) {
    document_.begin(*arena_);
    document_.begin_object();
    for (const Named& tag : tags_) {
      const bool taken = tag.name == "name" || tag.name == "time" || tag.name == "value";
      document_.copy_key(taken ? "tag_" + std::string(tag.name) : std::string(tag.name));
      document_.field(tag.field);
    }
    document_.key("name");
    name_.assign(slots_[fields_tree_.slot_of(measurement_)].text);
    name_.append(".").append(field.name);
    document_.copy_string(name_);
    document_.key("time");
    document_.field(slots_[fields_tree_.slot_of(time_)]);
    document_.key("value");
    document_.field(field.field);
    document_.end_object();
  }

  std::unique_ptr<Decoder> points_ = make_influx_decoder();
  FieldTree fields_tree_, tags_tree_;
  std::size_t measurement_ = 0, time_ = 0;
  std::array<Field, 3> slots_;
  std::vector<Leaf> leaves_;
  std::vector<Named> tags_, fields_;
  std::size_t at_ = 0;  // in fields_
  std::string name_;
  Arena* arena_ = nullptr;
  Document document_;
};

}  // namespace

std::unique_ptr<Decoder> make_influx_fields_decoder() {
  return std::make_unique<InfluxFieldsDecoder>();
}

}  // namespace rowgate::schema
