//! What a server's refusal, or the lack of an answer, means.

use std::error::Error;
use std::fmt;
use std::io;

use http::{HeaderMap, StatusCode};
use tokio_rustls::rustls;

use super::credentials::Credentials;
use super::fault::ErrorKind;

/// Of a server's own words: enough for a sentence, too little for a page.
const LONGEST_WORDS: usize = 300;

/// A request that failed, before it is known what it was for. Becomes a `StoreError`.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) why: String,
    pub(crate) next_step: Option<String>,
    /// Whether the same request may succeed a little later.
    pub(crate) passing: bool,
    /// Whether the server gave no reason: answers to HEAD have no words.
    pub(crate) wordless: bool,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, why: String) -> Self {
        Self { kind, why, next_step: None, passing: false, wordless: false }
    }

    pub(crate) fn passing(kind: ErrorKind, why: String) -> Self {
        Self { passing: true, ..Self::new(kind, why) }
    }

    pub(crate) fn with_next_step(self, next_step: impl Into<String>) -> Self {
        Self { next_step: Some(next_step.into()), ..self }
    }

    pub(crate) fn after(mut self, retries: usize) -> Self {
        if retries > 0 {
            self.why = format!("{} (tried {} times)", self.why, retries + 1);
        }
        self
    }

    /// The same, where it was credentials that were asked for, from the cloud that this machine may be in.
    pub(crate) fn without_credentials(self) -> Self {
        let why = format!("no keys are given, and this machine's cloud gives none either ({})", self.why);
        Self::new(ErrorKind::Credentials, why).with_next_step("put keys into the target's credentials")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.why)
    }
}

impl Error for Failure {}

/// What S3 and Azure call it, and which kind it is.
const CODES: [(&str, ErrorKind); 46] = [
    ("NoSuchBucket", ErrorKind::NoBucket),
    ("InvalidBucketName", ErrorKind::NoBucket),
    ("ContainerNotFound", ErrorKind::NoBucket),
    ("ContainerBeingDeleted", ErrorKind::NoBucket),
    ("NoSuchKey", ErrorKind::NotFound),
    ("BlobNotFound", ErrorKind::NotFound),
    ("ResourceNotFound", ErrorKind::NotFound),
    ("AccessDenied", ErrorKind::Denied),
    ("AllAccessDisabled", ErrorKind::Denied),
    ("AccountProblem", ErrorKind::Denied),
    ("InvalidObjectState", ErrorKind::Denied),
    ("AuthorizationFailure", ErrorKind::Denied),
    ("AuthorizationPermissionMismatch", ErrorKind::Denied),
    ("AuthorizationSourceIPMismatch", ErrorKind::Denied),
    ("InsufficientAccountPermissions", ErrorKind::Denied),
    ("AccountIsDisabled", ErrorKind::Denied),
    ("PublicAccessNotPermitted", ErrorKind::Credentials),
    ("InvalidAccessKeyId", ErrorKind::Credentials),
    ("InvalidAccessKey", ErrorKind::Credentials),
    // versitygw's name for it.
    ("XAdminUserNotFound", ErrorKind::Credentials),
    ("SignatureDoesNotMatch", ErrorKind::Credentials),
    ("InvalidToken", ErrorKind::Credentials),
    ("ExpiredToken", ErrorKind::Credentials),
    ("TokenRefreshRequired", ErrorKind::Credentials),
    ("MissingSecurityHeader", ErrorKind::Credentials),
    ("NotSignedUp", ErrorKind::Credentials),
    ("AuthenticationFailed", ErrorKind::Credentials),
    ("InvalidAuthenticationInfo", ErrorKind::Credentials),
    ("NoAuthenticationInformation", ErrorKind::Credentials),
    ("RequestTimeTooSkewed", ErrorKind::ClockSkew),
    ("RequestExpired", ErrorKind::ClockSkew),
    ("RequestNotReadyYet", ErrorKind::ClockSkew),
    ("QuotaExceeded", ErrorKind::NoSpace),
    ("InsufficientStorage", ErrorKind::NoSpace),
    ("XMinioStorageFull", ErrorKind::NoSpace),
    ("XMinioAdminBucketQuotaExceeded", ErrorKind::NoSpace),
    ("EntityTooLarge", ErrorKind::NoSpace),
    ("SlowDown", ErrorKind::Timeout),
    ("RequestTimeout", ErrorKind::Timeout),
    ("OperationTimedOut", ErrorKind::Timeout),
    ("ServerBusy", ErrorKind::Timeout),
    ("ServiceUnavailable", ErrorKind::Timeout),
    ("BadDigest", ErrorKind::Damaged),
    ("XAmzContentSHA256Mismatch", ErrorKind::Damaged),
    ("IncompleteBody", ErrorKind::Unreachable),
    ("InternalError", ErrorKind::Unreachable),
];

