//! Route files, good and broken.
