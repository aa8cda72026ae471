//! Bytes from a summary: one file a format. Nothing is measured here, nothing opened but the result folder.
