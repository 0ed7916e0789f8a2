//! What a copy, a handover, a deadline and a verdict is: schemes, the fold, the judge.
//!
//! - [`calendar`]: eras, fiscal years, business days, counting by the Civil Code.
//! - [`scheme`]: the files that describe an administrative programme.
//! - [`fold`]: from a statement to what it changes.
//! - [`state`]: the records that the fold keeps.
//! - [`Judge`]: from records and a time to verdicts and findings.
//! - [`duty`]: what parties owe besides each single copy, and what became of it.
//! - [`report`]: verdicts and findings of a scheme and a period as one value.
//!
//! Pure: no clock, no socket, no file. A pass over all copies uses every core and comes to the same on one.

mod answers;
pub mod calendar;
mod context;
mod detail;
mod due;
pub mod duty;
mod finding;
pub mod fold;
mod judge;
mod media;
pub mod report;
pub mod scheme;
mod silence;
pub mod state;

pub use answers::{AnswerKind, Decision, FindingAnswer};
pub use context::{ContextCache, FlowContext, SchemeContext, binds};
pub use detail::{Detail, Keep, Names, OfDuty};
pub use due::{Due, DueWhat};
pub use finding::{About, FindingCode};
pub use fold::{FOLD_VERSION, Fold, FoldError};
pub use judge::{
    Evidence, Finding, Judge, Judgement, Limits, NumberSource, RuleJudgement, Verdict, handovers_of,
};
pub use media::method_word;
pub use report::{DeletionReport, ReportHead};
pub use silence::key_findings;
