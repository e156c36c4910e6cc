//! What a target asks for before it lets anybody in: keys, passwords, certificates, proxies.

use std::collections::BTreeMap;
use std::fmt;

/// The names that mean something, as Longhorn's Secrets have them. Others in a Secret are ignored.
pub const NAMES: [&str; 16] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINTS",
    "AWS_CERT",
    "AWS_IAM_ROLE_ARN",
    "AWS_SIGN_ACCEPT_ENCODING",
    "VIRTUAL_HOSTED_STYLE",
    "CIFS_USERNAME",
    "CIFS_PASSWORD",
    "AZBLOB_ACCOUNT_NAME",
    "AZBLOB_ACCOUNT_KEY",
    "AZBLOB_ENDPOINT",
    "AZBLOB_CERT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// The credentials of one target. `Debug` shows which there are, and never a value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<String, String>);

impl Credentials {
    /// The known names of `values`, without those that have no value.
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let known = |(name, value): &(String, String)| NAMES.contains(&name.as_str()) && !value.trim().is_empty();
        Self(values.into_iter().filter(known).collect())
    }

    /// Those of this process's environment: for the command line only. Servers take them from the target.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::new(NAMES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))))
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// For those who hand them on to the process that needs them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_shown() {
        let all = Credentials::new(NAMES.map(|name| (name.to_owned(), "s3cret".to_owned())));
        let shown = format!("{all:?} {all:#?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY"));
    }

    #[test]
    fn unknown_and_empty_ones_are_left_out() {
        let some = [("LD_PRELOAD", "x"), ("AWS_CERT", " \n"), ("CIFS_USERNAME", "u")];
        let some = Credentials::new(some.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(some.iter().collect::<Vec<_>>(), [("CIFS_USERNAME", "u")]);
    }
}
