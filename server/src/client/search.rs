//! `aurochs search`: one question over everything that has a name.

use aurochs_api::search::{Found, FoundKind, Search};
use clap::Args;
use reqwest::Method;

use super::api::{Seen, seen};
use super::failure::Failure;
use super::http::query;
use super::output::Format;
use super::table::{Cell, Column};
use super::{Client, Run, words};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs search shop
  aurochs search data nightly --kind volume,snapshot")]
pub struct Words {
    /// Words, each of which has to be in a name, a label or another text of what is found
    #[arg(required = true)]
    words: Vec<String>,
    /// Only these types
    #[arg(long, value_delimiter = ',', value_parser = words::of::<FoundKind>(), value_name = "TYPE")]
    kind: Vec<String>,
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200), value_name = "NUMBER")]
    limit: u32,
}

const COLUMNS: &[Column] = &[
    Column::text("TYPE"),
    Column::text("NAME"),
    Column::text("OF"),
    Column::text("HOW IT IS"),
    Column::text("MATCHED"),
];

impl Run for Words {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let kind = Some(self.kind.join(",")).filter(|kind| !kind.is_empty());
        let words = self.words.join(" ");
        let query = query([("q", Some(words.clone())), ("kind", kind), ("limit", Some(self.limit.to_string()))]);
        let found: Seen<Search> = seen(client.api.raw(Method::GET, &format!("/v1/search{query}"), None).await?)?;
        let answer = &found.thing.data;
        match client.output.format {
            Format::Json => client.output.json(&found.raw),
            Format::Name => answer.results.iter().try_for_each(|found| client.output.line(&found.name)),
            Format::Table if answer.results.is_empty() => client.output.line(&format!("Nothing has {words} in it.")),
            Format::Table => {
                client.output.table(COLUMNS, answer.results.iter().map(row).collect())?;
                let listed = u64::try_from(answer.results.len()).unwrap_or(u64::MAX);
                if answer.total > listed {
                    client
                        .output
                        .aside(&format!("{} more; give more words, or a higher --limit.", answer.total - listed));
                }
                Ok(())
            }
        }
    }
}

fn row(found: &Found) -> Vec<Cell> {
    vec![
        found.kind.word().into(),
        found.name.clone().into(),
        found.owner.clone().into(),
        found.context.clone().into(),
        found.matched.clone().into(),
    ]
}
