//! Freeing the name of a new layer.
//!
//! A file may be there already that is no layer of the replica: a person's copy, or an image that lost its metadata. It
//! was left alone so far ("data nobody gave up on purpose is never deleted"), and a new layer of that name is no reason to
//! destroy it. It is moved aside instead of the operation being refused: a member that refuses what the others do would
//! have to be rebuilt. A layer of the replica never is in the way: whoever makes a layer has looked that none has
//! its name.

use super::directory::{Directory, FileIdentity};
use super::error::ReplicaError;
use super::leftovers::holds_nothing_wanted;
use super::names;

impl Directory {
    /// Frees the names of the layer `image`, which is none of the replica's. `head` is the replica's head: a further
    /// name of it holds nothing of its own. The change is durable after [`Directory::sync`].
    pub(super) fn make_way(&self, image: &str, head: &str) -> Result<(), ReplicaError> {
        if let Some(identity) = self.identity(image)?
            && !self.is_worthless(image, head, &identity)?
        {
            self.move_aside(image)?;
        }
        // Metadata and checksum of an image that is not there are nothing.
        self.remove_layer(image)
    }

    fn is_worthless(&self, image: &str, head: &str, identity: &FileIdentity) -> Result<bool, ReplicaError> {
        let is_head = self.identity(head)?.is_some_and(|head| head.same_file(identity));
        Ok(is_head || holds_nothing_wanted(self, image, identity)?)
    }

    fn move_aside(&self, image: &str) -> Result<(), ReplicaError> {
        for aside in names::aside(image) {
            if self.identity(&aside)?.is_none() {
                tracing::warn!(image, moved_to = aside, directory = %self.path().display(),
                    "a file with the name of a new layer is no layer of this replica; it was moved aside, remove it if it is not wanted");
                return Ok(self.rename(image, &aside)?);
            }
        }
        Err(ReplicaError::InTheWay { path: self.file(image) })
    }
}
