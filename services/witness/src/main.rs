//! A witness of transparency logs.

fn main() {}
