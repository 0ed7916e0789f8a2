//! What a copy, a handover, a deadline and a verdict is: schemes, the fold, the judge.

pub mod scheme;
