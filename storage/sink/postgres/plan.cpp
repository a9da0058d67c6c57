// From the table as it is to the table as it is wanted: the planning side of ddl.hpp.
#include <fmt/format.h>

#include <algorithm>

#include "storage/sink/postgres/ddl.hpp"

namespace rowgate::storage::postgres {
namespace {

using schema::TimeIndex;

std::string literal(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += c;
    quoted += c;
  }
  return quoted + "'";
}

/// The table's name as a literal that is cast to regclass.
std::string regclass(const schema::Table& table) {
  return literal(schema::quote_table(table.name));
}

std::string interval(std::chrono::seconds time) {
  const auto count = time.count();
  if (count % 86'400 == 0) return fmt::format("INTERVAL '{} days'", count / 86'400);
  if (count % 3'600 == 0) return fmt::format("INTERVAL '{} hours'", count / 3'600);
  return fmt::format("INTERVAL '{} minutes'", count / 60);
}

std::string brin(const schema::Table& table) {
  return fmt::format("CREATE INDEX ON {} USING brin ({}) WITH (autosummarize = on)",
                     schema::quote_table(table.name), schema::quote_identifier(table.time_column));
}

std::string btree(const schema::Table& table, const std::vector<std::string>& columns) {
  return fmt::format("CREATE INDEX ON {} ({})", schema::quote_table(table.name),
                     name_list(columns));
}

std::string_view how_to_get(Extension extension) {
  return extension == Extension::available ? "CREATE EXTENSION makes it in this database"
                                           : "the server does not have it";
}

void make_hypertable(const schema::Table& table, const Surroundings& around, Changes& changes) {
  const schema::Hypertable& wanted = *table.storage.hypertable;
  if (around.timescaledb != Extension::installed) {
    changes.notes.push_back(fmt::format(
        "table {}: a hypertable was asked for, which needs the extension timescaledb ({}); it is a "
        "plain table instead, without chunks and compression{}",
        table.name, how_to_get(around.timescaledb),
        table.storage.retention ? ", and the retention deletes rows in small steps" : ""));
    return;
  }
  // All of it or nothing: a policy that fails would leave a table half as it was asked for.
  std::string sql = fmt::format(
      "SELECT create_hypertable({}, {}, chunk_time_interval => {}, create_default_indexes => "
      "false)",
      regclass(table), literal(table.time_column), interval(wanted.chunk));
  if (table.storage.retention) {
    sql += fmt::format("; SELECT add_retention_policy({}, {})", regclass(table),
                       interval(*table.storage.retention));
  }
  changes.steps.push_back(
      {std::move(sql), fmt::format("table {}: it is a plain table and no hypertable", table.name)});
  if (!wanted.compress_after) return;
  std::string compress =
      fmt::format("ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_orderby = {}",
                  schema::quote_table(table.name),
                  literal(schema::quote_identifier(table.time_column) + " DESC"));
  if (!wanted.compress_by.empty()) {
    compress += fmt::format(", timescaledb.compress_segmentby = {}",
                            literal(name_list(wanted.compress_by)));
  }
  compress += fmt::format("); SELECT add_compression_policy({}, {})", regclass(table),
                          interval(*wanted.compress_after));
  changes.steps.push_back(
      {std::move(compress), fmt::format("table {}: its chunks are not compressed", table.name)});
}

void distribute(const schema::Table& table, const Surroundings& around, Changes& changes) {
  if (around.citus != Extension::installed) {
    changes.notes.push_back(fmt::format(
        "table {}: a distributed table was asked for, which needs the extension citus ({}); it is "
        "kept on this server instead",
        table.name, how_to_get(around.citus)));
    return;
  }
  changes.steps.push_back({fmt::format("SELECT create_distributed_table({}, {})", regclass(table),
                                       literal(table.storage.distributed)),
                           fmt::format("table {}: it is kept on this server", table.name)});
}

std::vector<std::string> writable(const ExistingTable& existing) {
  std::vector<std::string> names;
  for (const ExistingColumn& column : existing.columns) {
    if (!column.generated) names.push_back(column.name);
  }
  return names;
}

/// Those to make, without any that the retention would drop at once.
std::vector<TimeRange> wanted_ranges(const std::vector<Partition>& existing,
                                     const schema::Table& table, Timestamp now) {
  std::vector<TimeRange> ranges = missing_ranges(existing, *table.storage.partition, now);
  const std::chrono::microseconds kept = table.storage.retention.value_or(std::chrono::seconds(0));
  std::erase_if(ranges, [&](const TimeRange& range) {
    return kept.count() > 0 && range.to.micros <= now.micros - kept.count();
  });
  return ranges;
}

/// Partitions of a table that is there.
void plan_partitions(const ExistingTable& existing, const schema::Table& wanted,
                     const Surroundings& around, Changes& changes) {
  const bool by_time = existing.kind == 'p' && existing.by_range_of(wanted.time_column);
  const auto holds_now = [&](const Partition& p) {
    return !p.holds || (p.holds->from <= around.now && around.now < p.holds->to);
  };
  if (!wanted.storage.partition) {
    if (by_time && std::ranges::none_of(existing.partitions, holds_now)) {
      changes.notes.push_back(fmt::format(
          "table {}: none of its {} partitions holds rows of {}, and there is no default one, so "
          "such rows become dead letters; make the partition, or let the gateway make them: "
          "[table.\"{}\"] partition = \"1d\"",
          wanted.name, existing.partitions.size(), to_iso8601(around.now).substr(0, 10),
          wanted.name));
    }
    return;
  }
  if (!by_time) {
    changes.notes.push_back(fmt::format(
        "table {}: partitions by {} were asked for, but the table exists {}; it stays as it is{}",
        wanted.name, wanted.time_column,
        existing.kind == 'p' ? "partitioned by " + existing.partition_key : "without partitions",
        wanted.storage.retention ? ", and the retention deletes rows in small steps" : ""));
    return;
  }
  std::optional<std::string> rest;
  for (const Partition& p : existing.partitions) {
    if (!p.holds) rest = p.name;
  }
  for (const TimeRange& range : wanted_ranges(existing.partitions, wanted, around.now)) {
    changes.steps.push_back(
        {attach_partition(wanted, range, rest, writable(existing)),
         fmt::format("table {}: partition {} is not made yet; its rows go to the default partition "
                     "until it is",
                     wanted.name, partition_name(wanted, range.from))});
  }
  if (!rest) changes.add(create_default_partition(wanted));
}

/// Columns that are missing, and everything about those that are there.
void plan_columns(const ExistingTable& existing, const schema::Table& wanted, Changes& changes) {
  for (const schema::Column& column : wanted.columns) {
    const auto at = std::ranges::find(existing.columns, column.name, &ExistingColumn::name);
    if (at == existing.columns.end()) {
      if (in_key(wanted, column.name))
        changes.misfits.push_back(missing_key_column(wanted, column));
      else
        changes.add(add_column(wanted, column));
    } else if (at->generated) {
      changes.misfits.push_back(generated_column(wanted, column));
    } else if (!wire_of(column.type, at->type_oid)) {
      changes.misfits.push_back(does_not_fit(wanted, column, at->type, column_type(column.type)));
    }
  }
  for (const ExistingColumn& column : existing.columns) {
    const bool filled = wanted.column(column.name).has_value();
    if (!filled && column.not_null && !column.has_default && !column.generated)
      changes.misfits.push_back(never_filled(wanted, column.name));
  }
}

void plan_key(const ExistingTable& existing, const schema::Table& wanted, Changes& changes) {
  if (wanted.key.empty() || has_unique_key(existing.unique_keys, wanted.key)) return;
  if (existing.kind == 'f') {
    changes.misfits.push_back(fmt::format(
        "table {}: a foreign table has no unique index, which the key ({}) needs; leave out `key`, "
        "or give the mapping another table",
        wanted.name, name_list(wanted.key)));
    return;
  }
  for (const std::string& column : existing.partition_columns) {
    if (in_key(wanted, column)) continue;
    changes.misfits.push_back(fmt::format(
        "table {}: it is partitioned by {}, and a unique key of such a table holds column {}; add "
        "it to the mapping's key",
        wanted.name, existing.partition_key, column));
    return;
  }
  changes.add(create_key(wanted));
}

void plan_indexes(const ExistingTable& existing, const schema::Table& wanted, Changes& changes) {
  if (existing.kind == 'f') return;
  if (wanted.storage.index == TimeIndex::btree &&
      !is_covered({wanted.time_column}, existing.btrees))
    changes.add(btree(wanted, {wanted.time_column}));
  if (wanted.storage.index == TimeIndex::brin &&
      std::ranges::find(existing.brins, wanted.time_column) == existing.brins.end())
    changes.add(brin(wanted));
  for (const auto& columns : wanted_indexes(wanted)) {
    if (!is_covered(columns, existing.btrees)) changes.add(btree(wanted, columns));
  }
}

void plan_extensions(const ExistingTable& existing, const schema::Table& wanted,
                     const Surroundings& around, Changes& changes) {
  if (wanted.storage.hypertable && !existing.hypertable) {
    if (around.timescaledb != Extension::installed)
      make_hypertable(wanted, around, changes);
    else
      changes.notes.push_back(fmt::format(
          "table {}: a hypertable was asked for, but the table exists without being one, and to "
          "move its rows takes its time; do it yourself: SELECT create_hypertable({}, {}, "
          "migrate_data => true)",
          wanted.name, regclass(wanted), literal(wanted.time_column)));
  }
  if (!wanted.storage.distributed.empty() && !existing.distributed) {
    if (around.citus != Extension::installed)
      distribute(wanted, around, changes);
    else
      changes.notes.push_back(fmt::format(
          "table {}: a distributed table was asked for, but the table exists on this server alone; "
          "move it yourself: SELECT create_distributed_table({}, {})",
          wanted.name, regclass(wanted), literal(wanted.storage.distributed)));
  }
}

}  // namespace

