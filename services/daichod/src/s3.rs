//! Buckets of S3 and what speaks like it. Keys, region and endpoint come from the `AWS_…` variables.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, Result};

/// Longest time until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time of one request. Nothing that we send or read is large.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The bucket that `s3://bucket/prefix` names, or `None` when the text is no such URL.
///
/// # Errors
/// When a variable has a value that cannot be used, or the prefix is no path.
pub(crate) fn bucket(url: &str) -> Result<Option<PrefixStore<AmazonS3>>> {
    let Some(place) = url.strip_prefix("s3://") else { return Ok(None) };
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = Path::parse(prefix.trim_end_matches('/'))?;
    let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http:"));
    let builder = builder.with_http_connector(Connector { plain });
    Ok(Some(PrefixStore::new(builder.build()?, prefix)))
}

/// Has requests sent by reqwest, as everything else that we send over HTTP.
#[derive(Debug)]
struct Connector {
    /// The endpoint is asked without TLS. Then a machine without certificates of authorities will do.
    plain: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        // Fails only where one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let allow_http = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let client = reqwest::Client::builder()
            .https_only(!allow_http)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        let client = if self.plain { client.tls_certs_only([]) } else { client };
        let client = client
            .build()
            .map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })?;
        Ok(HttpClient::new(Sender(client)))
    }
}

#[derive(Debug)]
struct Sender(reqwest::Client);

#[tonic::async_trait]
impl HttpService for Sender {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let request = self.0.request(parts.method, parts.uri.to_string()).headers(parts.headers);
        let mut answer = request.body(reqwest::Body::wrap(body)).send().await.map_err(failed)?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let body = HttpRequestBody::from(answer.bytes().await.map_err(failed)?);
        let mut response = HttpResponse::new(HttpResponseBody::new(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Says which failures are worth another try: object_store repeats what did not reach the other side.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_decode() {
        HttpErrorKind::Decode
    } else {
        HttpErrorKind::Interrupted
    };
    // The address can hold a signature.
    HttpError::new(kind, error.without_url())
}
