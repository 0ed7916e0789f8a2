//! Tests of the witness as others see it: real processes over HTTP on loopback.

mod auditing;
mod crash;
mod protocol;
mod setup;
mod starting;
