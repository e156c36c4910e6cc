//! `aurochs setting`

use aurochs_api::cause::Cause;
use aurochs_api::schema::Resource;
use aurochs_api::setting::{Setting, SettingUpdate};
use clap::{Args, Subcommand};

use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::output::Format;
use super::table::{Cell, Column, Tone};
use super::{Client, Run, causes};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List settings; a star marks those that differ from their default
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show one setting: what it does, its value, default and limits
    #[command(after_help = "Example:\n  aurochs setting show default-replica-count")]
    Show(Show),
    /// Print the value of a setting
    #[command(after_help = "Example:\n  aurochs setting get default-replica-count")]
    Get(Show),
    /// Give a setting a value
    Set(Set),
    /// Give a setting its default again
    #[command(after_help = "Example:\n  aurochs setting reset default-replica-count")]
    Reset(Show),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs setting ls --changed
  aurochs setting ls --category snapshot")]
pub struct Ls {
    /// Only those that differ from their default
    #[arg(long)]
    changed: bool,
    /// Only those of a category, such as snapshot or scheduling
    #[arg(long)]
    category: Option<String>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs setting set default-replica-count 2
  aurochs setting set taint-toleration ''")]
pub struct Set {
    /// Name of the setting
    name: String,
    /// The new value
    #[arg(allow_hyphen_values = true)]
    value: String,
}

impl Listed for Setting {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("VALUE"),
        Column::text(""),
        Column::text("DEFAULT").spare(),
        Column::text("CATEGORY").spare(),
        Column::text("APPLIED").wide(),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no such settings.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let setting = &thing.data;
        let (mark, tone) = if is_changed(setting) { ("*", Tone::Warning) } else { (" ", Tone::Plain) };
        vec![
            setting.name.clone().into(),
            Cell::new(setting.value.clone(), tone),
            Cell::new(mark, tone),
            setting.definition.default.clone().into(),
            setting.definition.category.clone().into(),
            super::words::yes_or_no(setting.applied).into(),
            causes::cell(&setting.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let (setting, definition) = (&thing.data, &thing.data.definition);
        let integers = definition.range.iter().map(|(end, number)| format!("{end} {number}"));
        let floats = definition.float_range.iter().map(|(end, number)| format!("{end} {number}"));
        let differs = if is_changed(setting) { " (differs from the default)" } else { "" };
        vec![
            ("Name", setting.name.clone()),
            ("Title", definition.display_name.clone()),
            ("Value", format!("{}{differs}", told(&setting.value))),
            ("Default", told(&definition.default).to_owned()),
            ("Type", definition.kind.clone()),
            ("Options", definition.options.join(", ")),
            ("Limits", integers.chain(floats).collect::<Vec<_>>().join(", ")),
            ("Category", definition.category.clone()),
            ("In force", if setting.applied { "yes".to_owned() } else { "not yet".to_owned() }),
            ("Read-only", if definition.read_only { "yes".to_owned() } else { String::new() }),
            ("What it does", definition.description.clone()),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

/// An empty value reads as one.
fn told(value: &str) -> &str {
    if value.is_empty() { "\"\"" } else { value }
}

fn is_changed(setting: &Setting) -> bool {
    // What the manager finds out by itself has no default to differ from.
    !setting.definition.read_only && setting.value != setting.definition.default
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(Ls { changed, category, list }) => {
                let category = category.map(|category| category.to_lowercase());
                let is_wanted = |setting: &Setting| {
                    let of = setting.definition.category.to_lowercase();
                    (!changed || is_changed(setting)) && category.as_ref().is_none_or(|category| *category == of)
                };
                let read = async || {
                    let all = client.api.list::<Setting>().await?;
                    Ok(all.into_iter().filter(|seen| is_wanted(&seen.thing.data)).collect())
                };
                list.of(client, read).await
            }
            Self::Show(show) => show.one::<Setting>(client).await,
            Self::Get(Show { name }) => {
                let seen = client.api.get::<Setting>(&name).await?;
                match client.output.format {
                    Format::Json => client.output.json(&seen.raw),
                    Format::Name => client.output.line(&name),
                    Format::Table => client.output.write(&format!("{}\n", seen.thing.data.value)),
                }
            }
            Self::Set(Set { name, value }) => set(client, &name, value).await,
            Self::Reset(Show { name }) => {
                let default = client.api.get::<Setting>(&name).await?.thing.data.definition.default;
                set(client, &name, default).await
            }
        }
    }
}

async fn set(client: &Client, name: &str, value: String) -> Result<(), Failure> {
    let seen = client.api.update::<Setting>(name, &SettingUpdate { value }).await?;
    let setting = &seen.thing.data;
    client.output.done(&seen.raw, name, &format!("{name} is {}.", told(&setting.value)))?;
    // Stored is not always in force.
    if client.output.format == Format::Table { client.output.causes(&setting.causes) } else { Ok(()) }
}
