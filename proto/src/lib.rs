//! The wire format of Daichō.
