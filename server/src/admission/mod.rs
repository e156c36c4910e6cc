//! Admission: what people write with kubectl is completed and judged before an API server takes it.
//!
//! 1. [`review`] — the question that the API server asks, and the answer, as `AdmissionReview` has them;
//! 2. this file — which kind it is about; [`asked`] — the object, typed, and what was changed of it;
//! 3. [`volume`], [`volume_attachment`], [`snapshot`], [`backup_target`], [`recurring_job`], [`setting`], [`node`] — a kind's
//!    defaults and rules. They are those of the API ([`crate::routes`]), so that a manifest is told the same as a request.
//!
//! Invariants: a judgement writes nothing, since the API server may ask about what never happens (`--dry-run`). What a manager
//! writes itself is not asked about: it was judged before, and no manager may depend on another one's being there. Of the
//! kinds that have no file here the API server's own rules are all that is checked; they get their finalizer.

mod asked;
mod backup_target;
mod node;
mod recurring_job;
pub mod review;
mod setting;
mod snapshot;
#[cfg(test)]
mod tests;
mod volume;
mod volume_attachment;

use serde_json::{Value, json};

use crate::app::App;
use crate::backups::Backups;
use crate::environment::premises::Premises;
use crate::error::ApiError;
use crate::resources::definition::{self, Definition};
use crate::resources::{BackupTarget, GROUP, Kind, Node, RecurringJob, Setting, Snapshot, Volume, VolumeAttachment};
use crate::settings::Settings;
use crate::store::Store;
use asked::Asked;
use review::{Operation, Question};

/// Operations of a JSON Patch (RFC 6902).
pub type Patch = Vec<Value>;

/// Who judges; cheap to clone.
#[derive(Clone)]
pub struct Judge {
    pub store: Store,
    pub settings: Settings,
    /// The way to the backups that new volumes are made of.
    pub backups: Backups,
    pub premises: Premises,
}

impl From<&App> for Judge {
    fn from(app: &App) -> Self {
        let (store, settings) = (app.store.clone(), app.settings.clone());
        Self { store, settings, backups: app.backups.clone(), premises: app.premises.clone() }
    }
}

impl Judge {
    /// What has to be changed of an object so that it is whole.
    pub async fn complete(&self, question: &Question) -> Result<Patch, ApiError> {
        let plural = question.resource.resource.as_str();
        let is_written = matches!(question.operation, Operation::Create | Operation::Update);
        let Some(definition) = definition::of(plural).filter(|_| is_written) else { return Ok(Patch::new()) };
        let mut patch = match plural {
            Volume::PLURAL => {
                let mut asked = Asked::read(definition, question)?;
                volume::complete(self, &mut asked).await?;
                asked.patch()?
            }
            Setting::PLURAL => {
                let mut asked = Asked::read(definition, question)?;
                setting::complete(&mut asked)?;
                asked.patch()?
            }
            RecurringJob::PLURAL => {
                let mut asked = Asked::read(definition, question)?;
                recurring_job::complete(self, &mut asked)?;
                asked.patch()?
            }
            BackupTarget::PLURAL => {
                let mut asked = Asked::read(definition, question)?;
                backup_target::complete(&mut asked)?;
                asked.patch()?
            }
            Snapshot::PLURAL => {
                let mut asked = Asked::read(definition, question)?;
                snapshot::complete(self, &mut asked).await?;
                asked.patch()?
            }
            VolumeAttachment::PLURAL => {
                let mut asked = Asked::read(definition, question)?;
                volume_attachment::complete(self, &mut asked).await?;
                asked.patch()?
            }
            _ => Patch::new(),
        };
        patch.extend(finalizer(definition, question));
        Ok(patch)
    }

    /// Whether it may be done.
    pub async fn check(&self, question: &Question) -> Result<(), ApiError> {
        let plural = question.resource.resource.as_str();
        let Some(definition) = definition::of(plural) else { return Ok(()) };
        match plural {
            Volume::PLURAL => volume::check(self, &Asked::read(definition, question)?),
            Setting::PLURAL => setting::check(self, &Asked::read(definition, question)?).await,
            RecurringJob::PLURAL => recurring_job::check(self, &Asked::read(definition, question)?),
            BackupTarget::PLURAL => backup_target::check(self, &Asked::read(definition, question)?).await,
            Snapshot::PLURAL => snapshot::check(&Asked::read(definition, question)?),
            VolumeAttachment::PLURAL => volume_attachment::check(&Asked::read(definition, question)?),
            Node::PLURAL => node::check(self, &Asked::read(definition, question)?).await,
            _ => Ok(()),
        }
    }
}

/// New objects wait for us when they are deleted.
fn finalizer(definition: &Definition, question: &Question) -> Patch {
    let sent = &question.object["metadata"]["finalizers"];
    let known = sent.as_array().cloned().unwrap_or_default();
    if question.operation != Operation::Create || !definition.finalized || known.contains(&json!(GROUP)) {
        return Patch::new();
    }
    let all: Vec<Value> = known.into_iter().chain([json!(GROUP)]).collect();
    vec![json!({"op": "add", "path": "/metadata/finalizers", "value": all})]
}
