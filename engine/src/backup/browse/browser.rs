//! What people ask of an image: a list, a file.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::cache::{Cached, Cancel, ReadAt, Window};
use super::detect::{self, Content};
use super::entry::{Entry, Kind, Node};
use super::error::BrowseError;
use super::ext::Ext;
use super::fat::Fat;
use super::filesystem::FileSystem;
use super::partition::{self, Partition};
use super::path::{DEPTH_MAXIMUM, ImagePath};

/// As Linux.
const LINKS_MAXIMUM: usize = 40;

/// One file system of a disk, to be looked through. Everything in it may block; it stays on one thread.
pub struct Browser {
    filesystem: Box<dyn FileSystem>,
    cancel: Cancel,
    partition: Option<u32>,
}

/// A part of a directory, in the order of its names.
#[derive(Debug)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// There are names behind the last one.
    pub has_more: bool,
}

impl Browser {
    /// Opens the file system on the disk itself or in its only partition that has one; with a number, in that partition.
    ///
    /// # Errors
    /// There is none that can be read: encrypted, foreign, damaged, or one of several.
    pub fn open(source: Box<dyn ReadAt>, partition: Option<u32>, cancel: &Cancel) -> Result<Self, BrowseError> {
        let disk = Rc::new(Cached::new(source, cancel.clone()));
        let whole = Window::new(Rc::clone(&disk), 0, disk.size());
        let (window, content, number) = choose(&whole, partition, &disk)?;
        let filesystem: Box<dyn FileSystem> = match content {
            Content::Ext => Box::new(Ext::open(window)?),
            Content::Fat => Box::new(Fat::open(window)?),
            other => return Err(other.refusal()),
        };
        Ok(Self { filesystem, cancel: cancel.clone(), partition: number })
    }

    /// Its kind for people: `ext4`, `FAT32`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.filesystem.kind()
    }

    #[must_use]
    pub fn label(&self) -> String {
        self.filesystem.label()
    }

    /// Number of the partition that it lies in; none for the whole disk.
    #[must_use]
    pub const fn partition(&self) -> Option<u32> {
        self.partition
    }

    pub(super) fn filesystem(&self) -> &dyn FileSystem {
        &*self.filesystem
    }

    pub(super) const fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// What a path leads to, through symbolic links, which never lead out of the image.
    ///
    /// # Errors
    /// [`BrowseError::NotFound`], [`BrowseError::NotADirectory`], [`BrowseError::TooManyLinks`], or damage.
    pub fn find(&self, path: &ImagePath) -> Result<Node, BrowseError> {
        self.walk(path, true)
    }

    /// The same, but a symbolic link at the end is what is meant.
    ///
    /// # Errors
    /// As [`Browser::find`].
    pub fn find_itself(&self, path: &ImagePath) -> Result<Entry, BrowseError> {
        let node = self.walk(path, false)?;
        let target = self.target_of(&node);
        Ok(Entry { name: path.name().unwrap_or_default().to_vec(), node: Ok(node), target })
    }

    fn walk(&self, path: &ImagePath, follows_last: bool) -> Result<Node, BrowseError> {
        let root = self.filesystem.root()?;
        let mut left: VecDeque<Vec<u8>> = path.names().iter().cloned().collect();
        let (mut above, mut links) = (Vec::<Node>::new(), 0);
        while let Some(name) = left.pop_front() {
            if name == b".." {
                above.pop();
                continue;
            }
            let directory = above.last().unwrap_or(&root);
            if directory.kind != Kind::Directory {
                return Err(BrowseError::NotADirectory { path: path.to_string() });
            }
            let found = self.filesystem.find(directory, &name)?;
            let node = found.ok_or_else(|| BrowseError::NotFound { path: path.to_string() })?;
            if node.kind != Kind::Symlink || (left.is_empty() && !follows_last) {
                above.push(node);
                continue;
            }
            links += 1;
            let target = self.filesystem.target(&node)?;
            if target.starts_with(b"/") {
                above.clear();
            }
            let names = target.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".");
            for name in names.rev() {
                left.push_front(name.to_vec());
            }
            if links > LINKS_MAXIMUM || left.len() + above.len() > 2 * DEPTH_MAXIMUM {
                return Err(BrowseError::TooManyLinks { path: path.to_string() });
            }
        }
        Ok(above.pop().unwrap_or(root))
    }

    /// At most `limit` entries of a directory, in the order of their names, from behind the name `after` on.
    ///
    /// Memory follows the limit, not the directory.
    ///
    /// # Errors
    /// As [`Browser::find`]; the path leads to no directory.
    pub fn list(&self, path: &ImagePath, after: Option<&[u8]>, limit: usize) -> Result<Listing, BrowseError> {
        let directory = self.find(path)?;
        if directory.kind != Kind::Directory {
            return Err(BrowseError::NotADirectory { path: path.to_string() });
        }
        let mut first = BTreeMap::new();
        let mut has_more = false;
        self.filesystem.visit(&directory, &mut |name, key| {
            if after.is_none_or(|after| name > after) {
                first.insert(name.to_vec(), key);
            }
            if first.len() > limit {
                first.pop_last();
                has_more = true;
            }
            ControlFlow::Continue(())
        })?;
        let mut entries = Vec::new();
        for (name, key) in first {
            entries.push(self.entry(&directory, name, key)?);
        }
        Ok(Listing { entries, has_more })
    }

    fn entry(&self, directory: &Node, name: Vec<u8>, key: u64) -> Result<Entry, BrowseError> {
        let node = match self.filesystem.node(directory, key) {
            Ok(node) => Ok(node),
            Err(error) if error.is_local() => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        let target = node.as_ref().ok().and_then(|node| self.target_of(node));
        Ok(Entry { name, node, target })
    }

    fn target_of(&self, node: &Node) -> Option<Vec<u8>> {
        (node.kind == Kind::Symlink).then(|| self.filesystem.target(node).ok()).flatten()
    }

    /// The content of a file from byte `from` on, `length` bytes of it at most.
    ///
    /// # Errors
    /// As [`Browser::find`]; the path leads to no file.
    pub fn read(&self, path: &ImagePath, from: u64, length: u64) -> Result<FileReader<'_>, BrowseError> {
        let node = self.find(path)?;
        match node.kind {
            Kind::File => Ok(self.reader(node, from, length)),
            Kind::Directory => Err(BrowseError::IsADirectory { path: path.to_string() }),
            kind => Err(BrowseError::NotAFile { path: path.to_string(), kind: kind.word() }),
        }
    }

    pub(super) fn reader(&self, node: Node, from: u64, length: u64) -> FileReader<'_> {
        let end = from.saturating_add(length).min(node.size);
        FileReader { browser: self, node, at: from.min(end), end }
    }
}

