//! Secrets on the wire have no way into a log: what derives `Debug` around them prints names alone.

use std::fmt;

use super::engine_v1::BackupCredentials;
use super::instance_v1::ImageTarget;

impl fmt::Debug for BackupCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        names.sort_unstable();
        formatter.debug_struct("BackupCredentials").field("names", &names).finish_non_exhaustive()
    }
}

impl fmt::Debug for ImageTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = self.credentials.keys().map(String::as_str).collect();
        names.sort_unstable();
        formatter.debug_struct("ImageTarget").field("names", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine_v1::{BackupCreateRequest, BackupCredentials, BackupRestoreRequest};
    use super::super::instance_v1::{ImageBackupRequest, ImageRestore, ImageTarget};

    #[test]
    fn requests_print_no_secret() {
        let values = [("AWS_SECRET_ACCESS_KEY".to_owned(), "hush-hush".to_owned())].into();
        let credentials = Some(BackupCredentials { values });
        let create = BackupCreateRequest { credentials: credentials.clone(), ..BackupCreateRequest::default() };
        let restore = BackupRestoreRequest { credentials, ..BackupRestoreRequest::default() };
        let credentials = [("AWS_SECRET_ACCESS_KEY".to_owned(), "hush-hush".to_owned())].into();
        let target = Some(ImageTarget { url: "s3://b@r/".to_owned(), credentials });
        let image = ImageBackupRequest { target: target.clone(), ..ImageBackupRequest::default() };
        let back = ImageRestore { target, ..ImageRestore::default() };
        for printed in [format!("{create:?}"), format!("{restore:#?}"), format!("{image:?}"), format!("{back:#?}")] {
            assert!(printed.contains("AWS_SECRET_ACCESS_KEY") && !printed.contains("hush"), "{printed}");
        }
    }
}