/// Azure says `AuthorizationFailure` where its network rules let nobody in, Azurite where the key is wrong: the words tell.
const WRONG_KEY: &str = "failed to authenticate";

/// The meaning of an answer that is not good: of its code, where it has one, and of its status else.
pub(crate) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8], credentials: &Credentials) -> Failure {
    let text = String::from_utf8_lossy(body);
    // Azure says the code in a header too, which answers without a body have.
    let azure = headers.get("x-ms-error-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
    let code = element(&text, "Code").or(azure).unwrap_or_default();
    let detail = element(&text, "AuthenticationErrorDetail").unwrap_or_default();
    let words = element(&text, "Message").unwrap_or_default();
    let known = CODES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind);
    let mut kind = known.unwrap_or_else(|| match kind_of_status(status) {
        // Somebody else's page: an object would be said to be missing in words that are known.
        ErrorKind::NotFound if !body.is_empty() => ErrorKind::Other,
        kind => kind,
    });
    if code == "AuthorizationFailure" && words.contains(WRONG_KEY) {
        kind = ErrorKind::Credentials;
    }
    // Azure has no code of its own for it.
    if kind == ErrorKind::Credentials
        && (detail.contains("Request date header too old") || words.contains("date header too old"))
    {
        kind = ErrorKind::ClockSkew;
    }
    let number = status.as_u16();
    let said = credentials.redact(&words);
    let why = match (kind, code.as_str(), said.as_str()) {
        (ErrorKind::NoBucket, "NoSuchBucket", _) => "the bucket does not exist (NoSuchBucket)".to_owned(),
        (ErrorKind::NoBucket, "ContainerNotFound", _) => "the container does not exist (ContainerNotFound)".to_owned(),
        (ErrorKind::ClockSkew, code, _) => {
            format!("the server refuses requests from a clock that differs so much from its own ({code})")
        }
        (ErrorKind::Credentials, "InvalidAccessKeyId" | "XAdminUserNotFound", _) => {
            format!("the server does not know this access key ({code})")
        }
        (ErrorKind::Credentials, "SignatureDoesNotMatch", _) => {
            "the secret key does not belong to this access key (SignatureDoesNotMatch)".to_owned()
        }
        (ErrorKind::Denied, "", "") => format!("access is denied ({number})"),
        (ErrorKind::Denied, code, said) => format!("access is denied ({code}: {said})"),
        (_, "", _) => match status.canonical_reason() {
            Some(reason) => format!("the server, or a proxy before it, answers {number} {reason}"),
            None => format!("the server, or a proxy before it, answers {number}"),
        },
        (_, code, "") => format!("the server refuses it ({code})"),
        (_, code, said) => format!("the server refuses it ({code}: {said})"),
    };
    let passing = matches!(kind, ErrorKind::Timeout | ErrorKind::Unreachable) || (kind == ErrorKind::Damaged);
    Failure {
        kind,
        why,
        next_step: next_step(status, &code, &text, headers),
        passing,
        wordless: code.is_empty() && body.is_empty(),
    }
}

fn kind_of_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 => ErrorKind::Credentials,
        403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        407 => ErrorKind::Credentials,
        408 | 429 | 503 | 504 => ErrorKind::Timeout,
        507 => ErrorKind::NoSpace,
        500..=599 => ErrorKind::Unreachable,
        _ => ErrorKind::Other,
    }
}

const AZURE_KEYS: &str = "correct AZBLOB_ACCOUNT_NAME and AZBLOB_ACCOUNT_KEY in the target's credentials";

