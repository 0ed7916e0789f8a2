//! Clients for HTTP, and what is said when a call fails.

use anyhow::Context as _;
use reqwest::{Client, ClientBuilder, Url};

use crate::context::Context;

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