/// The content of one file.
pub struct FileReader<'a> {
    browser: &'a Browser,
    node: Node,
    at: u64,
    end: u64,
}

impl FileReader<'_> {
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }
}

/// Errors are [`BrowseError`]s in an [`io::Error`]. Zero bytes mean the end, and that all bytes were given.
impl io::Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        self.browser.cancel.check()?;
        let read = self.browser.filesystem.read(&self.node, self.at, &mut buffer[..wanted])?;
        if read == 0 {
            return Err(BrowseError::damaged("a file ends before its size").into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

fn choose(
    whole: &Window,
    number: Option<u32>,
    disk: &Rc<Cached>,
) -> Result<(Window, Content, Option<u32>), BrowseError> {
    let content = detect::content(whole)?;
    if number.is_none() && matches!(content, Content::Ext | Content::Fat) {
        return Ok((whole.clone(), content, None));
    }
    let mut found = Vec::new();
    for partition in partition::partitions(whole)? {
        let window = Window::new(Rc::clone(disk), partition.start, partition.length);
        let content = detect::content(&window)?;
        found.push((partition, window, content));
    }
    let wanted = |(partition, _, content): &&(Partition, Window, Content)| match number {
        Some(number) => partition.number == number,
        None => matches!(content, Content::Ext | Content::Fat),
    };
    let known = || {
        let words = found.iter().map(|(one, window, content)| {
            format!("{} ({}, {})", one.number, content.words(), aurochs_api::size::ByteSize(window.size()))
        });
        words.collect::<Vec<_>>().join(", ")
    };
    let candidates: Vec<_> = found.iter().filter(wanted).collect();
    match (candidates.as_slice(), number) {
        ([(partition, window, content)], _) => Ok((window.clone(), *content, Some(partition.number))),
        (_, Some(number)) if found.is_empty() => {
            Err(BrowseError::NoPartition { number, known: "no partition table".to_owned() })
        }
        (_, Some(number)) => Err(BrowseError::NoPartition { number, known: known() }),
        ([], None) => match found.as_slice() {
            [] => Err(content.refusal()),
            [(_, _, content)] => Err(content.refusal()),
            _ => Err(BrowseError::NoFileSystem(format!("there are partitions {}", known()))),
        },
        _ => Err(BrowseError::ChoosePartition(known())),
    }
}
