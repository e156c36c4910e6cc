//! Failures that unit tests put into file operations: what a disk does once in years has to be tried all the same.
//!
//! A place that can be made to fail asks [`check`] right before its system call, with the words that its error message
//! has for what is tried. Outside of this crate's unit tests the answer is always yes, at no cost.

#[cfg(not(test))]
use std::io;
#[cfg(not(test))]
use std::path::Path;

#[cfg(test)]
pub(crate) use armed::{check, fail};

/// Goes ahead.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "tests have failures here")]
#[inline]
pub(crate) fn check(_: &'static str, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod armed {
    use std::cell::RefCell;
    use std::io;
    use std::path::Path;

    struct Fault {
        what: &'static str,
        /// How the path ends.
        file: String,
        errno: i32,
    }

    thread_local! {
        /// Of this thread alone: tests run side by side.
        static FAULTS: RefCell<Vec<Fault>> = const { RefCell::new(Vec::new()) };
    }

    /// The failures last as long as this value.
    #[must_use]
    pub(crate) struct Armed(());

    impl Drop for Armed {
        fn drop(&mut self) {
            FAULTS.with_borrow_mut(Vec::clear);
        }
    }

    /// Lets `what` fail in this thread on files whose path ends with `file`.
    pub(crate) fn fail(what: &'static str, file: &str, errno: i32) -> Armed {
        FAULTS.with_borrow_mut(|faults| faults.push(Fault { what, file: file.to_owned(), errno }));
        Armed(())
    }

    pub(crate) fn check(what: &'static str, path: &Path) -> io::Result<()> {
        let meant = |fault: &&Fault| fault.what == what && path.to_string_lossy().ends_with(&fault.file);
        FAULTS.with_borrow(|faults| match faults.iter().find(meant) {
            Some(fault) => Err(io::Error::from_raw_os_error(fault.errno)),
            None => Ok(()),
        })
    }
}
