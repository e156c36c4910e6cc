//! The webhook's certificate: signed by itself, since nobody but API servers uses it, and these are given it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::{SECRET, SERVICE};

/// How long one is good.
const LASTS: Duration = Duration::days(3 * 365);
/// A new one is made when the old one has less left.
const RENEWED_BEFORE: Duration = Duration::days(365);
/// Clocks differ.
const BACKDATED: Duration = Duration::days(1);
/// When it ends: so that nobody has to take a certificate apart.
const NOT_AFTER: &str = "aurochs.io/not-after";
/// Keys of the Secret. The last one is what API servers are told to trust: this certificate and the one before.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const TRUSTED: &str = "ca.crt";

/// A certificate with what belongs to it, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) certificate: String,
    pub(super) key: String,
    /// What API servers are told to trust.
    pub(super) trusted: String,
    pub(super) not_after: OffsetDateTime,
}

/// The key is nobody's business.
impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Certificate {
    /// A new one for the Service in the namespace, which may be trusted beside the one before.
    pub(super) fn make(namespace: &str, before: Option<&Self>, now: OffsetDateTime) -> Result<Self, rcgen::Error> {
        let name = format!("{SERVICE}.{namespace}.svc");
        let mut parameters = CertificateParams::new(vec![name.clone()])?;
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Seconds are all that a certificate has.
        let not_after = (now + LASTS).replace_nanosecond(0).unwrap_or(now);
        (parameters.not_before, parameters.not_after) = (now - BACKDATED, not_after);
        let key = KeyPair::generate()?;
        let certificate = parameters.self_signed(&key)?.pem();
        let former = before.map(|before| before.certificate.as_str()).unwrap_or_default();
        Ok(Self { trusted: format!("{certificate}{former}"), certificate, key: key.serialize_pem(), not_after })
    }

    pub(super) fn is_soon_over(&self, now: OffsetDateTime) -> bool {
        self.not_after - now < RENEWED_BEFORE
    }

    /// None where the Secret is of no use.
    pub(super) fn read(secret: &Secret) -> Option<Self> {
        let text = |key: &str| String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok();
        let not_after = secret.metadata.annotations.as_ref()?.get(NOT_AFTER)?;
        Some(Self {
            certificate: text(CERTIFICATE)?,
            key: text(KEY)?,
            trusted: text(TRUSTED)?,
            not_after: OffsetDateTime::parse(not_after, &Rfc3339).ok()?,
        })
    }

    /// In the place of a Secret that was read, if there was one.
    pub(super) fn secret(&self, instead_of: Option<&Secret>) -> Secret {
        let texts = [(CERTIFICATE, &self.certificate), (KEY, &self.key), (TRUSTED, &self.trusted)];
        let data = texts.map(|(key, text)| (key.to_owned(), ByteString(text.clone().into_bytes())));
        let not_after = self.not_after.format(&Rfc3339).unwrap_or_default();
        Secret {
            metadata: ObjectMeta {
                name: Some(SECRET.to_owned()),
                annotations: Some(BTreeMap::from([(NOT_AFTER.to_owned(), not_after)])),
                resource_version: instead_of.and_then(|secret| secret.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            // A Secret's type can't be changed.
            type_: Some(
                instead_of.and_then(|secret| secret.type_.clone()).unwrap_or_else(|| "kubernetes.io/tls".to_owned()),
            ),
            data: Some(data.into()),
            ..Secret::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_holds_all_of_it() {
        let now = OffsetDateTime::now_utc();
        let first = Certificate::make("ns", None, now).unwrap();
        assert_eq!(Certificate::read(&first.secret(None)), Some(first.clone()));
        assert!(!first.is_soon_over(now) && first.is_soon_over(now + LASTS - RENEWED_BEFORE + Duration::DAY));
        assert_eq!(first.trusted, first.certificate);
        let second = Certificate::make("ns", Some(&first), now).unwrap();
        assert_eq!(second.trusted, format!("{}{}", second.certificate, first.certificate));
        // Not all before: it would grow for ever.
        let third = Certificate::make("ns", Some(&second), now).unwrap();
        assert_eq!(third.trusted.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(!format!("{third:?}").contains("PRIVATE"));
        assert_eq!(Certificate::read(&Secret::default()), None);
    }
}
