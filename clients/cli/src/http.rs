//! Clients for HTTP, and what is said when a call fails.

use anyhow::{Context as _, anyhow};
use daicho_client::self_signed;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Url};
use zeroize::Zeroizing;

use crate::context::Context;

/// The authorities that are believed and the key that is shown, as over gRPC.
pub(crate) struct Security {
    authorities: Option<Vec<Certificate>>,
    identity: Option<Identity>,
}

impl Security {
    /// What `--ca` and `--identity` name.
    ///
    /// # Errors
    /// When a file cannot be read, or holds something else.
    pub(crate) fn of(context: &Context) -> anyhow::Result<Self> {
        let authorities = context.ca.as_deref().map(|file| {
            let pem = context.read(file)?;
            let found = Certificate::from_pem_bundle(&pem).ok().filter(|found| !found.is_empty());
            found.ok_or_else(|| anyhow!(context.no_certificate(file)))
        });
        let identity = context.given()?.map(|key| {
            let (certificate, key) = self_signed(&key)?;
            let both = Zeroizing::new(format!("{certificate}{}", *key));
            anyhow::Ok(Identity::from_pem(both.as_bytes())?)
        });
        Ok(Self { authorities: authorities.transpose()?, identity: identity.transpose()? })
    }

    /// Has a client believe and show them.
    pub(crate) fn apply(&self, builder: ClientBuilder) -> ClientBuilder {
        let builder = match &self.authorities {
            Some(authorities) => builder.tls_certs_only(authorities.clone()),
            None => builder,
        };
        match &self.identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        }
    }
}

/// A client for an address.
///
/// # Errors
/// In words for people, when the machine has no certificates of authorities and the address asks for TLS.
pub(crate) fn client(
    url: &Url,
    settings: impl Fn(ClientBuilder) -> ClientBuilder,
    context: &Context,
) -> anyhow::Result<Client> {
    // Fails only where one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || settings(Client::builder());
    let client = match builder().build() {
        // Without TLS a machine without certificates of authorities will do.
        Err(_) if url.scheme() == "http" => builder().tls_certs_only([]).build(),
        client => client,
    };
    client.with_context(|| {
        context.pick(
            format!(
                "{url} に TLS で接続できません。認証局の証明書（ca-certificates）が入っているかご確認ください"
            ),
            format!("no TLS for {url}; are certificates of authorities installed (ca-certificates)?"),
        )
    })
}

/// The innermost cause: what the system said.
pub(crate) fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
