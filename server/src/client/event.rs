//! `aurochs event`

use aurochs_api::event::Event;
use aurochs_api::schema::Resource;
use clap::{Args, Subcommand, ValueEnum};

use super::failure::Failure;
use super::list::{List, Listed};
use super::table::{Cell, Column, Tone};
use super::{Client, Run, age};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List events, the latest first
    #[command(visible_alias = "list")]
    Ls(Ls),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs event ls --type warning
  aurochs event ls --object data --watch")]
pub struct Ls {
    /// Only those about an object of this name
    #[arg(long, value_name = "NAME")]
    object: Option<String>,
    /// Only of this type
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Type>,
    /// How many at most
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: usize,
    #[command(flatten)]
    list: List,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Type {
    Normal,
    Warning,
}

impl Type {
    const fn word(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

impl Listed for Event {
    const COLUMNS: &'static [Column] = &[
        Column::number("AGE"),
        Column::number("TIMES").spare(),
        Column::text("TYPE"),
        Column::text("REASON"),
        Column::text("KIND").spare(),
        Column::text("OBJECT"),
        Column::text("MESSAGE"),
    ];
    const NONE: &'static str = "There are no such events.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let event = &thing.data.event;
        let tone = if event.kind == Type::Warning.word() { Tone::Warning } else { Tone::Plain };
        vec![
            age::short(&event.last_timestamp).into(),
            event.count.to_string().into(),
            Cell::new(event.kind.clone(), tone),
            event.reason.clone().into(),
            event.involved_object.kind.clone().into(),
            event.involved_object.name.clone().into(),
            event.message.clone().into(),
        ]
    }

    fn facts(_: &Resource<Self>) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self::Ls(Ls { object, kind, limit, list }) = self;
        let is_wanted = |event: &Event| {
            let is_of = object.as_ref().is_none_or(|object| *object == event.event.involved_object.name);
            is_of && kind.is_none_or(|kind| kind.word() == event.event.kind)
        };
        let read = async || {
            let all = client.api.list::<Event>().await?;
            Ok(all.into_iter().filter(|seen| is_wanted(&seen.thing.data)).take(limit).collect())
        };
        list.of(client, read).await
    }
}