bool ExistingTable::by_range_of(std::string_view column) const {
  return partition_key.starts_with("RANGE ") && partition_columns.size() == 1 &&
         partition_columns[0] == column;
}

void create_table(const schema::Table& table, const Surroundings& around, Changes& changes) {
  std::string sql = fmt::format("CREATE TABLE {} (", schema::quote_table(table.name));
  const char* separator = "";
  for (const schema::Column& column : table.columns) {
    sql += fmt::format("{}{} {}{}", separator, schema::quote_identifier(column.name),
                       column_type(column.type),
                       column.not_null || in_key(table, column.name) ? " NOT NULL" : "");
    separator = ", ";
  }
  if (!table.key.empty()) sql += fmt::format(", PRIMARY KEY ({})", key_list(table));
  sql += ")";
  const schema::Storage& storage = table.storage;
  if (storage.partition) sql += partition_clause(table);
  // Each of its rows is updated again and again: room for the new version beside the old one.
  if (table.on_conflict == schema::OnConflict::latest) sql += " WITH (fillfactor = 50)";
  changes.add(std::move(sql));
  if (storage.hypertable) make_hypertable(table, around, changes);
  if (!table.time_column.empty()) {
    if (storage.index == TimeIndex::btree) {
      if (!is_covered({table.time_column}, {table.key}))
        changes.add(btree(table, {table.time_column}));
    } else if (storage.index != TimeIndex::none) {
      changes.add(brin(table));
    }
  }
  for (const auto& columns : wanted_indexes(table)) changes.add(btree(table, columns));
  if (!storage.distributed.empty()) distribute(table, around, changes);
  if (!storage.partition) return;
  changes.add(create_default_partition(table));
  for (const TimeRange& range : wanted_ranges({}, table, around.now))
    changes.add(create_partition(table, range));
}

