//! The way to a bucket of S3, or of a server that speaks like it.

use std::sync::Arc;

use object_store::RetryConfig;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

use super::answer::Failure;
use super::credentials::Credentials;
use super::fault::ErrorKind;
use super::http::{Http, HttpParts};
use super::objects::Objects;
use crate::backup::store::Settings;

/// Where S3 began; what servers that have no regions expect.
const DEFAULT_REGION: &str = "us-east-1";

/// What of this process's environment says who this machine is in its cloud; asked only when no keys are given.
const IDENTITY: [(&str, AmazonS3ConfigKey); 5] = [
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
];

/// The bucket that a target names.
pub(crate) struct Bucket<'a> {
    pub(crate) name: &'a str,
    pub(crate) region: Option<&'a str>,
    pub(crate) prefix: &'a str,
}

/// Makes the access; nothing is asked of the server yet.
pub(crate) fn open(bucket: &Bucket<'_>, credentials: &Credentials, settings: &Settings) -> Result<Objects, Failure> {
    let region = bucket.region.unwrap_or(DEFAULT_REGION);
    let endpoint = Endpoint::of(bucket.name, region, credentials)?;
    let host = super::host_of(&endpoint.url).ok_or_else(|| wrong_endpoint("AWS_ENDPOINTS"))?;
    let http = Http::new(HttpParts { host, credentials, certificates: "AWS_CERT", settings })?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket.name)
        .with_region(region)
        // A signature over the data costs as much as the backup's own checksum; under TLS it protects nothing more.
        .with_unsigned_payload(endpoint.url.starts_with("https:"))
        .with_virtual_hosted_style_request(endpoint.is_virtual)
        .with_endpoint(endpoint.url)
        .with_allow_http(true)
        // Not every server has the call that removes several at once.
        .with_disable_bulk_delete(true)
        .with_disable_tagging(true)
        // `Http` tries again.
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .with_http_connector(http);
    builder = match (credentials.get("AWS_ACCESS_KEY_ID"), credentials.get("AWS_SECRET_ACCESS_KEY")) {
        (Some(key), Some(secret)) => builder.with_access_key_id(key.trim()).with_secret_access_key(secret.trim()),
        (None, None) => IDENTITY.into_iter().fold(builder, |builder, (name, key)| match std::env::var(name) {
            Ok(value) if !value.is_empty() => builder.with_config(key, value),
            _ => builder,
        }),
        (key, _) => {
            let missing = if key.is_none() { "AWS_ACCESS_KEY_ID" } else { "AWS_SECRET_ACCESS_KEY" };
            return Err(Failure::new(ErrorKind::Credentials, format!("{missing} is missing")).with_next_step(
                "give both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither on a machine with an IAM role",
            ));
        }
    };
    let store =
        builder.build().map_err(|error| Failure::new(ErrorKind::Other, credentials.redact(&error.to_string())))?;
    Ok(Objects::new(Arc::new(store), bucket.prefix.to_owned()))
}

#[derive(Debug, PartialEq, Eq)]
struct Endpoint {
    url: String,
    /// Whether the bucket is in the host's name, and in `url` already.
    is_virtual: bool,
}

