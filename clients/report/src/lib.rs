//! Draws reports: HTML, PDF and CSV from the one model that `daicho-custody` computes.
//!
//! Nothing here judges, opens a socket or a file, or reads a clock: the same report, words and attachments give the same
//! bytes everywhere. The fonts are in the crate; no font of the machine is looked at.

pub mod csv;
pub mod duties;
mod flow_svg;
pub mod html;
mod lang;
pub mod pdf;
pub mod problems;
pub mod prose;
mod svg;
mod timeline_svg;
pub mod words;

pub use lang::Lang;
