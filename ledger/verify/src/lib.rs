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
mod receipt;
mod state;
pub mod timestamp;

pub use audit::{AuditError, AuditReport, Auditor, Check, Counts};
pub use receipt::{Receipt, ReceiptError, ReceiptReport};
pub use state::Scratch;
