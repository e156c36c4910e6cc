//! The command line as a client: `aurochs volume ls` and the like, over the same API as everybody else.
//!
//! 1. [`Command`]: the nouns, one file each, with their verbs as clap's types.
//! 2. `connection` and `password`: where the server is, and who asks; `http` sends, `api` speaks of things of the `api` crate.
//! 3. A verb reads, asks, acts; what takes long is followed by `wait` with a `progress` bar, what can't be undone is confirmed
//!    by `confirm`.
//! 4. `output` shows what came back: a `table`, the API's own JSON, or names; `failure` says what went wrong, and has the
//!    exit codes.
//!
//! Nothing is decided here that the manager decides: what can be done, and why not, are its answers.

mod age;
mod api;
mod audit;
mod backing_image;
mod backup;
mod backup_target;
mod causes;
mod completion;
mod confirm;
mod connection;
mod disk;
mod duration;
mod engine_image;
mod event;
mod failure;
mod files;
mod http;
mod instance_manager;
mod job;
mod list;
mod node;
mod notification_target;
mod orphan;
mod output;
mod password;
mod progress;
mod raw;
mod recurring_job;
mod replica;
mod sample;
mod search;
mod setting;
mod snapshot;
mod support_bundle;
mod system_backup;
mod table;
mod upload;
mod volume;
mod wait;
mod whatif;
mod words;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::api::Api;
use self::connection::Connection;
use self::failure::Failure;
use self::output::{Output, OutputArguments};

/// What the client can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Volumes: list, create, attach, expand, remove, …
    #[command(visible_alias = "vol")]
    Volume(Noun<volume::Command>),
    /// Snapshots of a volume: list, take, revert to, remove, purge
    #[command(visible_alias = "snap")]
    Snapshot(Noun<snapshot::Command>),
    /// Replicas, the copies of a volume's data: list, give one up
    Replica(Noun<replica::Command>),
    /// Nodes: list, cordon, evict, remove
    Node(Noun<node::Command>),
    /// Disks of the nodes: list, add, change, evict, remove
    Disk(Noun<disk::Command>),
    /// Jobs, everything that takes long: list, follow, cancel
    Job(Noun<job::Command>),
    /// Settings: list, read, set, reset
    Setting(Noun<setting::Command>),
    /// Recurring jobs: list, create, change, assign to volumes
    RecurringJob(Noun<recurring_job::Command>),
    /// Events: what happened
    Event(Noun<event::Command>),
    /// Notification targets, where people are told of what happens: create, test, remove
    NotificationTarget(Noun<notification_target::Command>),
    /// The audit log: who changed what, from where, and how it ended
    Audit(Noun<audit::Command>),
    /// Orphans, data and processes that nothing belongs to: list, remove
    Orphan(Noun<orphan::Command>),
    /// Find volumes, nodes, snapshots, settings, … by words
    Search(Alone<search::Words>),
    /// What a change would do: drain a node, remove a disk, more replicas, …
    Whatif(Noun<whatif::Command>),
    /// What volumes did and what disks had, over time
    Sample(Noun<sample::Command>),
    /// Engine images, versions of the engine
    EngineImage(Noun<engine_image::Command>),
    /// Instance managers, one on each node
    InstanceManager(Noun<instance_manager::Command>),
    /// Support bundles: make, download, remove
    SupportBundle(Noun<support_bundle::Command>),
    /// Backups: list, make, delete, restore
    Backup(Noun<backup::Command>),
    /// Backup targets, where backups are kept: list, create, change, test, read again
    BackupTarget(Noun<backup_target::Command>),
    /// System backups, of everything but volumes' data: list, make, delete, restore
    SystemBackup(Noun<system_backup::Command>),
    /// Backing images, what volumes can stand on: list, create, upload, back up, remove
    BackingImage(Noun<backing_image::Command>),
    /// Ask any address of the API, for what has no command of its own
    Api(Alone<raw::Request>),
    /// Print the completion script of a shell
    Completion(completion::Completion),
}

/// A noun with its verbs, and what every one of them takes besides.
#[derive(Debug, Args)]
pub struct Noun<Verbs: Subcommand> {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verbs: Verbs,
}

/// A command that has a single meaning.
#[derive(Debug, Args)]
pub struct Alone<Arguments: Args> {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    arguments: Arguments,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArguments,
}

/// A verb with its arguments.
trait Run {
    async fn run(self, client: &Client) -> Result<(), Failure>;
}

/// What verbs work with.
struct Client {
    api: Api,
    output: Output,
}

impl Command {
    /// Does it, and says what went wrong. `program` is the whole of clap's commands, for the completion script.
    pub async fn run(self, program: clap::Command) -> ExitCode {
        let result = match self {
            Self::Volume(noun) => of_noun(noun).await,
            Self::Snapshot(noun) => of_noun(noun).await,
            Self::Replica(noun) => of_noun(noun).await,
            Self::Node(noun) => of_noun(noun).await,
            Self::Disk(noun) => of_noun(noun).await,
            Self::Job(noun) => of_noun(noun).await,
            Self::Setting(noun) => of_noun(noun).await,
            Self::RecurringJob(noun) => of_noun(noun).await,
            Self::Event(noun) => of_noun(noun).await,
            Self::NotificationTarget(noun) => of_noun(noun).await,
            Self::Audit(noun) => of_noun(noun).await,
            Self::Orphan(noun) => of_noun(noun).await,
            Self::Search(alone) => of_alone(alone).await,
            Self::Whatif(noun) => of_noun(noun).await,
            Self::Sample(noun) => of_noun(noun).await,
            Self::EngineImage(noun) => of_noun(noun).await,
            Self::InstanceManager(noun) => of_noun(noun).await,
            Self::SupportBundle(noun) => of_noun(noun).await,
            Self::Backup(noun) => of_noun(noun).await,
            Self::BackupTarget(noun) => of_noun(noun).await,
            Self::SystemBackup(noun) => of_noun(noun).await,
            Self::BackingImage(noun) => of_noun(noun).await,
            Self::Api(alone) => of_alone(alone).await,
            Self::Completion(shell) => shell.print(program),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.told(),
        }
    }
}

async fn of_noun<Verbs: Subcommand + Run>(noun: Noun<Verbs>) -> Result<(), Failure> {
    // On the heap: the futures of some verbs are large, and all of them would add up.
    Box::pin(noun.common.with(noun.verbs)).await
}

async fn of_alone<Arguments: Args + Run>(alone: Alone<Arguments>) -> Result<(), Failure> {
    Box::pin(alone.common.with(alone.arguments)).await
}

impl Common {
    async fn with(self, verb: impl Run) -> Result<(), Failure> {
        let client = Client { api: Api::new(self.connection.open().await?), output: self.output.open() };
        verb.run(&client).await
    }
}
