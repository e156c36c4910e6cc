//! `aurochs engine-image`

use aurochs_api::cause::Cause;
use aurochs_api::engine_image::{EngineImage, EngineImageCreateInput, EngineImageState};
use aurochs_api::schema::Resource;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::table::{Cell, Column, Tone};
use super::{Client, Run, age, causes, words};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List engine images
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs engine-image ls")]
    Ls(List),
    /// Show one engine image
    #[command(after_help = "Example:\n  aurochs engine-image show ei-0a1b2c3d")]
    Show(Show),
    /// Make another version of the engine known
    Create(Create),
    /// Forget an engine image that nothing runs
    #[command(visible_alias = "delete", after_help = "Example:\n  aurochs engine-image rm ei-0a1b2c3d")]
    Rm(Show),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs engine-image create aurochs-engine:0.2.0")]
pub struct Create {
    /// The image
    image: String,
}

impl Listed for EngineImage {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("STATE"),
        Column::text("IMAGE"),
        Column::text("DEFAULT"),
        Column::number("USED BY"),
        Column::text("VERSION"),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no engine images.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let image = &thing.data;
        vec![
            image.name.clone().into(),
            state(image),
            image.image.clone().into(),
            words::yes_or_no(image.default).into(),
            image.ref_count.to_string().into(),
            image.versions.version.clone().into(),
            causes::cell(&image.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let image = &thing.data;
        let nodes = image.node_deployment_map.iter().filter(|(_, runs)| **runs).map(|(node, _)| node.as_str());
        vec![
            ("Name", image.name.clone()),
            ("Image", image.image.clone()),
            ("Version", image.versions.version.clone()),
            ("Commit", image.versions.git_commit.clone()),
            ("Default", words::yes_or_no(image.default).to_owned()),
            ("Used by", format!("{} volumes, engines and replicas", image.ref_count)),
            ("Unused since", age::long(&image.no_ref_since)),
            ("Runs on", nodes.collect::<Vec<_>>().join(", ")),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

fn state(image: &EngineImage) -> Cell {
    match (image.incompatible, image.state) {
        (true, _) => Cell::new("incompatible", Tone::Bad),
        (false, EngineImageState::Deployed) => Cell::new("deployed", Tone::Good),
        (false, EngineImageState::Deploying) => Cell::new("deploying", Tone::Warning),
    }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<EngineImage>(client).await,
            Self::Show(show) => show.one::<EngineImage>(client).await,
            Self::Create(Create { image }) => {
                let seen = client.api.create::<EngineImage>(&EngineImageCreateInput { image }).await?;
                let name = &seen.thing.data.name;
                client.output.done(&seen.raw, name, &format!("Engine image {name} is known."))
            }
            Self::Rm(Show { name }) => {
                client.api.delete::<EngineImage>(&name).await?;
                client.output.done(&Value::Null, &name, &format!("Engine image {name} is forgotten."))
            }
        }
    }
}