impl Endpoint {
    fn of(bucket: &str, region: &str, credentials: &Credentials) -> Result<Self, Failure> {
        let wished =
            match credentials.get("VIRTUAL_HOSTED_STYLE").map(|value| value.trim().to_ascii_lowercase()).as_deref() {
                None => None,
                Some("true") => Some(true),
                Some("false") => Some(false),
                Some(_) => {
                    return Err(Failure::new(
                        ErrorKind::Other,
                        "VIRTUAL_HOSTED_STYLE is neither true nor false".to_owned(),
                    )
                    .with_next_step("write true or false"));
                }
            };
        let given =
            credentials.get("AWS_ENDPOINTS").and_then(|all| all.split(',').map(str::trim).find(|one| !one.is_empty()));
        let (url, is_virtual) = match given {
            Some(url) if url.contains("://") => (url.to_owned(), wished.unwrap_or(false)),
            Some(host) => (format!("https://{host}"), wished.unwrap_or(false)),
            None => {
                let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                // The certificates of AWS are for one name before theirs, and a dot makes two.
                (format!("https://s3.{region}.{domain}"), wished.unwrap_or(!bucket.contains('.')))
            }
        };
        let url = url.trim_end_matches('/');
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong_endpoint("AWS_ENDPOINTS"))?;
        if !matches!(scheme, "http" | "https") || rest.contains(['@', '?', '#']) {
            return Err(wrong_endpoint("AWS_ENDPOINTS"));
        }
        let url = if is_virtual { format!("{scheme}://{bucket}.{rest}") } else { url.to_owned() };
        Ok(Self { url, is_virtual })
    }
}

/// The endpoint is not repeated: it may hold a password.
pub(crate) fn wrong_endpoint(name: &str) -> Failure {
    Failure::new(ErrorKind::Other, format!("{name} is no URL of a server"))
        .with_next_step(format!("write {name} like https://s3.example:9000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(bucket: &str, region: &str, values: &[(&str, &str)]) -> (String, bool) {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let endpoint = Endpoint::of(bucket, region, &Credentials::new(values)).unwrap();
        (endpoint.url, endpoint.is_virtual)
    }

    #[test]
    fn the_bucket_is_in_the_name_or_in_the_path() {
        let own = ("AWS_ENDPOINTS", "http://minio:9000/");
        for (bucket, region, values, url, is_virtual) in [
            ("b", "eu-west-1", &[][..], "https://b.s3.eu-west-1.amazonaws.com", true),
            ("b.c", "eu-west-1", &[], "https://s3.eu-west-1.amazonaws.com", false),
            ("b", "cn-north-1", &[], "https://b.s3.cn-north-1.amazonaws.com.cn", true),
            ("b", "eu-west-1", &[("VIRTUAL_HOSTED_STYLE", "false")], "https://s3.eu-west-1.amazonaws.com", false),
            ("b", "r", &[own], "http://minio:9000", false),
            ("b", "r", &[own, ("VIRTUAL_HOSTED_STYLE", "true")], "http://b.minio:9000", true),
            ("b", "r", &[("AWS_ENDPOINTS", "minio.example, other")], "https://minio.example", false),
        ] {
            assert_eq!(endpoint(bucket, region, values), (url.to_owned(), is_virtual));
        }
    }

    #[test]
    fn half_a_pair_of_keys_and_other_nonsense_is_refused_before_anything_is_asked() {
        for (name, value, word) in [
            ("AWS_ACCESS_KEY_ID", "key", "AWS_SECRET_ACCESS_KEY is missing"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2", "AWS_ACCESS_KEY_ID is missing"),
            ("AWS_ENDPOINTS", "ftp://hunter2", "AWS_ENDPOINTS is no URL"),
            ("AWS_ENDPOINTS", "http://user:hunter2@host", "AWS_ENDPOINTS is no URL"),
            ("AWS_CERT", "hunter2", "AWS_CERT has no PEM certificate"),
            ("HTTP_PROXY", "http://u:hunter2@[", "HTTP_PROXY is no URL"),
            ("VIRTUAL_HOSTED_STYLE", "yes", "neither true nor false"),
        ] {
            let bucket = Bucket { name: "b", region: None, prefix: "" };
            let credentials = Credentials::new([(name.to_owned(), value.to_owned())]);
            let Err(failure) = open(&bucket, &credentials, &Settings::default()) else {
                panic!("{name}={value} is taken")
            };
            assert!(failure.why.contains(word), "{failure}");
            assert!(!failure.why.contains("hunter2") && failure.next_step.is_some(), "{failure:?}");
        }
    }
}
