//! Verifies a whole ledger from its entry bytes alone, without trusting whoever handed them over.
//!
//! ```
//! use daicho_verify::{Auditor, AuditError, Check};
//!
//! let auditor = Auditor::new();
//! // auditor.feed(entry_bytes)? for each batch, then:
//! let error = auditor.finish().expect_err("nothing was checked");
//! assert_eq!(error.check, Check::NothingChecked);
//! ```

mod audit;
pub mod bundle;
mod fixed;
mod fork;
mod receipt;
mod state;
pub mod timestamp;

pub use audit::{AuditError, AuditReport, Auditor, Check, Counts};
pub use fixed::{FixedBy, FixedSince};
pub use fork::{Evidence, ForkError, ForkProof, ForkReport, MAX_ASKED_LEN, MAX_FORK_PROOF_BYTES, Proves};
pub use receipt::{Receipt, ReceiptError, ReceiptReport};
pub use state::Scratch;
