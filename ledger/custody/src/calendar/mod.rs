//! The calendar of a Japanese office: eras, fiscal years, business days, and counting by the Civil Code.
//!
//! Pure. Days are those of Asia/Tokyo ([`daicho_core::Date`]). Which days an office is closed on is data
//! ([`Calendar`]) that a scheme names and the ledger keeps; nothing here guesses a holiday.
//! `docs/formats/calendar.md` has the format, `docs/design/counting-days.md` the reasons.

mod count;
pub mod era;
mod fiscal;
mod office;
mod open;

pub use count::{after_days, after_months};
pub use fiscal::FiscalYear;
pub use office::{ClockTime, Office};
pub use open::{Calendar, CalendarDay};
