//! `aurochs audit`: who changed what. For admins.

use aurochs_api::audit::Audit;
use aurochs_api::schema::Resource;
use clap::{Args, Subcommand};

use super::failure::Failure;
use super::http::query;
use super::list::{List, Listed, Show};
use super::table::{Cell, Column, Tone};
use super::{Client, Run, age};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List changes, the latest first
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show one change with what was sent
    #[command(after_help = "Example:\n  aurochs audit show 42")]
    Show(Show),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs audit ls --by vera --from 2026-11-01T00:00:00Z
  aurochs audit ls --object data --result refused")]
pub struct Ls {
    /// Only changes by this user
    #[arg(long = "by", value_name = "USER")]
    by: Option<String>,
    /// Only changes of the thing with this name
    #[arg(long, value_name = "NAME")]
    object: Option<String>,
    /// Only changes of things of this type, such as volume
    #[arg(long = "type", value_name = "TYPE")]
    object_type: Option<String>,
    /// Only this action, such as attach or login
    #[arg(long)]
    action: Option<String>,
    /// Only those that ended so
    #[arg(long, value_parser = ["done", "refused", "failed", "cutOff", "unknown"])]
    result: Option<String>,
    /// Only those asked for at this time or later, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only those asked for before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "NUMBER")]
    limit: u32,
    #[command(flatten)]
    list: List,
}

impl Listed for Audit {
    const COLUMNS: &'static [Column] = &[
        Column::number("NUMBER"),
        Column::number("AGE"),
        Column::text("USER"),
        Column::text("FROM").spare(),
        Column::text("ACTION"),
        Column::text("TYPE").spare(),
        Column::text("OBJECT"),
        Column::text("RESULT"),
        Column::text("MESSAGE"),
    ];
    const NONE: &'static str = "There are no such changes.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let entry = &thing.data;
        vec![
            thing.id.clone().into(),
            age::short(&entry.begun_at).into(),
            entry.user.clone().into(),
            entry.address.clone().into(),
            action(entry).into(),
            entry.object_type.clone().into(),
            entry.object.clone().into(),
            result(entry),
            entry.message.clone().into(),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let entry = &thing.data;
        vec![
            ("Number", thing.id.clone()),
            ("Asked for", age::long(&entry.begun_at)),
            ("Ended", age::long(&entry.ended_at)),
            ("User", format!("{} ({})", entry.user, entry.role)),
            ("From", entry.address.clone()),
            ("Request", format!("{} {}", entry.method, entry.path)),
            ("Action", action(entry)),
            ("Object", format!("{} {}", entry.object_type, entry.object)),
            ("Sent", entry.input.clone()),
            ("Result", format!("{} {}", entry.result, entry.status)),
            ("Message", entry.message.clone()),
            ("Request id", entry.request_id.clone()),
        ]
    }
}

/// What plain requests do has no word of its own in the log.
fn action(entry: &Audit) -> String {
    match (entry.action.as_str(), entry.method.as_str()) {
        ("", "POST") => "create".to_owned(),
        ("", "PUT") => "change".to_owned(),
        ("", method) => method.to_lowercase(),
        (action, _) => action.to_owned(),
    }
}

fn result(entry: &Audit) -> Cell {
    let tone = match entry.result.as_str() {
        "done" => Tone::Good,
        "refused" => Tone::Warning,
        "failed" | "cutOff" => Tone::Bad,
        _ => Tone::Dim,
    };
    Cell::new(entry.result.clone(), tone)
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(verb) => verb.run(client).await,
            Self::Show(show) => show.one::<Audit>(client).await,
        }
    }
}

impl Run for Ls {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let query = query([
            ("user", self.by),
            ("object", self.object),
            ("objectType", self.object_type),
            ("action", self.action),
            ("result", self.result),
            ("from", self.from),
            ("to", self.to),
            ("limit", Some(self.limit.to_string())),
        ]);
        self.list.of(client, async || client.api.list_where::<Audit>(&query).await).await
    }
}
