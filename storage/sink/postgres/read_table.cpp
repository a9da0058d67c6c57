#include "storage/sink/postgres/read_table.hpp"

namespace rowgate::storage::postgres {
namespace {

void read_columns(pqxx::transaction_base& tx, const std::string& oid, ExistingTable& existing) {
  const auto columns = tx.exec_params(
      "SELECT a.attname, format_type(a.atttypid, a.atttypmod), "
      "COALESCE(NULLIF(t.typbasetype, 0), a.atttypid)::bigint, a.attnotnull, "
      "a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a' "
      "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
      "WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
      oid);
  for (const auto& row : columns)
    existing.columns.push_back({row[0].as<std::string>(), row[1].as<std::string>(),
                                row[2].as<unsigned>(), row[3].as<bool>(), row[4].as<bool>(),
                                row[5].as<bool>()});
}

void read_indexes(pqxx::transaction_base& tx, const std::string& oid, ExistingTable& existing) {
  // Whole ones over plain columns. As a key only what ON CONFLICT can name: not deferrable.
  const auto columns = tx.exec_params(
      "SELECT i.indexrelid::text, a.attname, am.amname, i.indisunique AND i.indimmediate "
      "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam "
      "CROSS JOIN LATERAL unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY AS "
      "k(attnum, at) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
      "WHERE i.indrelid = $1::oid AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL "
      "ORDER BY i.indexrelid, k.at",
      oid);
  std::string index;
  for (const auto& row : columns) {
    const bool first = row[0].as<std::string>() != index;
    index = row[0].as<std::string>();
    const auto method = row[2].as<std::string>();
    const auto column = row[1].as<std::string>();
    if (method == "brin" && first) existing.brins.push_back(column);
    if (method != "btree") continue;
    if (first) existing.btrees.emplace_back();
    existing.btrees.back().push_back(column);
    if (!row[3].as<bool>()) continue;
    if (first) existing.unique_keys.emplace_back();
    existing.unique_keys.back().push_back(column);
  }
}

void read_partitions(pqxx::transaction_base& tx, const std::string& oid, ExistingTable& existing) {
  existing.partition_key =
      tx.exec_params("SELECT pg_get_partkeydef($1::oid)", oid)[0][0].as<std::string>("");
  for (const auto& row : tx.exec_params(
           "SELECT a.attname FROM pg_partitioned_table p CROSS JOIN LATERAL "
           "unnest(p.partattrs::int2[]) AS k(attnum) JOIN pg_attribute a ON a.attrelid = "
           "p.partrelid AND a.attnum = k.attnum WHERE p.partrelid = $1::oid",
           oid))
    existing.partition_columns.push_back(row[0].as<std::string>());
  for (const auto& row : tx.exec_params(
           "SELECT format('%I.%I', n.nspname, c.relname), pg_get_expr(c.relpartbound, c.oid) "
           "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid "
           "= c.relnamespace WHERE i.inhparent = $1::oid ORDER BY 1",
           oid))
    existing.partitions.push_back(
        {row[0].as<std::string>(), parse_bound(row[1].as<std::string>(""))});
}

}  // namespace

std::optional<ExistingTable> read_table(pqxx::transaction_base& tx, const schema::Table& table) {
  const std::string name = schema::quote_table(table.name);
  const auto found = tx.exec_params(
      "SELECT c.oid::text, c.relkind::text FROM pg_class c WHERE c.oid = to_regclass($1)", name);
  if (found.empty()) return std::nullopt;
  const auto oid = found[0][0].as<std::string>();
  ExistingTable existing;
  existing.kind = found[0][1].as<std::string>()[0];
  read_columns(tx, oid, existing);
  read_indexes(tx, oid, existing);
  if (existing.kind == 'p') read_partitions(tx, oid, existing);
  if (table.storage.hypertable && read_extension(tx, "timescaledb") == Extension::installed)
    existing.hypertable =
        !tx.exec_params(
               "SELECT 1 FROM timescaledb_information.hypertables h JOIN pg_namespace n ON "
               "n.nspname = h.hypertable_schema JOIN pg_class c ON c.relnamespace = n.oid AND "
               "c.relname = h.hypertable_name WHERE c.oid = $1::oid",
               oid)
             .empty();
  if (!table.storage.distributed.empty() && read_extension(tx, "citus") == Extension::installed)
    existing.distributed =
        !tx.exec_params("SELECT 1 FROM pg_dist_partition WHERE logicalrelid = $1::oid", oid)
             .empty();
  return existing;
}

Extension read_extension(pqxx::transaction_base& tx, const std::string& name) {
  if (!tx.exec_params("SELECT 1 FROM pg_extension WHERE extname = $1", name).empty())
    return Extension::installed;
  const bool available =
      !tx.exec_params("SELECT 1 FROM pg_available_extensions WHERE name = $1", name).empty();
  return available ? Extension::available : Extension::unknown;
}

}  // namespace rowgate::storage::postgres
