//! `ls` and `show`, which every noun has: a type says its columns and facts, the rest is the same for all.

use std::time::Duration;

use aurochs_api::cause::Cause;
use aurochs_api::describe::Shaped;
use aurochs_api::schema::Resource;
use clap::Args;
use serde::de::DeserializeOwned;

use super::Client;
use super::api::Seen;
use super::failure::{Failure, Kind};
use super::output::Format;
use super::table::{Cell, Column};

/// Between two looks at a list that is watched.
const WATCH_PERIOD: Duration = Duration::from_secs(1);
/// Clears a terminal, and goes to its upper left corner.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J\u{1b}[3J";

/// What can be listed and shown.
pub(super) trait Listed: Shaped + DeserializeOwned {
    const COLUMNS: &'static [Column];
    /// What is said where there is none.
    const NONE: &'static str;

    /// As it is named in commands.
    fn name(thing: &Resource<Self>) -> String {
        thing.id.clone()
    }

    fn row(thing: &Resource<Self>) -> Vec<Cell>;

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)>;

    /// Why it is not as wished.
    fn causes(_: &Resource<Self>) -> &[Cause] {
        &[]
    }
}

/// Arguments of every `ls`.
#[derive(Debug, Args)]
pub struct List {
    /// All columns, and nothing cut
    #[arg(short, long)]
    wide: bool,
    /// Show it again whenever it changes, until Ctrl-C
    #[arg(short = 'W', long)]
    watch: bool,
}

impl List {
    /// Lists all things of a type.
    pub(super) async fn all<T: Listed>(self, client: &Client) -> Result<(), Failure> {
        self.of(client, async || client.api.list::<T>().await).await
    }

    /// Lists what `read` finds.
    pub(super) async fn of<T: Listed>(
        self,
        client: &Client,
        mut read: impl AsyncFnMut() -> Result<Vec<Seen<T>>, Failure>,
    ) -> Result<(), Failure> {
        if !self.watch {
            return client.output.list(&read().await?, self.wide);
        }
        let mut last = None;
        loop {
            match read().await {
                Ok(all) => self.show_changed(client, &all, &mut last)?,
                // A manager that is started again is worth waiting for, once it was there.
                Err(failure) if failure.kind == Kind::Unreachable && last.is_some() => {}
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(WATCH_PERIOD).await;
        }
    }

    fn show_changed<T: Listed>(
        &self,
        client: &Client,
        all: &[Seen<T>],
        last: &mut Option<String>,
    ) -> Result<(), Failure> {
        let text = client.output.list_text(all, self.wide)?;
        if last.as_ref() == Some(&text) {
            return Ok(());
        }
        match client.output.format {
            Format::Table if client.output.is_terminal => client.output.write(&format!("{CLEAR}{text}"))?,
            // Pieces of a pipe are told apart by an empty line.
            Format::Table | Format::Name if last.is_some() => client.output.write(&format!("\n{text}"))?,
            Format::Table | Format::Name | Format::Json => client.output.write(&text)?,
        }
        *last = Some(text);
        Ok(())
    }
}

/// Arguments of every `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Its name
    pub(super) name: String,
}

impl Show {
    pub(super) async fn one<T: Listed>(self, client: &Client) -> Result<(), Failure> {
        client.output.one(&client.api.get::<T>(&self.name).await?)
    }
}
