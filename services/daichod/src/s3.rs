//! S3-compatible object stores, reached through the HTTP client and the cryptography that we have anyway.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use object_store::aws::AmazonS3Builder;
use object_store::client::{
    ClientConfigKey, ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpService,
};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

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
        .build()
        .with_context(|| format!("the bucket {bucket}"))?;
    Ok(Arc::new(store))
}

/// The place that `s3://bucket/prefix` names, or `None` when the text is no such URL.
///
/// # Errors
/// As [`open`], and when the prefix is no path.
pub(crate) fn bucket(url: &str) -> anyhow::Result<Option<PrefixStore<Arc<dyn ObjectStore>>>> {
    let Some(place) = url.strip_prefix("s3://") else { return Ok(None) };
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    Ok(Some(PrefixStore::new(open(bucket)?, Path::parse(prefix.trim_end_matches('/'))?)))
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
