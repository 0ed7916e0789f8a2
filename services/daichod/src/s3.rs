//! S3-compatible object stores, reached through the HTTP client and the cryptography that we have anyway.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use object_store::aws::AmazonS3Builder;
use object_store::client::{
    ClientConfigKey, ClientOptions, CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, HttpClient,
    HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, Signer,
    SigningAlgorithm,
};
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use ring::{digest, hmac};

/// How long a request may take, with its answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a bucket. Credentials, region and endpoint come from the variables that other S3 tools read: `AWS_REGION`,
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`; `AWS_ALLOW_HTTP=true` for an endpoint without TLS.
///
/// # Errors
/// When a variable is not accepted.
pub(crate) fn open(bucket: &str) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(1), ..BackoffConfig::default() };
    let retry = RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(5) };
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry)
        .with_http_connector(Connector)
        .with_crypto_provider(Arc::new(Ring))
        .build()
        .with_context(|| format!("the bucket {bucket}"))?;
    Ok(Arc::new(store))
}

#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain =
            options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let client = reqwest::Client::builder().https_only(!plain).timeout(TIMEOUT).build();
        let client =
            client.map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })?;
        Ok(HttpClient::new(Service(client)))
    }
}

#[derive(Debug)]
struct Service(reqwest::Client);

#[tonic::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = request.map(reqwest::Body::wrap).try_into().map_err(failed)?;
        let mut response = self.0.execute(request).await.map_err(failed)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut answer = HttpResponse::new(response.bytes().await.map_err(failed)?.into());
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_builder() {
        HttpErrorKind::Unknown
    } else {
        HttpErrorKind::Interrupted
    };
    // Whoever shows it names the request.
    HttpError::new(kind, error.without_url())
}

/// What signs requests (AWS Signature Version 4).
#[derive(Debug)]
struct Ring;

impl CryptoProvider for Ring {
    fn digest(&self, algorithm: DigestAlgorithm) -> object_store::Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Sha256(digest::Context::new(&digest::SHA256), None))),
            _ => Err(unsupported()),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> object_store::Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                Ok(Box::new(HmacSha256(hmac::Context::with_key(&key), None)))
            }
            _ => Err(unsupported()),
        }
    }

    /// Only Google's store signs so.
    fn sign(&self, _: SigningAlgorithm, _: &[u8]) -> object_store::Result<Box<dyn Signer>> {
        Err(unsupported())
    }
}

/// A hash under way, and where its value is lent from.
struct Sha256(digest::Context, Option<digest::Digest>);

impl DigestContext for Sha256 {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        let value: &digest::Digest = self.1.insert(self.0.clone().finish());
        Ok(value.as_ref())
    }
}

/// The same for a keyed one.
struct HmacSha256(hmac::Context, Option<hmac::Tag>);

impl HmacContext for HmacSha256 {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        let value: &hmac::Tag = self.1.insert(self.0.clone().sign());
        Ok(value.as_ref())
    }
}

fn unsupported() -> object_store::Error {
    object_store::Error::NotSupported { source: "only what S3 requests need".into() }
}
