//! What a file system has to be able to do.

use std::ops::ControlFlow;

use super::entry::Node;
use super::error::BrowseError;

/// What is told of each name in a directory: the name, and where its facts are.
pub type Visit<'a> = dyn FnMut(&[u8], u64) -> ControlFlow<()> + 'a;

/// A part of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Reads as zeros up to this byte.
    HoleUpTo(u64),
    /// Is somewhere on the disk, up to this byte.
    DataUpTo(u64),
}

/// A file system that can be read. Names never are empty, `.` or `..`, and have neither slash nor NUL.
pub trait FileSystem {
    /// Its kind for people: `ext4`, `FAT32`.
    fn kind(&self) -> &'static str;

    /// The name that it was given; empty for none.
    fn label(&self) -> String;

    fn root(&self) -> Result<Node, BrowseError>;

    /// Goes through the names of a directory, with a key for [`FileSystem::node`] each, until told to stop.
    fn visit(&self, directory: &Node, visit: &mut Visit<'_>) -> Result<(), BrowseError>;

    /// The facts behind a key that a visit of `directory` gave.
    fn node(&self, directory: &Node, key: u64) -> Result<Node, BrowseError>;

    /// The node of one name in a directory.
    fn find(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, BrowseError> {
        let mut found = None;
        self.visit(directory, &mut |other, key| {
            if self.is_same_name(other, name) {
                found = Some(key);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        found.map(|key| self.node(directory, key)).transpose()
    }

    /// Whether two names are one to the file system.
    fn is_same_name(&self, one: &[u8], other: &[u8]) -> bool {
        one == other
    }

    /// Where a symbolic link points to.
    fn target(&self, link: &Node) -> Result<Vec<u8>, BrowseError>;

    /// What lies at byte `from` of a file, which is before its end.
    fn extent(&self, file: &Node, from: u64) -> Result<Extent, BrowseError>;

    /// Fills a part of the buffer, at least one byte, with what the file has from `offset` on, which is before its end.
    fn read(&self, file: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, BrowseError>;
}
