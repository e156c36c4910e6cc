//! The way to a container of Azure's blob storage.

use std::sync::Arc;

use object_store::RetryConfig;
use object_store::azure::MicrosoftAzureBuilder;

use super::answer::Failure;
use super::credentials::Credentials;
use super::fault::ErrorKind;
use super::http::{Http, HttpParts};
use super::objects::Objects;
use super::s3::wrong_endpoint;
use crate::backup::store::Settings;

const DEFAULT_SUFFIX: &str = "core.windows.net";

/// The container that a target names.
pub(crate) struct Container<'a> {
    pub(crate) name: &'a str,
    /// Of the endpoint, behind `<account>.blob.`
    pub(crate) suffix: Option<&'a str>,
    pub(crate) prefix: &'a str,
}

/// Makes the access; nothing is asked of the server yet.
pub(crate) fn open(
    container: &Container<'_>,
    credentials: &Credentials,
    settings: &Settings,
) -> Result<Objects, Failure> {
    let Some(account) = credentials.get("AZBLOB_ACCOUNT_NAME").map(str::trim) else {
        return Err(Failure::new(ErrorKind::Credentials, "AZBLOB_ACCOUNT_NAME is missing".to_owned())
            .with_next_step("give AZBLOB_ACCOUNT_NAME and AZBLOB_ACCOUNT_KEY"));
    };
    let suffix = container.suffix.unwrap_or(DEFAULT_SUFFIX);
    let endpoint = match credentials.get("AZBLOB_ENDPOINT").map(str::trim) {
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => url.trim_end_matches('/').to_owned(),
        Some(_) => return Err(wrong_endpoint("AZBLOB_ENDPOINT")),
        None => format!("https://{account}.blob.{suffix}"),
    };
    let host = super::host_of(&endpoint).ok_or_else(|| wrong_endpoint("AZBLOB_ENDPOINT"))?;
    let http = Http::new(HttpParts { host, credentials, certificates: "AZBLOB_CERT", settings })?;
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(container.name)
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_disable_tagging(true)
        // `Http` tries again.
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .with_http_connector(http);
    // Without a key the identity of this machine in its cloud is asked for.
    if let Some(key) = credentials.get("AZBLOB_ACCOUNT_KEY") {
        builder = builder.with_access_key(key.trim());
    }
    let store = builder.build().map_err(|_| {
        Failure::new(ErrorKind::Credentials, "AZBLOB_ACCOUNT_KEY is not the base64 of a key".to_owned())
            .with_next_step("copy the account's key again")
    })?;
    Ok(Objects::new(Arc::new(store), container.prefix.to_owned()))
}
