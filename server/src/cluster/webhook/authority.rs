//! Who vouches for the webhook: an authority of its own, in a secret of the namespace that all managers share. The API server
//! is given its certificate and believes nobody else there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use super::super::dynamic::asked;
use super::{SERVICE, WebhookError};

/// As Longhorn's.
const SECRET: &str = "longhorn-webhook-ca";
const NAME: &str = "Aurochs admission webhook";
/// Longer than an installation lives. When the secret is deleted, a new one is made within minutes.
const AUTHORITY_DAYS: i64 = 3650;
const CERTIFICATE_DAYS: i64 = 365;
/// Clocks of the managers and of the API server differ a little.
const CLOCK_TOLERANCE: Duration = Duration::hours(1);

/// Where the namespace's authority is kept; cheap to clone.
#[derive(Clone)]
pub(super) struct Safe {
    secrets: Api<Secret>,
}

/// See the module. Its key is in no log and in no error.
#[derive(PartialEq, Eq)]
pub(super) struct Authority {
    certificate: String,
    key: String,
}

impl Safe {
    pub(super) fn of(client: &Client, namespace: &str) -> Self {
        Self { secrets: Api::namespaced(client.clone(), namespace) }
    }

    /// The authority as it is now; who finds none makes it.
    pub(super) async fn open(&self) -> Result<Authority, WebhookError> {
        if let Some(found) = self.find().await? {
            return Ok(found);
        }
        let made = Authority::make()?;
        let (parameters, secret) = (PostParams::default(), made.secret());
        match asked(format!("making the Secret {SECRET}"), self.secrets.create(&parameters, &secret)).await {
            Ok(_) => Ok(made),
            // Another manager may have been quicker.
            Err(error) => self.find().await?.ok_or(error.into()),
        }
    }

    async fn find(&self) -> Result<Option<Authority>, WebhookError> {
        let secret = asked(format!("reading the Secret {SECRET}"), self.secrets.get_opt(SECRET)).await?;
        secret.map(|secret| Authority::read(&secret).ok_or(WebhookError::Authority(SECRET))).transpose()
    }
}

impl Authority {
    fn read(secret: &Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let text = |name: &str| data.get(name).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
        let found = Self { certificate: text("tls.crt")?, key: text("tls.key")? };
        KeyPair::from_pem(&found.key).ok().map(|_| found)
    }

    fn secret(&self) -> Secret {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        Secret {
            metadata: ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(
                [("tls.crt".to_owned(), bytes(&self.certificate)), ("tls.key".to_owned(), bytes(&self.key))].into(),
            ),
            ..Secret::default()
        }
    }

    fn make() -> Result<Self, WebhookError> {
        let key = KeyPair::generate().map_err(unmade)?;
        let certificate = own_parameters().self_signed(&key).map_err(unmade)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// A certificate for these names, and its key, in PEM.
    pub(super) fn certificate(&self, names: &[String]) -> Result<(String, String), WebhookError> {
        let own_key = KeyPair::from_pem(&self.key).map_err(unmade)?;
        let issuer = Issuer::new(own_parameters(), own_key);
        let mut parameters = CertificateParams::new(names.to_vec()).map_err(unmade)?;
        parameters.distinguished_name = name(SERVICE);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let now = OffsetDateTime::now_utc();
        (parameters.not_before, parameters.not_after) = (now - CLOCK_TOLERANCE, now + Duration::days(CERTIFICATE_DAYS));
        let key = KeyPair::generate().map_err(unmade)?;
        let certificate = parameters.signed_by(&key, &issuer).map_err(unmade)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// As an API server is told whom to believe.
    pub(super) fn bundle(&self) -> String {
        STANDARD.encode(&self.certificate)
    }
}

fn own_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name(NAME);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let now = OffsetDateTime::now_utc();
    (parameters.not_before, parameters.not_after) = (now - CLOCK_TOLERANCE, now + Duration::days(AUTHORITY_DAYS));
    parameters
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn unmade(error: rcgen::Error) -> WebhookError {
    WebhookError::Certificate(error.to_string())
}

/// What the API server calls the webhook: the service, or the host of an address that it was told.
pub(super) fn names(namespace: &str, url: Option<&str>) -> Vec<String> {
    let host = url.and_then(|url| url.parse::<http::Uri>().ok()).and_then(|url| url.host().map(str::to_owned));
    let own = [
        SERVICE.to_owned(),
        format!("{SERVICE}.{namespace}"),
        format!("{SERVICE}.{namespace}.svc"),
        format!("{SERVICE}.{namespace}.svc.cluster.local"),
    ];
    own.into_iter().chain(host.map(|host| host.trim_matches(['[', ']']).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_rustls::rustls::client::WebPkiServerVerifier;
    use tokio_rustls::rustls::client::danger::ServerCertVerifier;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use tokio_rustls::rustls::{Error, RootCertStore};

    use super::*;

    fn judged(authority: &Authority, certificate: &str, name: &str) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).map(drop)
    }

    #[test]
    fn certificates_are_believed_by_who_knows_the_authority() {
        let made = Authority::make().unwrap();
        // As another manager reads it.
        let read = Authority::read(&made.secret()).unwrap();
        let names = names("longhorn-system", Some("https://127.0.0.1:9502"));
        let (certificate, key) = read.certificate(&names).unwrap();
        assert!(key.contains("PRIVATE KEY") && !certificate.contains("PRIVATE"));
        judged(&made, &certificate, "longhorn-admission-webhook.longhorn-system.svc").unwrap();
        judged(&made, &certificate, "127.0.0.1").unwrap();
        judged(&made, &certificate, "elsewhere.svc").unwrap_err();
        judged(&Authority::make().unwrap(), &certificate, "127.0.0.1").unwrap_err();
    }

    #[test]
    fn what_is_no_authority_is_not_used() {
        let mut secret = Authority::make().unwrap().secret();
        secret.data.as_mut().unwrap().insert("tls.key".to_owned(), ByteString(b"nonsense".to_vec()));
        assert!(Authority::read(&secret).is_none());
        assert!(Authority::read(&Secret::default()).is_none());
    }
}
