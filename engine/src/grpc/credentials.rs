//! Secrets on the wire have no way into a log: what derives `Debug` around them prints names alone.

use std::fmt;

use super::engine_v1::BackupCredentials;

impl fmt::Debug for BackupCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        names.sort_unstable();
        formatter.debug_struct("BackupCredentials").field("names", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine_v1::{BackupCreateRequest, BackupCredentials, BackupRestoreRequest};

    #[test]
    fn requests_print_no_secret() {
        let values = [("AWS_SECRET_ACCESS_KEY".to_owned(), "hush-hush".to_owned())].into();
        let credentials = Some(BackupCredentials { values });
        let create = BackupCreateRequest { credentials: credentials.clone(), ..BackupCreateRequest::default() };
        let restore = BackupRestoreRequest { credentials, ..BackupRestoreRequest::default() };
        for printed in [format!("{create:?}"), format!("{restore:#?}")] {
            assert!(printed.contains("AWS_SECRET_ACCESS_KEY") && !printed.contains("hush"), "{printed}");
        }
    }
}
