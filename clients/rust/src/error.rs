//! What can go wrong, and what to do next.

use std::sync::Arc;

use daicho_core::{ReadCode, Refusal, RefusalCode, SignerError, proto};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::ReceiptFault;

/// `ErrorInfo.domain` of the ledger's own errors.
const DOMAIN: &str = "daicho";

/// Why a call failed.
///
/// | variant | recorded? | next |
/// |---|---|---|
/// | `Refused` | no | fix the request, as [`RefusalCode`] says |
/// | `Unanswered` | unknown | send the same statement again with [`Emitter::resend`](crate::Emitter::resend) |
/// | `Connect`, `Unreachable` | no | check the address and the server, then call again |
/// | `Signer` | no | see to the token of the key |
/// | `BadField` | - | fix the field |
/// | `NotFound` | - | ask for something that is there |
/// | `NotKnown`, `NotAllowed` | no | connect with a key that has the right |
/// | `BadIdentity` | no | give a key or certificate that can be used |
/// | `Server` | no | read the message; the server or the caller's rights need a change |
/// | `Protocol` | unknown | server and client differ in version |
/// | `BadReceipt` | maybe | keep the statement; the ledger does not prove that it recorded it |
/// | `StreamClosed` | no | open a new stream |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The endpoint is no URI.
    #[error("`{endpoint}` is no address of a server; write one such as https://127.0.0.1:7340")]
    BadEndpoint {
        /// As given.
        endpoint: String,
    },
    /// No connection at all.
    #[error("cannot connect to {endpoint}: {reason}; check that the server runs there")]
    Connect {
        /// The server's address.
        endpoint: String,
        /// What the system said.
        reason: String,
    },
    /// The ledger refused the statement and wrote nothing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server did not answer, or broke off. The same request may be sent again.
    #[error("the server does not answer: {message}; call again")]
    Unreachable {
        /// What the transport said.
        message: String,
    },
    /// A call that records nothing had a field that breaks its rule.
    #[error("`{field}` is not accepted: {message}")]
    BadField {
        /// The field of the request.
        field: String,
        /// Its rule.
        message: String,
    },
    /// There is no such thing.
    #[error("not found: {0}")]
    NotFound(String),
    /// The ledger does not know who calls.
    #[error("not known to the ledger: {0}")]
    NotKnown(String),
    /// The caller has no right to this.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// The key or certificate for the connection cannot be used.
    #[error("the key or certificate for the connection cannot be used: {0}")]
    BadIdentity(String),
    /// The key that was to sign did not. Nothing was sent.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The server turned the call down for a reason that is not about a statement.
    #[error("the server turned the call down ({code:?}): {message}")]
    Server {
        /// gRPC code.
        code: Code,
        /// `ErrorInfo.reason`, empty when there was none.
        reason: String,
        /// What the server said.
        message: String,
    },
    /// All attempts failed and at least one may have reached the ledger.
    #[error(
        "no answer after {attempts} attempts ({last}); it may be recorded: send the same statement again to find out"
    )]
    Unanswered {
        /// The statement as signed.
        statement: Box<proto::SignedStatement>,
        /// How often it was sent.
        attempts: u32,
        /// The last failure.
        #[source]
        last: Arc<ClientError>,
    },
    /// The answer makes no sense.
    #[error("the server's answer makes no sense: {0}; client and server may differ in version")]
    Protocol(String),
    /// The ledger says that the statement is recorded, and its receipt does not hold.
    #[error("the ledger's receipt for entry {entry} does not hold: {fault}")]
    BadReceipt {
        /// Index of the entry, as the ledger says.
        entry: u64,
        /// What is wrong with it.
        #[source]
        fault: Box<ReceiptFault>,
    },
    /// The stream gave up earlier; its answers say why.
    #[error("the stream is closed; read its answers, then open a new one")]
    StreamClosed,
    /// The document is larger than the ledger takes.
    #[error("a document has 1 to {max} bytes; this one has {len}")]
    DocumentSize {
        /// Its length.
        len: usize,
        /// The longest accepted.
        max: usize,
    },
    /// The system gives no random numbers.
    #[error("no random numbers from the system")]
    NoRandomness,
}

