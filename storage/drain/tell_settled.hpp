#pragma once
// Tells an observer what became of the messages of a batch just committed.
#include "storage/drain/observer.hpp"
#include "storage/drain/open_batch.hpp"

namespace rowgate::storage {

/// Those at or beyond `from`; what lies below was told before. And which Sparkplug B nodes must be
/// born again.
void tell_settled(OpenBatch& batch, Position from, const DrainObserver& observer);

}  // namespace rowgate::storage
