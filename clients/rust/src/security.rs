//! TLS: which server is believed, and with which key the ledger knows the caller.

use std::fmt;

use daicho_core::SigningKey;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use zeroize::Zeroizing;

use crate::ClientError;

/// Who the two ends of a connection are.
#[derive(Clone, Copy, Default)]
pub struct Security<'a> {
    /// The authority (PEM) that signed the server's certificate. `None`: those that the system knows.
    pub authority: Option<&'a [u8]>,
    /// A key that the ledger has authorised. The certificate that TLS asks for is made of it on the spot. `None`: the
    /// caller does not say who it is, and reads what is open to all.
    pub identity: Option<&'a SigningKey>,
}

impl fmt::Debug for Security<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.identity.map(|key| key.public().id().to_string());
        f.debug_struct("Security")
            .field("authority", &self.authority.is_some())
            .field("identity", &key)
            .finish()
    }
}

impl Security<'_> {
    pub(crate) fn config(&self) -> Result<ClientTlsConfig, ClientError> {
        let mut config = match self.authority {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some(key) = self.identity {
            let (certificate, key) = self_signed(key)?;
            config = config.identity(Identity::from_pem(certificate, key.as_bytes()));
        }
        Ok(config)
    }
}

/// A certificate of a key for TLS, signed by itself, and the key: both as PEM. Other clients than gRPC's need them.
///
/// # Errors
/// [`ClientError::BadIdentity`].
pub fn self_signed(key: &SigningKey) -> Result<(String, Zeroizing<String>), ClientError> {
    let bad = |error: rcgen::Error| ClientError::BadIdentity(error.to_string());
    let pem = key.to_pem();
    let pair = rcgen::KeyPair::from_pem(pem.as_str()).map_err(bad)?;
    let certificate = rcgen::CertificateParams::new(Vec::new()).and_then(|params| params.self_signed(&pair));
    Ok((certificate.map_err(bad)?.pem(), pem))
}
