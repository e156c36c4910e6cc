//! A question before something that can't be undone.

use std::io::{self, BufRead, Write};

use clap::Args;

use super::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct Confirmation {
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

impl Confirmation {
    /// Says what is about to be lost and goes on only with a y. The question goes to standard error, so that it is seen
    /// in a pipe, too.
    pub(super) fn ask(&self, loss: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        let mut said = String::new();
        let mut out = io::stderr().lock();
        write!(out, "{loss}\nGo on? [y/N] ")?;
        out.flush()?;
        drop(out);
        let read = io::stdin().lock().read_line(&mut said);
        match (read, said.trim()) {
            (Ok(1..), "y" | "Y" | "yes") => Ok(()),
            (Ok(1..), _) => Err(Failure::refused("nothing was changed: the answer was not y", "")),
            (Ok(0) | Err(_), _) => {
                let message = "nothing was changed: nobody answered the question";
                Err(Failure::usage(message, "In a script, give --yes."))
            }
        }
    }
}
