//! Backups. Longhorn reads them by actions of their backup volume alone; the addresses that its links name are served too.

use aurochs_api::backup::Backup as BackupView;

use super::shown;
use crate::nouns::Noun;
use crate::resources::Backup;

/// Made by an action of their volume.
pub fn noun() -> Noun {
    Noun::of::<BackupView>().list(shown::list::<Backup>).streamed(&["backups"]).get(shown::get::<Backup>).done()
}
