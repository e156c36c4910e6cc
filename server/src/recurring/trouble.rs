//! Why a volume's part of a run failed.

use crate::controllers;
use crate::instance::ClientError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Controller(#[from] controllers::Error),
    /// What is not as it should be, and how it can be.
    #[error("{0}")]
    Said(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Controller(error.into())
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Controller(error.into())
    }
}

impl Trouble {
    /// Whether trying again may help: nobody answered, or somebody else wrote meanwhile.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Controller(controllers::Error::Client(error)) => error.is_unreachable(),
            Self::Controller(controllers::Error::Store(error)) => !error.is_not_found(),
            Self::Controller(controllers::Error::Target(fault)) => fault.is_transient,
            Self::Controller(controllers::Error::Other(_)) | Self::Said(_) => false,
        }
    }
}
