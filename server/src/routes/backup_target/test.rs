//! `backupTargetTest`: tries what backups need, and says which of it fails and why.

use std::collections::BTreeMap;

use aurochs_api::backup_target::{BackupTargetInput, BackupTargetTestOutput, BackupTargetTestStep};
use aurochs_api::schema::Resource;

use super::check;
use crate::backups::{self, Fault, credentials, remote};
use crate::error::ApiError;
use crate::nouns::action::Target;
use crate::resources::BackupTarget;
use crate::resources::backup_target::BackupTargetSpec;
use crate::routes::shown;
use crate::view::envelope::Links;

/// What comes before a store can be asked anything, in order.
const BEFORE: [&str; 3] = ["address", "credentials", "connect"];

/// What the body says is tried instead of what is stored: a person tries an address before it is kept.
pub async fn handle(target: Target, input: BackupTargetInput) -> Result<Resource<BackupTargetTestOutput>, ApiError> {
    let name = target.name.as_str();
    let found = target.app.store.get::<BackupTarget>(name).await;
    let mut spec = found.map_err(|error| shown::unknown::<BackupTarget>(error, name))?.spec;
    if !input.backup_target_url.trim().is_empty() {
        spec.backup_target_url = input.backup_target_url.trim().to_owned();
        // An address to try is not tried with another one's keys unless it is said so.
        spec.credential_secret.clone_from(&input.credential_secret);
    }
    if spec.backup_target_url.is_empty() {
        let message = format_args!("backup target {name} has no address to try");
        return Err(check::invalid(message, "Give backupTargetURL in the body, or give the target one."));
    }
    if let Some(given) = &input.credentials {
        credentials::check(given).map_err(|why| check::invalid(why, "Correct the credentials."))?;
    }
    let told = outcome(run(&target, &spec, input.credentials).await);
    Ok(Links::of(&target.url).resource("backupTargetTestOutput", name, &[], told))
}

async fn run(
    target: &Target,
    spec: &BackupTargetSpec,
    given: Option<BTreeMap<String, String>>,
) -> Result<Vec<(&'static str, u64)>, Fault> {
    let credentials = match given {
        Some(given) => given,
        None => target.app.backups.credentials_of(spec)?,
    };
    let store = backups::open(&spec.backup_target_url, &credentials).await?;
    remote::test(&store).await
}

fn outcome(tried: Result<Vec<(&'static str, u64)>, Fault>) -> BackupTargetTestOutput {
    let step = |name: &str, passed, milliseconds| BackupTargetTestStep { name: name.to_owned(), passed, milliseconds };
    match tried {
        Ok(steps) => {
            let before = BEFORE.iter().map(|name| step(name, true, 0));
            let steps = before.chain(steps.into_iter().map(|(name, took)| step(name, true, took))).collect();
            BackupTargetTestOutput { usable: true, steps, ..BackupTargetTestOutput::default() }
        }
        Err(fault) => {
            let failed = if fault.step.is_empty() { "connect" } else { fault.step };
            let passed = BEFORE.iter().chain(&remote::STEPS).take_while(|name| **name != failed);
            let steps = passed.map(|name| step(name, true, 0)).chain([step(failed, false, 0)]).collect();
            let (message, next_step) = (format!("{fault}."), fault.next_step);
            BackupTargetTestOutput { usable: false, steps, message, next_step }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_that_failed_is_the_last_one() {
        let told = outcome(Err(Fault { step: "write", ..Fault::damaged("cannot put x: access denied".into()) }));
        let names: Vec<(&str, bool)> = told.steps.iter().map(|step| (step.name.as_str(), step.passed)).collect();
        let passed = [("address", true), ("credentials", true), ("connect", true), ("list", true)];
        assert_eq!(names, [&passed[..], &[("write", false)]].concat());
        assert!(!told.usable && told.message.contains("access denied") && !told.next_step.is_empty());
        let told = outcome(Ok(remote::STEPS.iter().map(|step| (*step, 3)).collect()));
        assert!(told.usable && told.steps.len() == 7 && told.message.is_empty());
    }
}
