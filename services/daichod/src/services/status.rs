//! Refusals and failures as gRPC statuses: `google.rpc.ErrorInfo` with a reason, `BadRequest` for a field.

use std::collections::HashMap;

use daicho_core::{Refusal, RefusalCode};
use daicho_custody::state::StateError;
use daicho_proto::v1;
use daicho_store::StoreError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Domain of all reasons.
const DOMAIN: &str = "daicho";

/// The gRPC code of a reason.
pub(crate) fn code(reason: RefusalCode) -> Code {
    match reason {
        RefusalCode::Malformed
        | RefusalCode::TooLarge
        | RefusalCode::WrongOrigin
        | RefusalCode::FutureTime => Code::InvalidArgument,
        RefusalCode::BadSignature | RefusalCode::UnknownKey => Code::Unauthenticated,
        RefusalCode::NotAuthorized => Code::PermissionDenied,
        RefusalCode::DuplicateId | RefusalCode::SequenceUsed => Code::AlreadyExists,
        RefusalCode::KeyRevoked
        | RefusalCode::UnknownReference
        | RefusalCode::SchemeRejected
        | RefusalCode::VerificationFailed => Code::FailedPrecondition,
        RefusalCode::QueueFull => Code::ResourceExhausted,
        RefusalCode::WriterClosed => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// A refusal as the status of a unary call.
pub(crate) fn refused(refusal: &Refusal) -> Status {
    let mut details = ErrorDetails::with_error_info(refusal.code.reason(), DOMAIN, HashMap::new());
    if !refusal.field.is_empty() {
        details.add_bad_request_violation(refusal.field.clone(), refusal.message.clone());
    }
    Status::with_error_details(code(refusal.code), refusal.message.clone(), details)
}

/// A refusal as one answer of a stream.
pub(crate) fn refusal(refusal: Refusal) -> v1::Refusal {
    v1::Refusal {
        reason: refusal.code.reason().to_owned(),
        retry: refusal.code.retryable(),
        code: code(refusal.code) as i32,
        message: refusal.message,
        field: refusal.field,
    }
}

/// A field of a reading call that is not accepted.
pub(crate) fn bad_field(field: &str, message: &str) -> Status {
    refused(&Refusal::field(RefusalCode::Malformed, field, message))
}

/// Something that is not there.
pub(crate) fn not_found(what: &str) -> Status {
    let details = ErrorDetails::with_error_info("NOT_FOUND", DOMAIN, HashMap::new());
    Status::with_error_details(Code::NotFound, format!("{what} is not in the ledger"), details)
}

/// The disk, or what is on it. The log has the cause; the caller can only ask the operator.
pub(crate) fn storage(error: &StoreError) -> Status {
    tracing::error!(%error, "reading the ledger failed");
    unreadable()
}

/// Custody state that cannot be read.
pub(crate) fn state(error: &StateError) -> Status {
    tracing::error!(%error, "reading custody state failed");
    unreadable()
}

fn unreadable() -> Status {
    let details = ErrorDetails::with_error_info("STORAGE_FAILED", DOMAIN, HashMap::new());
    Status::with_error_details(
        Code::DataLoss,
        "the ledger's files cannot be read; the operator must run fsck",
        details,
    )
}

/// A task that did not come to its end.
pub(crate) fn task(_: tokio::task::JoinError) -> Status {
    Status::unavailable("the server is stopping")
}
