"""What every task stands on: references, the store, fingerprints, the cache, stages, plug-ins, progress."""