/// Where the next step is not that of the kind.
fn next_step(status: StatusCode, code: &str, text: &str, headers: &HeaderMap) -> Option<String> {
    let misplaced = matches!(code, "AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect")
        || code == "IllegalLocationConstraintException"
        || status.is_redirection();
    if misplaced {
        let region = headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok()).map(str::to_owned);
        let region = region.or_else(|| element(text, "Region")).unwrap_or_else(|| "<region>".to_owned());
        return Some(format!("write the bucket's region into the target's URL: s3://<bucket>@{region}/<path>"));
    }
    let step = match code {
        "InvalidAccessKeyId" | "XAdminUserNotFound" => "correct AWS_ACCESS_KEY_ID in the target's credentials",
        "SignatureDoesNotMatch" => "correct AWS_SECRET_ACCESS_KEY in the target's credentials",
        "AuthenticationFailed" => AZURE_KEYS,
        "AuthorizationFailure" if text.contains(WRONG_KEY) => AZURE_KEYS,
        _ if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "correct name and password in HTTP_PROXY or HTTPS_PROXY"
        }
        _ => return None,
    };
    // Azure's code for two things.
    (!text.contains("date header too old")).then(|| step.to_owned())
}

/// The text of the first `<name>` in an XML document, on one line and not too long.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&#34;", "\""),
        ("&amp;", "&"),
    ];
    let words = plain.iter().fold(inside.to_owned(), |words, (escaped, letter)| words.replace(escaped, letter));
    let words: String =
        words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(LONGEST_WORDS).collect();
    Some(words.trim().trim_end_matches('.').to_owned())
}

/// The meaning of a request that got no answer, or not all of it. Its URL is left out: it may be signed.
pub(crate) fn broken(error: &reqwest::Error, credentials: &Credentials) -> Failure {
    let mut reason = String::new();
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        if let Some(failure) = understood(cause) {
            return failure;
        }
        // The innermost words are the ones that say it.
        reason = cause.to_string();
        source = cause.source();
    }
    let reason = credentials.redact(reason.split(" (os error").next().unwrap_or_default());
    if reason.contains("failed to lookup address") {
        return Failure::passing(ErrorKind::Unreachable, "the name of the server is not known here".to_owned())
            .with_next_step(
                "correct the server's name in the target's URL or endpoint, or this machine's name servers",
            );
    }
    if error.is_timeout() {
        return Failure::passing(ErrorKind::Timeout, "no connection came about in time".to_owned());
    }
    if error.is_connect() {
        let why =
            if reason.is_empty() { "no connection came about".to_owned() } else { format!("no connection: {reason}") };
        return Failure::passing(ErrorKind::Unreachable, why);
    }
    Failure::passing(ErrorKind::Unreachable, format!("the connection broke: {reason}"))
}

fn understood(cause: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls(error));
    }
    let error = cause.downcast_ref::<io::Error>()?;
    // What an error of this type wraps is inside, where `source` does not lead: first of all errors of TLS.
    if let Some(failure) = error.get_ref().and_then(|inner| understood(inner)) {
        return Some(failure);
    }
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection is refused: nothing listens on that port",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no way to the server's address",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            "the connection was cut off"
        }
        io::ErrorKind::UnexpectedEof => "the connection was closed in the middle",
        io::ErrorKind::TimedOut => {
            return Some(Failure::passing(ErrorKind::Timeout, "no connection came about in time".to_owned()));
        }
        _ => return None,
    };
    Some(Failure::passing(ErrorKind::Unreachable, why.to_owned()))
}

fn tls(error: &rustls::Error) -> Failure {
    match error {
        rustls::Error::InvalidCertificate(reason) => {
            let failure = Failure::new(
                ErrorKind::Certificate,
                format!("the server's certificate is not trusted: {}", why_not(reason)),
            );
            match reason {
                rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. } => {
                    failure.with_next_step("renew the server's certificate, or set this machine's clock")
                }
                rustls::CertificateError::NotValidForName | rustls::CertificateError::NotValidForNameContext { .. } => {
                    failure.with_next_step("use a name that is in the certificate, or make one for this name")
                }
                _ => failure,
            }
        }
        rustls::Error::InvalidMessage(_) => {
            Failure::new(ErrorKind::Unreachable, "the server does not speak TLS on that port".to_owned())
                .with_next_step("use http:// in the endpoint, or the port that the server speaks TLS on")
        }
        other => Failure::passing(ErrorKind::Unreachable, format!("TLS failed: {other}")),
    }
}

fn why_not(reason: &rustls::CertificateError) -> String {
    match reason {
        rustls::CertificateError::UnknownIssuer => "nobody known here has signed it".to_owned(),
        rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        rustls::CertificateError::NotValidForName | rustls::CertificateError::NotValidForNameContext { .. } => {
            "it is for other names".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
