#pragma once
// PostgreSQL as a sink: an ingest connection a lane (binary COPY), short connections for DDL.
#include <memory>
#include <string>

#include "storage/sink/sink.hpp"

namespace rowgate::storage::postgres {

/// `url` is a postgresql:// or postgres:// URL. Connects to nothing yet.
std::unique_ptr<Sink> make_sink(std::string url);

/// The URL without password and parameters, for logs.
std::string without_secrets(const std::string& url);

}  // namespace rowgate::storage::postgres