impl ClientError {
    /// Whether the same request may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.code.retryable(),
            Self::Connect { .. } | Self::Unreachable { .. } | Self::Unanswered { .. } => true,
            Self::Server { code, .. } => *code == Code::ResourceExhausted,
            Self::BadEndpoint { .. }
            | Self::BadField { .. }
            | Self::NotFound(_)
            | Self::NotKnown(_)
            | Self::NotAllowed(_)
            | Self::BadIdentity(_)
            | Self::Signer(_)
            | Self::Protocol(_)
            | Self::BadReceipt { .. }
            | Self::StreamClosed
            | Self::DocumentSize { .. }
            | Self::NoRandomness => false,
        }
    }

    /// Whether the server certainly wrote nothing. A writer that closed after a failed sync cannot know.
    pub(crate) fn wrote_nothing(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.code != RefusalCode::WriterClosed,
            Self::Server { .. }
            | Self::Signer(_)
            | Self::BadField { .. }
            | Self::NotFound(_)
            | Self::NotKnown(_)
            | Self::NotAllowed(_) => true,
            _ => false,
        }
    }

    pub(crate) fn bad_receipt(entry: u64, fault: ReceiptFault) -> Self {
        Self::BadReceipt { entry, fault: Box::new(fault) }
    }

    /// An answer of a stream or a validation that is a refusal.
    pub(crate) fn from_refusal(refusal: proto::Refusal) -> Self {
        match RefusalCode::from_reason(&refusal.reason) {
            Some(code) => Self::Refused(Refusal { code, field: refusal.field, message: refusal.message }),
            // A later version's reason: its own word says whether to repeat.
            None if refusal.retry => Self::Unreachable { message: refusal.message },
            None => Self::Server {
                code: Code::from_i32(refusal.code),
                reason: refusal.reason,
                message: refusal.message,
            },
        }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let field = details
            .bad_request()
            .and_then(|bad| bad.field_violations.first())
            .map(|violation| violation.field.clone())
            .unwrap_or_default();
        let reason = details
            .error_info()
            .filter(|info| info.domain == DOMAIN)
            .map(|info| info.reason.clone())
            .unwrap_or_default();
        let message = status.message().to_owned();
        if let Some(code) = RefusalCode::from_reason(&reason) {
            return Self::Refused(Refusal { code, field, message });
        }
        match ReadCode::from_reason(&reason) {
            Some(ReadCode::InvalidArgument) => return Self::BadField { field, message },
            Some(ReadCode::NotFound) => return Self::NotFound(message),
            Some(ReadCode::NotKnown) => return Self::NotKnown(message),
            Some(ReadCode::NotAllowed) => return Self::NotAllowed(message),
            _ => {}
        }
        match status.code() {
            // Unknown and Internal come from broken connections too; Aborted and Cancelled from a stopping server.
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Unknown
            | Code::Internal
            | Code::Aborted
            | Code::Cancelled => Self::Unreachable { message },
            Code::NotFound => Self::NotFound(message),
            code @ (Code::Ok
            | Code::InvalidArgument
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated) => Self::Server { code, reason, message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    fn refused(domain: &str, reason: &str, field: &str) -> ClientError {
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, domain, [("key".to_owned(), "value".to_owned())]);
        if !field.is_empty() {
            details.add_bad_request_violation(field, "wrong");
        }
        Status::with_error_details(Code::InvalidArgument, "no such flow", details).into()
    }

    #[test]
    fn a_refusal_keeps_reason_field_and_message() {
        let ClientError::Refused(refusal) = refused("daicho", "UNKNOWN_REFERENCE", "events[0].derived.flow")
        else {
            panic!("not a refusal");
        };
        assert_eq!(refusal.code, RefusalCode::UnknownReference);
        assert_eq!(refusal.field, "events[0].derived.flow");
        assert_eq!(refusal.message, "no such flow");
    }

    #[test]
    fn every_reason_is_read_back_and_only_two_are_worth_repeating() {
        for code in RefusalCode::ALL {
            let error = refused("daicho", code.reason(), "");
            assert!(matches!(&error, ClientError::Refused(refusal) if refusal.code == code));
            assert_eq!(error.retryable(), code.retryable(), "{code:?}");
        }
    }

    #[test]
    fn a_bad_field_of_a_reading_call_is_no_refusal() {
        let error = refused("daicho", "INVALID_ARGUMENT", "as_of_ms");
        assert!(matches!(&error, ClientError::BadField { field, .. } if field == "as_of_ms"), "{error}");
        assert!(!error.retryable());
        for code in ReadCode::ALL {
            assert_eq!(RefusalCode::from_reason(code.reason()), None, "{code:?} stands in both lists");
        }
    }

    #[test]
    fn reasons_of_other_domains_and_later_versions_are_no_refusals() {
        for error in [refused("example.com", "QUEUE_FULL", ""), refused("daicho", "NEW_REASON", "")] {
            assert!(matches!(error, ClientError::Server { code: Code::InvalidArgument, .. }), "{error}");
            assert!(!error.retryable());
        }
    }

    #[test]
    fn a_plain_status_without_details_is_told_by_its_code() {
        assert!(ClientError::from(Status::unavailable("gone")).retryable());
        assert!(ClientError::from(Status::deadline_exceeded("slow")).retryable());
        assert!(ClientError::from(Status::resource_exhausted("busy")).retryable());
        assert!(!ClientError::from(Status::permission_denied("no")).retryable());
        assert!(matches!(ClientError::from(Status::not_found("entry 9")), ClientError::NotFound(_)));
    }
}