Changes plan_changes(const ExistingTable* existing, const schema::Table& wanted,
                     const Surroundings& around) {
  Changes changes;
  if (!existing) {
    if (!around.schema_exists)
      changes.add(fmt::format("CREATE SCHEMA {}", schema::quote_identifier(
                                                      std::string(split_name(wanted.name).first))));
    create_table(wanted, around, changes);
    return changes;
  }
  if (existing->kind != 'r' && existing->kind != 'p' && existing->kind != 'f') {
    changes.misfits.push_back(not_a_table(wanted, existing->kind == 'v'   ? "view"
                                                  : existing->kind == 'm' ? "materialized view"
                                                                          : "relation of another "
                                                                            "kind"));
    return changes;
  }
  plan_columns(*existing, wanted, changes);
  plan_key(*existing, wanted, changes);
  if (!changes.misfits.empty()) {
    changes.steps.clear();
    return changes;
  }
  plan_indexes(*existing, wanted, changes);
  plan_extensions(*existing, wanted, around, changes);
  plan_partitions(*existing, wanted, around, changes);
  return changes;
}

std::string delete_older(const schema::Table& table, const std::string& from, Timestamp before,
                         std::size_t limit) {
  // The time once more: in a partitioned table a ctid alone names a row of each partition.
  return fmt::format(
      "WITH gone AS (DELETE FROM {0} WHERE ctid = ANY (ARRAY (SELECT ctid FROM {0} WHERE {1} < "
      "'{2}' LIMIT {3})) AND {1} < '{2}' RETURNING 1) SELECT count(*) FROM gone",
      from, schema::quote_identifier(table.time_column), to_iso8601(before), limit);
}

std::string drop_partition(const std::string& name) {
  // It waits for readers of the table, and whoever comes meanwhile waits behind it: not for long.
  return fmt::format("SET LOCAL lock_timeout = '1s'; DROP TABLE {}", name);
}

}  // namespace rowgate::storage::postgres
