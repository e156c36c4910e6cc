//! Authorities of our own, each in a secret of the namespace that all managers share: who finds none makes it. One vouches for the
//! webhook ([`super::webhook`]), another one for the members that speak with each other ([`super::identity`]).

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

use super::dynamic::{Failed, asked};

/// Longer than an installation lives. When the secret is deleted, a new one is made within minutes.
const AUTHORITY_DAYS: i64 = 3650;
const CERTIFICATE_DAYS: i64 = 365;
/// Clocks of the managers and of the API server differ a little.
const CLOCK_TOLERANCE: Duration = Duration::hours(1);

/// Why an authority, or a certificate of it, can't be had.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error(transparent)]
    Server(#[from] Failed),
    #[error("the secret {0} can't be used; delete it, and it is made anew")]
    Unusable(&'static str),
    #[error("no certificate can be made: {0}")]
    Certificate(String),
}

/// An authority that a namespace has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Office {
    /// The secret that it is kept in.
    pub(super) secret: &'static str,
    /// For people who look at its certificate.
    pub(super) name: &'static str,
}

/// Where a namespace's authority is kept; cheap to clone.
#[derive(Clone)]
pub(super) struct Safe {
    secrets: Api<Secret>,
    office: Office,
}

/// See the module. Its key is in no log and in no error.
#[derive(PartialEq, Eq)]
pub(super) struct Authority {
    office: &'static str,
    certificate: String,
    key: String,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Server,
    /// Speaks and is spoken to.
    Member,
}

impl Safe {
    pub(super) fn of(client: &Client, namespace: &str, office: Office) -> Self {
        Self { secrets: Api::namespaced(client.clone(), namespace), office }
    }

    /// The authority as it is now; who finds none makes it.
    pub(super) async fn open(&self) -> Result<Authority, AuthorityError> {
        let secret_name = self.office.secret;
        if let Some(found) = self.find().await? {
            return Ok(found);
        }
        let made = Authority::make(self.office.name)?;
        let (parameters, secret) = (PostParams::default(), made.secret(secret_name));
        match asked(format!("making the Secret {secret_name}"), self.secrets.create(&parameters, &secret)).await {
            Ok(_) => Ok(made),
            // Another manager may have been quicker.
            Err(error) => self.find().await?.ok_or(error.into()),
        }
    }

    async fn find(&self) -> Result<Option<Authority>, AuthorityError> {
        let Office { secret: secret_name, name } = self.office;
        let secret = asked(format!("reading the Secret {secret_name}"), self.secrets.get_opt(secret_name)).await?;
        secret.map(|secret| Authority::read(name, &secret).ok_or(AuthorityError::Unusable(secret_name))).transpose()
    }
}

impl Authority {
    fn read(office: &'static str, secret: &Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let text = |name: &str| data.get(name).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
        let found = Self { office, certificate: text("tls.crt")?, key: text("tls.key")? };
        KeyPair::from_pem(&found.key).ok().map(|_| found)
    }

    fn secret(&self, name: &str) -> Secret {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        Secret {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(
                [("tls.crt".to_owned(), bytes(&self.certificate)), ("tls.key".to_owned(), bytes(&self.key))].into(),
            ),
            ..Secret::default()
        }
    }

    pub(super) fn make(office: &'static str) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(unmade)?;
        let certificate = own_parameters(office).self_signed(&key).map_err(unmade)?;
        Ok(Self { office, certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Its own certificate, PEM.
    pub(super) fn own_certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for these names, the first of which people see, and its key, in PEM.
    pub(super) fn certificate(&self, names: &[String], purpose: Use) -> Result<(String, String), AuthorityError> {
        let own_key = KeyPair::from_pem(&self.key).map_err(unmade)?;
        let issuer = Issuer::new(own_parameters(self.office), own_key);
        let mut parameters = CertificateParams::new(names.to_vec()).map_err(unmade)?;
        parameters.distinguished_name = name(names.first().map_or(self.office, String::as_str));
        parameters.extended_key_usages = match purpose {
            Use::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Use::Member => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        };
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

fn own_parameters(office: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name(office);
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

fn unmade(error: rcgen::Error) -> AuthorityError {
    AuthorityError::Certificate(error.to_string())
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
        let made = Authority::make("office").unwrap();
        // As another manager reads it.
        let read = Authority::read("office", &made.secret("s")).unwrap();
        let names = ["a.svc".to_owned(), "127.0.0.1".to_owned()];
        let (certificate, key) = read.certificate(&names, Use::Server).unwrap();
        assert!(key.contains("PRIVATE KEY") && !certificate.contains("PRIVATE"));
        judged(&made, &certificate, "a.svc").unwrap();
        judged(&made, &certificate, "127.0.0.1").unwrap();
        judged(&made, &certificate, "elsewhere.svc").unwrap_err();
        judged(&Authority::make("office").unwrap(), &certificate, "127.0.0.1").unwrap_err();
    }

    #[test]
    fn what_is_no_authority_is_not_used() {
        let mut secret = Authority::make("office").unwrap().secret("s");
        secret.data.as_mut().unwrap().insert("tls.key".to_owned(), ByteString(b"nonsense".to_vec()));
        assert!(Authority::read("office", &secret).is_none());
        assert!(Authority::read("office", &Secret::default()).is_none());
    }
}
