//! Skeleton; being built.
