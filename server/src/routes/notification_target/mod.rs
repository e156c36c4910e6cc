//! Where people are told of what happens.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod test;
pub mod update;

use aurochs_api::notification::{NotificationTarget, NotificationTargetInput, Test};

use crate::error::{ApiError, ErrorKind};
use crate::notifications::Error;
use crate::nouns::Noun;

/// Made, read, changed, tried and deleted by people.
pub fn noun() -> Noun {
    Noun::of::<NotificationTarget>()
        .list(list::handle)
        .create::<NotificationTargetInput, _>(create::handle)
        .get(get::handle)
        .put::<NotificationTargetInput, _>(update::handle)
        .delete(delete::handle)
        .act::<Test, _, _>(test::handle)
        .with::<NotificationTargetInput>()
        .done()
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let (kind, next_step) = match &error {
            Error::Target(_) => (ErrorKind::Invalid, "GET /v1/schemas/notificationTarget describes the fields."),
            Error::Nowhere => (ErrorKind::Conflict, "Ask another manager."),
            Error::Unknown(name) => return Self::not_found("notificationTarget", name),
            Error::Exists(_) => (ErrorKind::Conflict, "Choose another name, or change the one that there is."),
            Error::TooMany => (ErrorKind::Conflict, "Delete one that is not used any more."),
            Error::Secrets(_) | Error::Database(_) => {
                (ErrorKind::Unavailable, "Look at the disk that holds the manager's data, then try again.")
            }
            Error::Test(_) => {
                (ErrorKind::Invalid, "Look at the target's address, login and encryption, then try again.")
            }
        };
        Self::new(kind, error, next_step)
    }
}
